/**
 * A line through a relay's mailbox (protocol.md §6, §8). The side's name is kept by its device, so that a connection
 * that breaks, or a program that was started again, goes on with the same mailbox instead of being a third in it.
 */
import type { MailboxId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type MailboxMessage, mailboxMessageCodec } from "@sotto/schema/Pairing"
import type { MailboxSide } from "@sotto/schema/Relay"
import { MailboxUnavailable, type RelayError } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CallError, RelayClient } from "../channel/Control.ts"
import type { Line } from "./Line.ts"
import { failed, type PairingFailed } from "./PairingError.ts"

/** What a mailbox may fail with beside what ends a pairing. */
export type MailboxFailed = RelayError | CallError

/** How long one call waits for a message before it is made anew. */
const WAIT_MILLIS = 25_000

const REASON = {
  unknown: "unknownCode",
  crowded: "crowded",
  expired: "expired",
  full: "protocol",
  exists: "protocol"
} as const

/** A mailbox's refusal in the words of a pairing. */
const translated = <A, E>(call: Effect.Effect<A, E | RelayError>): Effect.Effect<A, E | RelayError | PairingFailed> =>
  Effect.catchIf(
    call,
    (error): error is Extract<RelayError, { readonly _tag: "MailboxUnavailable" }> => isUnavailable(error),
    (error) => Effect.fail(failed(REASON[error.reason]))
  )

const isUnavailable = (error: unknown): boolean => error instanceof MailboxUnavailable

interface Side {
  readonly client: RelayClient
  readonly id: MailboxId
  readonly side: MailboxSide
}

const lineFrom = ({ client, id }: Side, already: number): Line<MailboxFailed> => {
  const waiting: Array<Uint8Array> = []
  let taken = already
  const next: Effect.Effect<Uint8Array, MailboxFailed | PairingFailed> = Effect.suspend(() => {
    const first = waiting.shift()
    if (first !== undefined) return Effect.succeed(first)
    return Effect.flatMap(
      translated(client.MailboxReceive({ id, after: taken, waitMillis: WAIT_MILLIS })),
      ({ messages }) => {
        taken += messages.length
        waiting.push(...messages)
        return next
      }
    )
  })
  return {
    send: (message) => translated(client.MailboxSend({ id, message: mailboxMessageCodec.encode(message) })),
    receive: Effect.flatMap(next, decode),
    close: translated(client.MailboxClose({ id }))
  }
}

const decode = (bytes: Uint8Array): Effect.Effect<MailboxMessage, PairingFailed> => {
  const decoded = mailboxMessageCodec.decode(bytes)
  return Result.isFailure(decoded) ? Effect.fail(failed("protocol")) : Effect.succeed(decoded.success)
}

/** Makes the mailbox and takes its first side. */
export const create = (side: Side): Effect.Effect<Line<MailboxFailed>, MailboxFailed | PairingFailed> =>
  Effect.as(
    translated(side.client.MailboxCreate({ id: side.id, side: side.side, ttlMillis: Limit.pairingMillis })),
    lineFrom(side, 0)
  )

/**
 * Takes the second side, or takes it up again. Answers the offer, which is the first message, and a line that begins
 * after what is there already: that belongs to attempts that are over.
 */
export const join: (side: Side) => Effect.Effect<
  { readonly line: Line<MailboxFailed>; readonly offer: Extract<MailboxMessage, { readonly _tag: "Offer" }> },
  MailboxFailed | PairingFailed
> = Effect.fnUntraced(function*(side) {
  const { client, id } = side
  yield* translated(client.MailboxJoin({ id, side: side.side }))
  const { messages } = yield* translated(client.MailboxReceive({ id, after: 0, waitMillis: WAIT_MILLIS }))
  const [first] = messages
  if (first === undefined) return yield* failed("silent")
  const offer = yield* decode(first)
  return offer._tag === "Offer" ? { offer, line: lineFrom(side, messages.length) } : yield* failed("protocol")
})
