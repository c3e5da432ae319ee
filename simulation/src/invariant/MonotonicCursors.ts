/**
 * A cursor never goes back: programs say `observe("cursor", { name, value, durable })` when one moves. One that is said
 * to be durable does not go back in a restart either, unless a fault destroyed something of the node.
 */
import * as Invariant from "../Invariant.ts"

export const make = (): Invariant.Invariant =>
  Invariant.make("monotonic cursors", (world) => {
    const valueByPlace = new Map<string, number>()
    return {
      onObservation: ({ data, incarnation, node, what }) => {
        if (what !== "cursor") return
        const value = Invariant.field(data, "value")
        if (typeof value !== "number") return
        const name = Invariant.textField(data, "name")
        const losses = world.nodes.find((view) => view.name === node)?.losses ?? 0
        const life = Invariant.field(data, "durable") === true ? `loss ${losses}` : `life ${incarnation}`
        const place = JSON.stringify([node, life, name])
        const before = valueByPlace.get(place)
        if (before !== undefined && value < before) {
          world.violated(`the cursor ${name} goes back from ${before} to ${value}`, node)
        }
        valueByPlace.set(place, value)
      }
    }
  })
