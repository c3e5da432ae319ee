/**
 * Who wrote something and was answered reads that, or what came after it, on the same node: never what was there before.
 */
import * as Invariant from "../Invariant.ts"
import type * as Workload from "../Workload.ts"

export interface Options {
  /** The key that a command has written, once it has answered. */
  readonly writes: (entry: Workload.Entry) => string | undefined
  /** The key that a command has read. */
  readonly reads: (entry: Workload.Entry) => string | undefined
  /** Whether what was read is the write, or may have come after it. */
  readonly sees: (read: Workload.Entry, write: Workload.Entry) => boolean
}

export const make = (options: Options): Invariant.Invariant =>
  Invariant.make("read your writes", (world) => {
    const writesByPlace = new Map<string, Array<Workload.Entry>>()
    const placeOf = (entry: Workload.Entry, key: string): string => JSON.stringify([entry.node, key])
    return {
      onCommand: (entry) => {
        if (entry.outcome !== "ok") return
        const written = options.writes(entry)
        if (written !== undefined) {
          const place = placeOf(entry, written)
          const writes = writesByPlace.get(place)
          if (writes === undefined) writesByPlace.set(place, [entry])
          else writes.push(entry)
        }
        const read = options.reads(entry)
        if (read === undefined) return
        const before = (writesByPlace.get(placeOf(entry, read)) ?? []).findLast(({ endedMicros }) =>
          endedMicros !== undefined && endedMicros < entry.invokedMicros
        )
        if (before === undefined || options.sees(entry, before)) return
        world.violated(
          `command ${entry.i} reads ${read} as it was before command ${before.i} wrote it, which was answered`,
          entry.node
        )
      }
    }
  }, { excusable: true })
