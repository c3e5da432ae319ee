/** What can end a channel beside the connection's own end. All are final: a channel that failed is not used again. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ConnectionClosed } from "../Transport.ts"

const WHAT = {
  handshake: "The handshake did not come out. Nothing was sent; it is tried again on the next connection.",
  timeout: "The other side did not answer the handshake in time. Nothing was sent; it is tried again.",
  version: "The other side speaks another version of the protocol. Nothing was sent. Update whichever is older.",
  record: "Bytes arrived that the other side did not seal, or not in this place. They were dropped unread and the " +
    "connection was given up; what you wrote is kept. If it stays, something on the way changes the traffic: try another " +
    "network.",
  oversized:
    "The other side sent more at once than the protocol allows. It was dropped unread and the connection was " +
    "given up; what you wrote is kept. Update whichever side is older.",
  control:
    "The other side sent a control message that is not one. The connection was given up; what you wrote is kept. " +
    "If both sides run a current version, report this with the detail."
} as const

/** A channel that did not come about, or had to be given up. `detail` is for people and holds no data. */
export class ChannelFailed extends Schema.TaggedError<ChannelFailed>()("ChannelFailed", {
  reason: Schema.Literals(["handshake", "timeout", "version", "record", "oversized", "control"]),
  detail: Schema.String
}) {
  override get message() {
    return `${WHAT[this.reason]} (${this.detail})`
  }
}

/** The relay that answered is not the one that was pinned. Both are `rly_…` texts. */
export class RelayKeyMismatch extends Schema.TaggedError<RelayKeyMismatch>()("RelayKeyMismatch", {
  url: Schema.String,
  expected: Schema.String,
  got: Schema.String
}) {
  override get message() {
    return `Another relay answers at ${this.url}: expected ${this.expected}, got ${this.got}. Nothing was sent to it and ` +
      "your data is safe on this device. If the relay's operator says that its key changed, add the relay again with the " +
      "new address; otherwise someone may be between you and it: do not accept the new key."
  }
}

/** What an open channel ends with. */
export type ChannelEnd = ConnectionClosed | ChannelFailed

/** The end that the scope brings. */
export const ENDED_HERE = new ConnectionClosed({ clean: true, detail: "ended on this side" })

/**
 * Runs `end` with whatever ended a fiber that others wait for. A defect is logged and ends it too: nobody waits for ever
 * because of a bug.
 */
export const endWith =
  (end: (error: ChannelEnd) => Effect.Effect<void>) =>
  <R>(fiber: Effect.Effect<void, ChannelEnd, R>): Effect.Effect<void, never, R> =>
    Effect.catchCause(fiber, (cause) => {
      const error = Cause.findError(cause)
      if (Result.isSuccess(error)) return end(error.success)
      return Effect.andThen(
        end(new ConnectionClosed({ clean: false, detail: "a bug on this side, see its log" })),
        Effect.logError("a channel ended by a defect", cause)
      )
    })
