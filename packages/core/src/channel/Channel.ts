/**
 * A secret, ordered line of messages over a `Connection` (protocol.md §5a, §8; bytes in docs/spec/channel.md).
 *
 *   client                                             relay
 *     prelude (want 00) ‖ message 1  ───────────────▶  cheap checks, then one X25519 and one ML-KEM each way
 *                                    ◀───────────────  message 2
 *     records                        ◀──────────────▶  records
 *
 * A client without the relay's keys sends the prelude alone (want 01), gets the keys, holds them against the pinned hash
 * and only then begins.
 *
 * 1. The handshake binds the protocol's name, the pinned key, the version and the prelude: who changes one of them on the
 *    way gets a failed handshake. It takes at most `Limit.handshakeStepMillis` per message and `handshakeTotalMillis`.
 * 2. Messages arrive whole, once, in order, or the channel fails for good: no error is read over.
 * 3. A channel belongs to the scope that made it; after it, everything fails with `ConnectionClosed`.
 */
import { concat, equals } from "@sotto/schema/Bytes"
import type { NoiseKeys } from "@sotto/schema/Device"
import { Limit } from "@sotto/schema/Limit"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { RelayKeys } from "@sotto/schema/Relay"
import { toText } from "@sotto/schema/Text"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Crypto, EntropyUnavailable } from "../Crypto.ts"
import type { DeviceIdentity } from "../Device.ts"
import { monotonicMillis } from "../internal/monotonicMillis.ts"
import type { Connection, ConnectionClosed } from "../Transport.ts"
import { type ChannelEnd, ChannelFailed, ENDED_HERE, endWith, RelayKeyMismatch } from "./ChannelError.ts"
import * as Handshake from "./Handshake.ts"
import type { Established } from "./Noise.ts"
import type { Role } from "./Pattern.ts"
import * as Prelude from "./Prelude.ts"
import * as Record from "./Record.ts"
import { type RelayIdentity, relayKeyOf } from "./RelayKeyring.ts"

/** An open channel. */
export interface Channel {
  /** 32 bytes, fresh on each channel and equal on both sides: what proofs are signed over. */
  readonly handshakeHash: Uint8Array
  readonly remoteAddress: string
  /**
   * Answers when the message is handed to the connection, which may wait for the network. Messages go out in the order
   * of the calls. Dies above `Limit.messageBytesMax`. Interrupted, it may or may not have gone out, but never in part.
   */
  readonly send: (message: Uint8Array) => Effect.Effect<void, ConnectionClosed | ChannelFailed>
  /** Many at once, which is cheaper: small ones share records. None may be changed before this answers. */
  readonly sendAll: (
    messages: NonEmptyReadonlyArray<Uint8Array>
  ) => Effect.Effect<void, ConnectionClosed | ChannelFailed>
  /** The next messages. One reader at a time, and to interrupt it is to give the channel up. */
  readonly receive: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, ConnectionClosed | ChannelFailed>
}

/**
 * The client's side. `known` are the relay's keys from an earlier channel: they save a round trip, and are only used when
 * they are what `address` pins. The answered `relayKeys` are to be kept for the next time.
 */
export const connect: (
  connection: Connection,
  options: { readonly address: RelayAddress; readonly known?: RelayKeys }
) => Effect.Effect<
  Channel & { readonly relayKeys: RelayKeys },
  ConnectionClosed | ChannelFailed | RelayKeyMismatch,
  Crypto | Scope.Scope
> = Effect.fn("Channel.connect")(function*(connection, { address, known }) {
  const crypto = yield* Crypto
  const inbox = makeInbox(connection)
  const [established, relayKeys] = yield* withinTotal(initiate(crypto, connection, inbox, address, known))
  const channel = yield* open(connection, inbox, established)
  return { ...channel, relayKeys }
})

/** The relay's side. */
export const accept: (
  connection: Connection,
  identity: RelayIdentity
) => Effect.Effect<Channel, ConnectionClosed | ChannelFailed, Crypto | Scope.Scope> = Effect.fn("Channel.accept")(
  function*(connection, identity) {
    const crypto = yield* Crypto
    const inbox = makeInbox(connection)
    const established = yield* withinTotal(respond(crypto, connection, inbox, identity))
    return yield* open(connection, inbox, established)
  }
)

