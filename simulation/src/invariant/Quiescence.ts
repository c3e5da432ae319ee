/**
 * A world that has come to rest is quiet: no node sends more than a heartbeat, no node spins.
 *
 * It is watched for some seconds after it came to rest; what was still on its way then has the first of them.
 */
import * as Invariant from "../Invariant.ts"

export interface Options {
  readonly messagesPerNodePerSecond: number
  /** How long it is watched: 3 seconds. */
  readonly seconds?: number
}

const GRACE_MICROS = 1_000_000

export const make = (options: Options): Invariant.Invariant => {
  const seconds = options.seconds ?? 3
  const restMicros = GRACE_MICROS + seconds * 1_000_000
  return Invariant.make("quiescence", (world) => {
    const counts = new Map<string, number>()
    return {
      restMicros,
      onRow: ({ kind, node, tMicros }) => {
        const { phase, settledMicros } = world
        if (kind !== "send" || phase !== "liveness" || settledMicros === undefined) return
        const restedMicros = tMicros - settledMicros
        // Others may want the world to rest for longer.
        if (restedMicros > GRACE_MICROS && restedMicros <= restMicros) counts.set(node, (counts.get(node) ?? 0) + 1)
      },
      onEnd: () => {
        for (const [node, count] of counts) {
          const perSecond = Math.round(count / seconds)
          if (perSecond > options.messagesPerNodePerSecond) {
            world.violated(`sends ${perSecond} messages in a second although all is at rest`, node)
          }
        }
      }
    }
  })
}
