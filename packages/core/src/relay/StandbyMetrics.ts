/** What a standby counts. As with a relay's own figures, no label names a route or an address. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const lagSeconds = Metric.gauge("sotto_standby_lag_seconds", {
  description: "Since this standby last had all that the relay had"
})
const lagPositions = Metric.gauge("sotto_standby_lag_positions", {
  description: "Envelopes that the relay is known to have and this standby has not"
})
const bytes = Metric.counter("sotto_standby_bytes_total", {
  description: "Bytes that were received from the relay",
  incremental: true
})

export interface StandbyMetrics {
  readonly lag: (lag: { readonly millis: number; readonly positions: number }) => void
  readonly received: (bytes: number) => void
}

/** Counts into the metric registry of the context in which it is made. */
export const make: Effect.Effect<StandbyMetrics> = Effect.map(Effect.context(), (context) => ({
  lag: ({ millis, positions }) => {
    lagSeconds.updateUnsafe(millis / 1000, context)
    lagPositions.updateUnsafe(positions, context)
  },
  received: (count) => bytes.updateUnsafe(count, context)
}))
