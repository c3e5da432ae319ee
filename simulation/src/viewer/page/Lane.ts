/**
 * The lanes of the diagram: the nodes of the scenario in its order, before them whoever else wrote rows (the world, the
 * kernel). Each lane knows its place from the top.
 */
import type { Run } from "./Run.ts"

export interface Lane {
  readonly node: string
  /** What the scenario calls it: `client`; empty for whoever is not a node of it. */
  readonly kind: string
  /** Index among the nodes of the trace, or undefined when it wrote nothing. */
  readonly index: number | undefined
}

export interface Lanes {
  readonly lanes: ReadonlyArray<Lane>
  /** Lane by index of the node in the trace. */
  readonly byNode: Int32Array
  readonly byName: ReadonlyMap<string, number>
}

export const lanesOf = (run: Run): Lanes => {
  const planned = run.packed.scenario.nodes
  const names = new Set(planned.map(({ name }) => name))
  const index = new Map(run.nodes.map((node, i) => [node, i] as const))
  const others = run.nodes.filter((node) => !names.has(node))
  const lanes = [
    ...others.map((node): Lane => ({ node, kind: "", index: index.get(node) })),
    ...planned.map(({ kind, name }): Lane => ({ node: name, kind, index: index.get(name) }))
  ]
  const byName = new Map(lanes.map(({ node }, place) => [node, place] as const))
  return { lanes, byName, byNode: Int32Array.from(run.nodes, (node) => byName.get(node) ?? 0) }
}

/** The node that sees what it should not be trusted with: by what it is called, else the one with most connections. */
export const untrusted = (run: Run, lanes: Lanes): string => {
  const named = lanes.lanes.find(({ kind, node }) => /relay|server|hub|broker|untrusted/i.test(kind || node))
  if (named !== undefined) return named.node
  const accepts = run.kinds.indexOf("accept")
  const counts = new Uint32Array(run.nodes.length)
  for (let at = 0; at < run.size; at++) {
    if (run.kind[at] === accepts) counts[run.node[at] ?? 0] = (counts[run.node[at] ?? 0] ?? 0) + 1
  }
  const most = counts.indexOf(Math.max(0, ...counts))
  return run.nodes[most] ?? ""
}
