/**
 * What a node answered for is not lost: in the end everybody that should have it has it, also after a cold restart.
 *
 * What was answered for by a node that is dead for ever does not count, unless such an answer promises more.
 */
import * as Invariant from "../Invariant.ts"
import type * as Node from "../Node.ts"
import type * as Workload from "../Workload.ts"

export interface Options {
  /** The ids of what a command that answered has made. */
  readonly made: (entry: Workload.Entry) => ReadonlyArray<string>
  /** The ids that a node shows; undefined when it takes no part. What was superseded counts as shown. */
  readonly held: (probe: Node.Probe, node: Invariant.NodeView) => Iterable<string> | undefined
  /** Whether an answer means that others have it too, so that it outlives its node: false. */
  readonly shared?: boolean
}

export const make = (options: Options): Invariant.Invariant =>
  Invariant.make("no acked loss", (world) => {
    const check = (): void => {
      const alive = new Set(world.nodes.filter(({ core }) => core).map(({ name }) => name))
      const promised = world.history.filter(({ node, outcome }) =>
        outcome === "ok" && (options.shared === true || alive.has(node))
      )
      for (const node of world.nodes) {
        const shown = node.core && node.probe !== undefined ? options.held(node.probe, node) : undefined
        if (shown === undefined) continue
        const held = new Set(shown)
        for (const entry of promised) {
          const lost = options.made(entry).find((id) => !held.has(id))
          if (lost === undefined) continue
          world.violated(`${lost} is lost, which ${entry.node} answered for (command ${entry.i})`, node.name)
          return
        }
      }
    }
    return { onEnd: check, onRestarted: check }
  }, { excusable: true })
