/**
 * A standby's channel to the relay that it follows: requests out, each with the answer that has its number. It ends with
 * its scope; what is asked then, and what was not answered yet, fails with what ended it.
 */
import { PLANE, relayFrameCodec } from "@sotto/schema/Frame"
import { Signature } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Proof from "@sotto/schema/Proof"
import { fromRefusal, type RelayError, ShuttingDown } from "@sotto/schema/RelayError"
import { type StandbyAnswer, standbyAnswerCodec, type StandbyRequest, standbyRequestCodec } from "@sotto/schema/Standby"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Channel from "../channel/Channel.ts"
import { ChannelFailed, ENDED_HERE, type RelayKeyMismatch } from "../channel/ChannelError.ts"
import type { RelayIdentity } from "../channel/RelayKeyring.ts"
import { Crypto } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import { ConnectionClosed, type RelayUnreachable, Transport } from "../Transport.ts"

/** How long an answer may take. */
const ANSWER_MILLIS = 30_000

type Tag = Exclude<StandbyAnswer["_tag"], "Refused">
type Answer<T extends Tag> = Extract<StandbyAnswer, { readonly _tag: T }>

/** What a line ends with. */
export type LineEnded = ConnectionClosed | ChannelFailed | RelayError

/** `asked` is given the number of the request, and is answered by a `tag`. */
export interface StandbyLine {
  /** Asks; the inner effect waits for the answer, for ever. */
  readonly begin: <T extends Tag>(
    tag: T,
    asked: (request: number) => StandbyRequest
  ) => Effect.Effect<Effect.Effect<Answer<T>, LineEnded>, LineEnded>
  /** Asks, and waits for the answer. */
  readonly ask: <T extends Tag>(
    tag: T,
    asked: (request: number) => StandbyRequest
  ) => Effect.Effect<Answer<T>, LineEnded>
}

/** A line that is not answered any more. */
export const SILENT = new ConnectionClosed({ clean: false, detail: "the relay does not answer" })

const malformed = (detail: string) => new ChannelFailed({ reason: "control", detail })

/** Connects and proves that it has the relay's key. `received` is told of bytes that came. */
export const open: (options: {
  readonly address: RelayAddress
  readonly identity: RelayIdentity
  readonly received: (bytes: number) => void
}) => Effect.Effect<
  StandbyLine,
  LineEnded | RelayUnreachable | RelayKeyMismatch,
  Transport | Crypto | Scope.Scope
> = Effect.fn("StandbyLine.open")(function*({ address, identity, received }) {
  const crypto = yield* Crypto
  const transport = yield* Transport
  const connection = yield* transport.connect(address)
  const channel = yield* Channel.connect(connection, { address, known: identity.keys })
  const line = yield* over(channel, received)
  const message = Proof.standby(channel.handshakeHash)
  const signature = Signature.make(crypto.signature.sign(Secret.reveal(identity.signing), message))
  yield* line.ask("Proved", (request) => ({ _tag: "Prove", request, signature }))
  return line
})

const over = Effect.fnUntraced(function*(channel: Channel.Channel, received: (bytes: number) => void) {
  const waiting = new Map<number, Deferred.Deferred<StandbyAnswer, LineEnded>>()
  let ended: LineEnded | undefined
  let last = 0
  const end = (why: LineEnded) =>
    Effect.sync(() => {
      ended ??= why
      for (const answer of waiting.values()) Deferred.doneUnsafe(answer, Effect.fail(ended))
      waiting.clear()
    })
  const take = Effect.fnUntraced(function*(message: Uint8Array) {
    received(message.length)
    if (message[0] !== PLANE.standby) return yield* farewell(message)
    const decoded = standbyAnswerCodec.decode(message.subarray(1))
    if (Result.isFailure(decoded)) return yield* malformed(`an answer to a standby: ${decoded.failure.reason}`)
    const { request } = decoded.success
    const answer = waiting.get(request)
    waiting.delete(request)
    if (answer !== undefined) Deferred.doneUnsafe(answer, Effect.succeed(decoded.success))
  })
  const read = Effect.flatMap(channel.receive, (messages) => Effect.forEach(messages, take, { discard: true }))
  yield* Effect.addFinalizer(() => end(ENDED_HERE))
  yield* Effect.forkScoped(Effect.forever(read).pipe(Effect.catch(end)))

  const begin: StandbyLine["begin"] = <T extends Tag>(tag: T, asked: (request: number) => StandbyRequest) =>
    Effect.gen(function*() {
      if (ended !== undefined) return yield* Effect.fail(ended)
      const request = ++last
      const answer = Deferred.makeUnsafe<StandbyAnswer, LineEnded>()
      waiting.set(request, answer)
      const message = standbyRequestCodec.encodeAfter(1, asked(request))
      message[0] = PLANE.standby
      yield* channel.send(message)
      return Effect.flatMap(Deferred.await(answer), (given) => expect(given, tag))
    })
  const ask: StandbyLine["ask"] = (tag, asked) =>
    Effect.flatMap(
      begin(tag, asked),
      (answer) =>
        Effect.flatMap(Effect.timeoutOption(answer, ANSWER_MILLIS), (given) =>
          Option.isSome(given) ? Effect.succeed(given.value) : Effect.fail(SILENT))
    )
  const line: StandbyLine = { begin, ask }
  return line
})

const expect = <T extends Tag>(given: StandbyAnswer, tag: T): Effect.Effect<Answer<T>, LineEnded> => {
  const is = (answer: StandbyAnswer): answer is Answer<T> => answer._tag === tag
  if (is(given)) return Effect.succeed(given)
  if (given._tag !== "Refused") return Effect.fail(malformed("an answer to something else"))
  const error = fromRefusal(given.refusal)
  return Effect.fail(Result.isSuccess(error) ? error.success : malformed("a refusal that is none"))
}

/** What a relay says on the other planes to somebody who asks nothing there: why it ends the connection. */
const farewell = (message: Uint8Array): Effect.Effect<never, LineEnded> => {
  const frame = message[0] === PLANE.data ? relayFrameCodec.decode(message.subarray(1)) : undefined
  if (frame === undefined || Result.isFailure(frame)) return Effect.fail(malformed("a message that nobody asked for"))
  const { success } = frame
  if (success._tag === "GoAway") return Effect.fail(new ShuttingDown({ retryAfterMillis: success.retryAfterMillis }))
  const error = success._tag === "Refused" ? fromRefusal(success.refusal) : undefined
  return Effect.fail(error !== undefined && Result.isSuccess(error) ? error.success : malformed("an unasked frame"))
}