/**
 * Either side between two devices (the one that connected begins). `context` is whatever both know before; without it no
 * handshake comes out. The caller has to ask whose keys `remote` are: the handshake shows only that the other has them.
 */
export const meet: (
  connection: Connection,
  options: {
    readonly role: Role
    readonly identity: Pick<DeviceIdentity, "noiseX25519" | "noiseMlKem">
    readonly context: Uint8Array
  }
) => Effect.Effect<
  Channel & { readonly remote: NoiseKeys },
  ConnectionClosed | ChannelFailed | EntropyUnavailable,
  Crypto | Scope.Scope
> = Effect.fn("Channel.meet")(function*(connection, { context, identity, role }) {
  const crypto = yield* Crypto
  const inbox = makeInbox(connection)
  const { noiseMlKem: mlKem, noiseX25519: x25519 } = identity
  const handshake = Handshake.peer(crypto, { role, x25519, mlKem, context })
  const established = yield* withinTotal(takeTurns(connection, inbox, handshake, role))
  const { remoteStatic } = established
  if (remoteStatic === undefined) return yield* Effect.die("a handshake that shows no keys")
  const channel = yield* open(connection, inbox, established)
  return { ...channel, remote: { x25519: remoteStatic.dh, mlKem: remoteStatic.kem } }
})

// -- handshake ---------------------------------------------------------------------------------------------------------

type CryptoService = Crypto["Service"]

/** A connection's messages one by one; what came with the last message of the handshake is left for the records. */
interface Inbox {
  readonly next: Effect.Effect<Uint8Array, ConnectionClosed>
  readonly rest: () => ReadonlyArray<Uint8Array>
}

const makeInbox = (connection: Connection): Inbox => {
  let waiting: ReadonlyArray<Uint8Array> = []
  const next: Effect.Effect<Uint8Array, ConnectionClosed> = Effect.suspend(() => {
    const [first, ...others] = waiting
    waiting = others
    if (first !== undefined) return Effect.succeed(first)
    return Effect.flatMap(connection.receive, (messages) => {
      waiting = messages
      return next
    })
  })
  return { next, rest: () => waiting }
}

