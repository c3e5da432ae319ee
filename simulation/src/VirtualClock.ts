/**
 * The clock of one device: what its programs read, and how long its timers take.
 *
 * It belongs to the device, not to a process: it lives on through crashes, as a real one does.
 *
 * 1. The monotonic reading never goes back and never stands still: each reading is at least 1 µs after the last.
 * 2. The wall reading is the monotonic one plus an offset, which skew and jumps move; frozen, it stands still.
 * 3. Drift makes both, and timers, faster or slower than the world. Jumps and freezing leave timers alone.
 * 4. Who reads it again and again in one instant waits for something that can not happen: that fails the run.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Timeline } from "./Timeline.ts"

export interface Options {
  /** The world's wall clock at its beginning, in milliseconds since 1970. */
  readonly epochMillis: number
  /** How far the wall clock is ahead of the world's. */
  readonly skewMicros?: number | undefined
  /** How much faster than the world it goes, in parts per million. */
  readonly driftPpm?: number | undefined
  /** Readings in one instant, after which the run fails: 100,000. */
  readonly readingsMax?: number | undefined
  /** Told when there were too many readings. */
  readonly onBusyWait?: ((message: string) => void) | undefined
}

/** Thrown into a program that waits in a loop over the clock. */
class BusyWait extends Error {
  override readonly name = "BusyWait"
}

export class VirtualClock {
  private readonly timeline: Pick<Timeline, "nowMicros">
  private readonly readingsMax: number
  private readonly onBusyWait: (message: string) => void
  private drift: number
  /** Local and world time at the last change of drift. */
  private anchorLocal = 0
  private anchorWorld: number
  private wallOffset: number
  private frozenAt: number | undefined = undefined
  private last = 0
  private lastWorld = -1
  private readings = 0

  constructor(timeline: Pick<Timeline, "nowMicros">, options: Options) {
    this.timeline = timeline
    this.readingsMax = options.readingsMax ?? 100_000
    this.onBusyWait = options.onBusyWait ?? (() => {})
    this.drift = options.driftPpm ?? 0
    this.anchorWorld = timeline.nowMicros()
    this.wallOffset = options.epochMillis * 1000 + this.anchorWorld + (options.skewMicros ?? 0)
  }

  /** Microseconds since the device's beginning. A reading takes 1 µs. */
  monotonicMicros(): number {
    const world = this.timeline.nowMicros()
    if (world !== this.lastWorld) {
      this.lastWorld = world
      this.readings = 0
    }
    if (++this.readings > this.readingsMax) {
      const message = `the clock was read ${this.readings} times in one instant: a program waits in a loop`
      this.onBusyWait(message)
      throw new BusyWait(message)
    }
    const local = this.local(world)
    this.last = local > this.last ? local : this.last + 1
    return this.last
  }

  /** Microseconds since 1970, as this device believes. */
  wallMicros(): number {
    const monotonic = this.monotonicMicros()
    return this.frozenAt ?? monotonic + this.wallOffset
  }

  /** The wall reading, for somebody outside: it takes no time. */
  glanceWallMicros(): number {
    return this.frozenAt ?? Math.max(this.last, this.local(this.timeline.nowMicros())) + this.wallOffset
  }

  /** Sets the wall clock forward, or back. */
  jump(micros: number): void {
    this.wallOffset += micros
    if (this.frozenAt !== undefined) this.frozenAt += micros
  }

  /** The wall clock stands still until `thaw`, then goes on from where it should be. */
  freeze(): void {
    this.frozenAt ??= this.local(this.timeline.nowMicros()) + this.wallOffset
  }

  thaw(): void {
    this.frozenAt = undefined
  }

  /** From now on this much faster than the world, in parts per million (above −1,000,000). */
  setDrift(ppm: number): void {
    const world = this.timeline.nowMicros()
    this.anchorLocal = this.local(world)
    this.anchorWorld = world
    this.drift = ppm
  }

  /** How long the world waits while this device waits for so long. */
  worldMicros(localMicros: number): number {
    if (this.drift === 0) return localMicros
    return Math.max(localMicros === 0 ? 0 : 1, Math.round(localMicros * (1_000_000 / (1_000_000 + this.drift))))
  }

  private local(world: number): number {
    const passed = world - this.anchorWorld
    return this.anchorLocal + (this.drift === 0 ? passed : passed + Math.floor(passed * (this.drift / 1_000_000)))
  }
}

/** No timer is set for longer than this (71 years): it would outlast any run. */
const SLEEP_MICROS_MAX = 2 ** 51

/** Effect's clock over a device's. `after` runs once the world has waited so long; its answer takes it back. */
export const service = (
  clock: VirtualClock,
  after: (delayMicros: number, run: () => void) => () => void
): Clock.Clock => {
  const currentTimeMillisUnsafe = () => Math.floor(clock.wallMicros() / 1000)
  const currentTimeNanosUnsafe = () => BigInt(clock.wallMicros()) * 1000n
  const monotonicTimeNanosUnsafe = () => BigInt(clock.monotonicMicros()) * 1000n
  return {
    currentTimeMillisUnsafe,
    currentTimeNanosUnsafe,
    monotonicTimeNanosUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
    sleep: (duration) => {
      const millis = Duration.toMillis(duration)
      if (millis <= 0) return Effect.yieldNow
      if (millis === Infinity) return Effect.never
      const micros = Math.min(Math.max(1, Math.round(millis * 1000)), SLEEP_MICROS_MAX)
      return Effect.callback<void>((resume) => {
        const cancel = after(clock.worldMicros(micros), () => resume(Effect.void))
        return Effect.sync(cancel)
      })
    }
  }
}
