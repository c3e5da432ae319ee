/**
 * What waits to go out on one connection. Whoever has something to say leaves it here without waiting; one fiber per
 * connection sends it on, as fast as the other side takes it.
 *
 * `bytes` is the measure by which everybody else holds back: a connection that is not read gets no pages and no presence
 * and is not read from itself, so that what waits here stays bounded (protocol.md §6).
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { monotonicMillis } from "../internal/monotonicMillis.ts"

/** What a message costs beside its bytes, so that many small ones count too. */
const MESSAGE_BYTES = 64
/** A batch ends with the message that brings it to this. */
const BATCH_BYTES = 128 * 1024

export class Outbox {
  /** Bytes that wait, the message that is being sent included. */
  bytes = 0
  /** When the other side last took a message, or when the first one began to wait: monotonic. */
  progressMillis = 0
  private messages: Array<Uint8Array> = []
  private ended = false
  private readonly filled = Latch.makeUnsafe(false)
  private readonly clock: Clock.Clock
  private readonly roomBytes: number
  private readonly onRoom: () => void

  /** `onRoom` is called when what waits falls below `roomBytes`. */
  constructor(options: { readonly clock: Clock.Clock; readonly roomBytes: number; readonly onRoom: () => void }) {
    this.clock = options.clock
    this.roomBytes = options.roomBytes
    this.onRoom = options.onRoom
  }

  /** Leaves a message. It is shared, not copied: nobody may change it afterwards. */
  offer(message: Uint8Array): void {
    if (this.ended) return
    if (this.bytes === 0) this.progressMillis = monotonicMillis(this.clock)
    this.messages.push(message)
    this.bytes += message.length + MESSAGE_BYTES
    this.filled.openUnsafe()
  }

  /** Nothing more is taken; `run` ends when what waits is sent. */
  end(): void {
    this.ended = true
    this.filled.openUnsafe()
  }

  /** The connection is gone: forgets what waits, and takes nothing more. */
  close(): void {
    this.end()
    this.messages = []
    this.bytes = 0
  }

  /** Sends what comes, until the connection or `end` ends it. */
  run<E>(sendAll: (messages: NonEmptyReadonlyArray<Uint8Array>) => Effect.Effect<void, E>): Effect.Effect<void, E> {
    const step: Effect.Effect<void, E> = Effect.suspend(() => {
      const batch = this.next()
      if (!Arr.isArrayNonEmpty(batch)) {
        if (this.ended) return Effect.void
        this.filled.closeUnsafe()
        return Effect.andThen(this.filled.await, step)
      }
      return Effect.andThen(sendAll(batch), () => {
        this.sent(batch)
        return step
      })
    })
    return step
  }

  /** What goes out together: all that waits, unless that is so much that progress could not be seen in between. */
  private next(): Array<Uint8Array> {
    let bytes = 0
    const length = this.messages.findIndex((message) => (bytes += message.length) >= BATCH_BYTES) + 1
    if (length > 0) return this.messages.splice(0, length)
    const batch = this.messages
    this.messages = []
    return batch
  }

  private sent(batch: ReadonlyArray<Uint8Array>): void {
    const before = this.bytes
    for (const { length } of batch) this.bytes -= length + MESSAGE_BYTES
    this.progressMillis = monotonicMillis(this.clock)
    if (before >= this.roomBytes && this.bytes < this.roomBytes) this.onRoom()
  }
}