const within =
  (millis: number, detail: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | ChannelFailed, R> =>
    Effect.timeoutOrElse(effect, {
      duration: millis,
      orElse: () => Effect.fail(new ChannelFailed({ reason: "timeout", detail }))
    })

const withinStep = within(Limit.handshakeStepMillis, `no message within ${Limit.handshakeStepMillis} ms`)
const withinTotal = within(Limit.handshakeTotalMillis, `not done within ${Limit.handshakeTotalMillis} ms`)

const orChannelFailed = <A>(
  result: Result.Result<A, Handshake.HandshakeFailed>
): Effect.Effect<A, ChannelFailed> =>
  Effect.fromResult(
    Result.mapError(result, ({ reason, step }) =>
      new ChannelFailed({ reason: "handshake", detail: `message ${step}: ${reason}` }))
  )

const finish = (handshake: Handshake.Handshake): Effect.Effect<Established> => {
  const established = handshake.established()
  return established === undefined ? Effect.die("the handshake is not over") : Effect.succeed(established)
}

const initiate = Effect.fnUntraced(function*(
  crypto: CryptoService,
  connection: Connection,
  inbox: Inbox,
  address: RelayAddress,
  known: RelayKeys | undefined
) {
  const pinned = known !== undefined && equals(relayKeyOf(crypto, known), address.key) ? known : undefined
  const prelude = Prelude.request(pinned === undefined ? "ask" : "known")
  if (pinned === undefined) yield* withinStep(connection.send(prelude))
  const relayKeys = pinned ?? (yield* takeKeys(crypto, address, yield* withinStep(inbox.next)))
  const handshake = Handshake.relayInitiator(crypto, { relayKey: address.key, relayKeys, prelude })
  const first = yield* orChannelFailed(handshake.write())
  yield* withinStep(connection.send(pinned === undefined ? first : concat(prelude, first)))
  const second = yield* withinStep(inbox.next)
  if (second.length !== Handshake.RELAY_MESSAGE_BYTES) {
    // A relay that cannot open message 1 says in the clear who it is; that it is the right one after all means nothing.
    yield* takeKeys(crypto, address, second)
    return yield* new ChannelFailed({ reason: "handshake", detail: "the relay refused message 1" })
  }
  yield* orChannelFailed(handshake.read(second))
  return [yield* finish(handshake), relayKeys] as const
})

/** The keys of a relay's answer in the clear, if they are the pinned ones. */
const takeKeys = Effect.fnUntraced(function*(crypto: CryptoService, address: RelayAddress, answer: Uint8Array) {
  const parsed = Prelude.parseAnswer(answer)
  if (Result.isFailure(parsed)) {
    return yield* parsed.failure === "version"
      ? new ChannelFailed({ reason: "version", detail: "the relay refused this client's version" })
      : new ChannelFailed({ reason: "handshake", detail: "what answers does not speak this protocol" })
  }
  const got = relayKeyOf(crypto, parsed.success)
  if (equals(got, address.key)) return parsed.success
  return yield* new RelayKeyMismatch({
    url: address.url,
    expected: toText("RelayKey", address.key),
    got: toText("RelayKey", got)
  })
})

/** Cheap things first: length, magic, version, want; only then a key agreement. */
const respond = Effect.fnUntraced(function*(
  crypto: CryptoService,
  connection: Connection,
  inbox: Inbox,
  identity: RelayIdentity
) {
  const opening = yield* withinStep(inbox.next)
  const want = Prelude.parseRequest(opening)
  if (Result.isFailure(want)) {
    if (want.failure === "version") yield* withinStep(connection.send(Prelude.versionAnswer))
    return yield* want.failure === "version"
      ? new ChannelFailed({ reason: "version", detail: "the client speaks another version" })
      : new ChannelFailed({ reason: "handshake", detail: "what connected does not speak this protocol" })
  }
  const prelude = opening.slice(0, Prelude.PRELUDE_BYTES)
  const asked = want.success === "ask"
  if (opening.length !== Prelude.PRELUDE_BYTES + (asked ? 0 : Handshake.RELAY_MESSAGE_BYTES)) {
    return yield* new ChannelFailed({ reason: "handshake", detail: "the prelude has another length" })
  }
  if (asked) yield* withinStep(connection.send(Prelude.keysAnswer(identity.keys)))
  const first = asked ? yield* withinStep(inbox.next) : opening.subarray(Prelude.PRELUDE_BYTES)
  if (first.length !== Handshake.RELAY_MESSAGE_BYTES) {
    return yield* new ChannelFailed({ reason: "handshake", detail: "message 1 has another length" })
  }
  const handshake = Handshake.relayResponder(crypto, { identity, prelude })
  const read = handshake.read(first)
  if (Result.isFailure(read) && !asked) yield* withinStep(connection.send(Prelude.keysAnswer(identity.keys)))
  yield* orChannelFailed(read)
  yield* withinStep(connection.send(yield* orChannelFailed(handshake.write())))
  return yield* finish(handshake)
})

/** That this device has no randomness says nothing of the other one. */
const orOwnTrouble = <A>(
  result: Result.Result<A, Handshake.HandshakeFailed>
): Effect.Effect<A, ChannelFailed | EntropyUnavailable> =>
  Result.isFailure(result) && result.failure.reason === "entropy"
    ? Effect.fail(new EntropyUnavailable())
    : orChannelFailed(result)

/** Messages of the handshake between devices. */
const PEER_MESSAGES = 4

const takeTurns = Effect.fnUntraced(function*(
  connection: Connection,
  inbox: Inbox,
  handshake: Handshake.Handshake,
  role: Role
) {
  for (let turn = 0; turn < PEER_MESSAGES; turn++) {
    if ((turn % 2 === 0) === (role === "initiator")) {
      yield* withinStep(connection.send(yield* orOwnTrouble(handshake.write())))
    } else yield* orOwnTrouble(handshake.read(yield* withinStep(inbox.next)))
  }
  return yield* finish(handshake)
})

// -- records -----------------------------------------------------------------------------------------------------------

const open = Effect.fnUntraced(function*(connection: Connection, inbox: Inbox, established: Established) {
  const outbox = yield* makeOutbox(connection, established)
  const reader = Record.makeReader(established.receive)
  let over = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      over = true
    })
  )
  const receive = receiveFrom(connection, inbox.rest(), reader, outbox.end)
  const channel: Channel = {
    handshakeHash: established.handshakeHash,
    remoteAddress: connection.remoteAddress,
    send: (message) => outbox.sendAll([message]),
    sendAll: outbox.sendAll,
    receive: Effect.suspend(() => over ? Effect.fail(ENDED_HERE) : receive)
  }
  return channel
})

