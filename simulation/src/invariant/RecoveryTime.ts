/** Once nothing goes wrong any more, the world comes to rest within a time. */
import * as Duration from "effect/Duration"
import * as Invariant from "../Invariant.ts"

export const make = (options: { readonly within: Duration.Input }): Invariant.Invariant => {
  const withinMicros = Math.round(Duration.toMillis(options.within) * 1000)
  return Invariant.make("recovery time", (world) => ({
    onEnd: () => {
      const { healedMicros = 0, settledMicros } = world
      const took = (settledMicros ?? world.nowMicros()) - healedMicros
      if (took <= withinMicros) return
      const text = settledMicros === undefined ? "has not come to rest" : "came to rest"
      world.violated(`the world ${text} ${took / 1_000_000} s after it was healed, not ${withinMicros / 1_000_000} s`)
    }
  }), { excusable: true })
}
