/**
 * An effect happens at most once: programs say `observe("apply", { id })` when it does.
 *
 * Within one life of a node, ids do not repeat. With `durable: true` in the observation they never do, unless a fault
 * destroyed what the node knew.
 */
import * as Invariant from "../Invariant.ts"

export const make = (): Invariant.Invariant =>
  Invariant.make("at most once", (world) => {
    const applied = new Set<string>()
    return {
      onObservation: ({ data, incarnation, node, what }) => {
        if (what !== "apply") return
        const id = Invariant.textField(data, "id")
        const losses = world.nodes.find(({ name }) => name === node)?.losses ?? 0
        const life = Invariant.field(data, "durable") === true ? `loss ${losses}` : `life ${incarnation}`
        const key = JSON.stringify([node, life, id])
        if (applied.has(key)) world.violated(`${id} takes effect twice`, node)
        applied.add(key)
      }
    }
  })
