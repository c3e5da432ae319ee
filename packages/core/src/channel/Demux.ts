/**
 * Splits a channel into its two planes (protocol.md §5a): the first byte of a message says where it belongs.
 *
 * 1. Each plane keeps at most about `Limit.messageBytesMax` that nobody took yet, tiny messages counted at what they take
 *    in memory; then nothing more is read from the channel, for either plane, and the network pushes back on the other side.
 * 2. What arrived before the end is still delivered, then the end itself.
 */
import { PLANE } from "@sotto/schema/Frame"
import { Limit } from "@sotto/schema/Limit"
import * as Arr from "effect/Array"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Channel } from "./Channel.ts"
import { type ChannelEnd, ChannelFailed, ENDED_HERE, endWith } from "./ChannelError.ts"

/** One plane of a channel. */
export interface Plane {
  /**
   * Sends a message of this plane. Its first byte is the plane's and is written here: leave room for it with
   * `codec.encodeAfter(1, value)`.
   */
  readonly send: (message: Uint8Array) => Effect.Effect<void, ChannelEnd>
  /** Many at once, see `Channel.sendAll`. */
  readonly sendAll: (
    messages: NonEmptyReadonlyArray<Uint8Array>
  ) => Effect.Effect<void, ChannelEnd>
  /** All that arrived, without the plane's byte; waits for the first. One reader at a time; safe to interrupt. */
  readonly receive: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, ChannelEnd>
  /** Gives the channel up, for both planes: what the other side sent here was not what it must be. */
  readonly fail: (error: ChannelFailed) => Effect.Effect<void>
}

export interface Planes {
  readonly control: Plane
  readonly data: Plane
}

/** Reads the channel until the scope closes. Nobody else may read from it. */
export const make: (channel: Channel) => Effect.Effect<Planes, never, Scope.Scope> = Effect.fnUntraced(
  function*(channel) {
    const control = makeInbox()
    const data = makeInbox()
    const end = (error: ChannelEnd) =>
      Effect.sync(() => {
        control.end(error)
        data.end(error)
      })

    const readNext = Effect.gen(function*() {
      for (const message of yield* channel.receive) {
        const inbox = message[0] === PLANE.control ? control : message[0] === PLANE.data ? data : undefined
        if (inbox === undefined) {
          return yield* new ChannelFailed({ reason: "control", detail: "a message of no known plane" })
        }
        inbox.put(message.subarray(1))
      }
      yield* control.room
      yield* data.room
    })

    // Not on the fiber: one that is interrupted before its first step runs no finalizer.
    yield* Effect.addFinalizer(() => end(ENDED_HERE))
    yield* Effect.forever(readNext).pipe(endWith(end), Effect.forkScoped)

    const plane = (byte: number, inbox: Inbox): Plane => ({
      send: (message) => {
        message[0] = byte
        return Effect.andThen(inbox.failIfEnded, channel.send(message))
      },
      sendAll: (messages) => {
        for (const message of messages) message[0] = byte
        return Effect.andThen(inbox.failIfEnded, channel.sendAll(messages))
      },
      receive: inbox.take,
      fail: end
    })
    return { control: plane(PLANE.control, control), data: plane(PLANE.data, data) }
  }
)

/** About what a message takes beside its bytes. */
const MESSAGE_BYTES = 256

interface Inbox {
  readonly put: (message: Uint8Array) => void
  readonly end: (error: ChannelEnd) => void
  readonly room: Effect.Effect<void>
  readonly failIfEnded: Effect.Effect<void, ChannelEnd>
  readonly take: Plane["receive"]
}

/** Messages that wait for their reader. `put` always takes; `room` is what holds the sender back. */
const makeInbox = (): Inbox => {
  const filled = Latch.makeUnsafe(false)
  const drained = Latch.makeUnsafe(true)
  let messages: Array<Uint8Array> = []
  let sizeBytes = 0
  let ended: ChannelEnd | undefined
  const take: Plane["receive"] = Effect.suspend(() => {
    const taken = messages
    if (!Arr.isArrayNonEmpty(taken)) {
      return ended === undefined ? Effect.andThen(filled.await, take) : Effect.fail(ended)
    }
    messages = []
    sizeBytes = 0
    drained.openUnsafe()
    if (ended === undefined) filled.closeUnsafe()
    return Effect.succeed(taken)
  })
  return {
    put: (message) => {
      messages.push(message)
      sizeBytes += message.length + MESSAGE_BYTES
      if (sizeBytes >= Limit.messageBytesMax) drained.closeUnsafe()
      filled.openUnsafe()
    },
    end: (error) => {
      ended ??= error
      filled.openUnsafe()
      drained.openUnsafe()
    },
    room: drained.await,
    failIfEnded: Effect.suspend(() => ended === undefined ? Effect.void : Effect.fail(ended)),
    take
  }
}