/** A call of `sendAll` that is not yet with the connection. */
interface Waiting {
  readonly messages: NonEmptyReadonlyArray<Uint8Array>
  readonly done: Deferred.Deferred<void, ChannelEnd>
}

/**
 * Seals and sends in order, on a fiber that is there while something waits: no interrupt of a caller can tear a record
 * out of the count, and an idle channel costs no fiber.
 */
const makeOutbox = Effect.fnUntraced(function*(connection: Connection, established: Established) {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const writer = Record.makeWriter(established.send, monotonicMillis(clock))
  let writing = false
  let pending: Array<Waiting> = []
  let underWay: ReadonlyArray<Waiting> = []
  let ended: ChannelEnd | undefined

  const end = (error: ChannelEnd): void => {
    ended ??= error
    const stranded = [...underWay, ...pending]
    underWay = []
    pending = []
    for (const { done } of stranded) Deferred.doneUnsafe(done, Effect.fail(ended))
  }

  const write = Effect.gen(function*() {
    while (pending.length > 0) {
      const batch = pending
      underWay = batch
      pending = []
      const elapsedMillis = monotonicMillis(clock)
      for (const message of batch.flatMap(({ messages }) => messages)) {
        for (const full of writer.add(message, elapsedMillis)) yield* connection.send(full)
      }
      for (const rest of writer.flush()) yield* connection.send(rest)
      underWay = []
      for (const { done } of batch) Deferred.doneUnsafe(done, Effect.void)
    }
    writing = false
  }).pipe(endWith((error) => Effect.sync(() => end(error))))

  // Not on the fiber: one that is interrupted before its first step runs no finalizer.
  yield* Effect.addFinalizer(() => Effect.sync(() => end(ENDED_HERE)))

  /** It begins in its turn of the scheduler: whoever else is about to send comes along. */
  // Not to be interrupted half way: nobody would start another.
  const start: Effect.Effect<void> = Effect.uninterruptible(Effect.suspend(() => {
    if (writing || ended !== undefined) return Effect.void
    writing = true
    return Effect.asVoid(Effect.forkIn(write, scope))
  }))

  const sendAll: Channel["sendAll"] = (messages) =>
    Effect.suspend(() => {
      if (messages.some(({ length }) => length > Limit.messageBytesMax)) {
        return Effect.die(new RangeError(`a channel's message has at most ${Limit.messageBytesMax} bytes`))
      }
      if (ended !== undefined) return Effect.fail(ended)
      const waiting: Waiting = { messages, done: Deferred.makeUnsafe() }
      pending.push(waiting)
      return Effect.andThen(start, Effect.onInterrupt(Deferred.await(waiting.done), () => forget(waiting)))
    })

  const forget = (waiting: Waiting) =>
    Effect.sync(() => {
      pending = pending.filter((other) => other !== waiting)
    })

  return { sendAll, end }
})

/** `early` came together with the last message of the handshake. Bytes that fail end the sending side too. */
const receiveFrom = (
  connection: Connection,
  early: ReadonlyArray<Uint8Array>,
  reader: Record.Reader,
  end: (error: ChannelEnd) => void
): Channel["receive"] => {
  let carriers = early
  let failed: ChannelFailed | undefined

  const receive: Channel["receive"] = Effect.suspend(() => {
    if (failed !== undefined) return Effect.fail(failed)
    const messages: Array<Uint8Array> = []
    for (const carrier of carriers) {
      const opened = reader.open(carrier)
      if (Result.isFailure(opened)) {
        failed = opened.failure
        end(failed)
        break
      }
      messages.push(...opened.success)
    }
    carriers = []
    return Arr.isArrayNonEmpty(messages) ? Effect.succeed(messages) : failed === undefined ? pull : Effect.fail(failed)
  })

  const pull: Channel["receive"] = Effect.flatMap(connection.receive, (pulled) => {
    carriers = pulled
    return receive
  })

  return Effect.tapError(receive, (error) => Effect.sync(() => end(error)))
}
