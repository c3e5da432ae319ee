/**
 * What a node shows is what a reference model makes of what the node holds; and what a command answers is something that
 * the model allows.
 */
import * as Invariant from "../Invariant.ts"
import type * as Node from "../Node.ts"
import type { Json } from "../Scenario.ts"
import type * as Workload from "../Workload.ts"
import { firstDifference } from "./Convergence.ts"

export interface Options<Item, State> {
  /** What a node holds, in the order that the model takes it in; undefined when it takes no part. */
  readonly held: (probe: Node.Probe, node: Invariant.NodeView) => ReadonlyArray<Item> | undefined
  readonly initial: () => State
  readonly apply: (state: State, item: Item) => State
  /** What the model shows. */
  readonly show: (state: State) => Json
  /** What the node shows. */
  readonly shown: (probe: Node.Probe) => Json | undefined
  /** What is wrong with an answer; undefined when it is allowed. */
  readonly objects?: (entry: Workload.Entry, history: ReadonlyArray<Workload.Entry>) => string | undefined
}

export const make = <Item, State>(options: Options<Item, State>): Invariant.Invariant =>
  Invariant.make("model agreement", (world) => {
    const check = (): void => {
      for (const node of world.nodes) {
        const { probe } = node
        const held = probe === undefined ? undefined : options.held(probe, node)
        if (probe === undefined || held === undefined) continue
        const expected = options.show(held.reduce(options.apply, options.initial()))
        const difference = firstDifference(expected, options.shown(probe))
        if (difference === undefined) continue
        const { left = null, path, right = null } = difference
        const where = path === "" ? "" : ` at ${path}`
        world.violated(`shows ${JSON.stringify(right)}${where}, the model ${JSON.stringify(left)}`, node.name, {
          kind: "shown"
        })
      }
    }
    return {
      isSettled: () => {
        check()
        return true
      },
      onCommand: (entry) => {
        const objection = entry.outcome === "ok" ? options.objects?.(entry, world.history) : undefined
        if (objection !== undefined) world.violated(`command ${entry.i}: ${objection}`, entry.node, { kind: "answer" })
      },
      onRestarted: check
    }
  })
