/**
 * What can lie between nodes, as directed pairs for `Network.block`, `clog`, `change`, `tear` and `tap`, and the faults
 * that are made of several of them.
 */
import type { Network, Pairs } from "./Network.ts"
import type { Draws } from "./Seed.ts"

export const everywhere: Pairs = () => true

export const link = (from: string, to: string): Pairs => (source, target) => source === from && target === to

/**
 * Pairs of any of these.
 *
 * @public
 */
export const union = (...all: ReadonlyArray<Pairs>): Pairs => (from, to) => all.some((pairs) => pairs(from, to))

/** Between a side and another (or everybody else). `in` cuts what goes to the side, `out` what leaves it. */
export const between = (
  side: ReadonlyArray<string>,
  other?: ReadonlyArray<string>,
  direction: "both" | "in" | "out" = "both"
): Pairs => {
  const inside = new Set(side)
  const outside = other === undefined ? undefined : new Set(other)
  const isOther = (node: string) => outside === undefined ? !inside.has(node) : outside.has(node)
  return (from, to) =>
    (direction !== "in" && inside.has(from) && isOther(to)) || (direction !== "out" && inside.has(to) && isOther(from))
}

/** One node alone. */
export const isolate = (node: string, direction: "both" | "in" | "out" = "both"): Pairs =>
  between([node], undefined, direction)

/** Each node sees only the one before it and the one after it. */
export const ring = (nodes: ReadonlyArray<string>): Pairs => (from, to) => {
  const source = nodes.indexOf(from)
  const target = nodes.indexOf(to)
  if (source < 0 || target < 0 || source === target) return false
  const distance = (target - source + nodes.length) % nodes.length
  return distance !== 1 && distance !== nodes.length - 1
}

/** Two halves that see each other only through one node. */
export const bridge = (left: ReadonlyArray<string>, middle: string, right: ReadonlyArray<string>): Pairs =>
  between(left.filter((node) => node !== middle), right.filter((node) => node !== middle))

/**
 * In an order of its own, clogs node after node; then, in another order, lets them go one after the other. The answer
 * lets all go that are still clogged, and clogs no more.
 */
export const swizzleClog = (
  network: Network,
  options: { readonly nodes: ReadonlyArray<string>; readonly everyMicros: number; readonly draws: Draws }
): () => void => {
  const { draws, everyMicros, nodes } = options
  const lifts = new Map<string, () => void>()
  const clogged = shuffle(nodes, draws)
  const freed = shuffle(nodes, draws)
  let over = false
  clogged.forEach((node, at) => {
    network.timeline.schedule(at * everyMicros, () => {
      if (over) return
      network.recorder.note(node, "clog")
      lifts.set(node, network.clog((from, to) => from === node || to === node))
    })
  })
  freed.forEach((node, at) => {
    network.timeline.schedule((nodes.length + at) * everyMicros, () => {
      const lift = lifts.get(node)
      if (over || lift === undefined) return
      network.recorder.note(node, "unclog")
      lift()
    })
  })
  return () => {
    over = true
    for (const lift of lifts.values()) lift()
  }
}

const shuffle = (nodes: ReadonlyArray<string>, draws: Draws): ReadonlyArray<string> => {
  const left = [...nodes]
  const out: Array<string> = []
  while (left.length > 0) out.push(...left.splice(draws.int(left.length), 1))
  return out
}
