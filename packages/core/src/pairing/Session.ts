/**
 * The sealed part of a pairing (protocol.md §8): after the handshake, pairing messages under its keys, through the same
 * line. What does not open, or is not the message that comes now, ends the pairing.
 */
import { Limit } from "@sotto/schema/Limit"
import {
  type MailboxMessage,
  type PairingMessage,
  pairingMessageCodec,
  type WelcomeBody,
  welcomeBodyCodec
} from "@sotto/schema/Pairing"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Established } from "../channel/Noise.ts"
import type { Line } from "./Line.ts"
import { failed, fromAbort, type PairingFailed } from "./PairingError.ts"

/** The message of this tag, or the end: what the other side's `Abort` says, or a breach of the protocol. */
export const narrow = <Tag extends MailboxMessage["_tag"]>(
  message: MailboxMessage,
  tag: Tag
): Effect.Effect<Extract<MailboxMessage, { readonly _tag: Tag }>, PairingFailed> => {
  const isExpected = (one: MailboxMessage): one is Extract<MailboxMessage, { readonly _tag: Tag }> => one._tag === tag
  if (isExpected(message)) return Effect.succeed(message)
  return Effect.fail(message._tag === "Abort" ? fromAbort(message.reason) : failed("protocol"))
}

/** The next message, which must be of this tag. */
export const expect = <E, Tag extends MailboxMessage["_tag"]>(line: Line<E>, tag: Tag) =>
  Effect.flatMap(line.receive, (message) => narrow(message, tag))

export interface Session<E> {
  readonly handshakeHash: Uint8Array
  readonly send: (message: PairingMessage) => Effect.Effect<void, E | PairingFailed>
  readonly receive: Effect.Effect<PairingMessage, E | PairingFailed>
}

/** What a welcome may have: a mailbox keeps room for the other messages of a pairing, failed attempts included. */
const PLAINTEXT_BYTES_MAX = Limit.mailboxBytesMax - 16 * 1024

/** What a welcome has beside its body: who signed it, and the signature. */
const WELCOME_OVERHEAD_BYTES = 256

/** Whether a welcome of this body can be handed over. */
export const fits = (body: WelcomeBody): boolean =>
  welcomeBodyCodec.encode(body).length + WELCOME_OVERHEAD_BYTES <= PLAINTEXT_BYTES_MAX

export const make = <E>(line: Line<E>, { handshakeHash, receive, send }: Established): Session<E> => ({
  handshakeHash,
  send: (message) => {
    const plaintext = pairingMessageCodec.encode(message)
    return plaintext.length > PLAINTEXT_BYTES_MAX
      ? Effect.fail(failed("tooManyDevices"))
      : line.send({ _tag: "Sealed", message: send.seal(plaintext) })
  },
  receive: Effect.flatMap(expect(line, "Sealed"), ({ message }) => {
    const plaintext = receive.open(message)
    if (plaintext === undefined) return Effect.fail(failed("protocol"))
    const decoded = pairingMessageCodec.decode(plaintext)
    return Result.isFailure(decoded) ? Effect.fail(failed("protocol")) : Effect.succeed(decoded.success)
  })
})
