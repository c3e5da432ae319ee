/** A relay in memory, and clients that speak to it over real channels: what the relay's tests share. */
import * as Channel from "@sotto/core/channel/Channel"
import * as Connection from "@sotto/core/channel/Connection"
import * as Control from "@sotto/core/channel/Control"
import * as Demux from "@sotto/core/channel/Demux"
import { Crypto, type KeyPair } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import * as Envelope from "@sotto/schema/Envelope"
import { type ClientFrame, clientFrameCodec, type RelayFrame, relayFrameCodec } from "@sotto/schema/Frame"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, Signature, SigningKey } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import type { Capability, CapabilityKeys, Retention } from "@sotto/schema/Relay"
import { fromRefusal, type RelayError } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"

/** One crypto for all tests of a file: its self-test takes a while. */
export const CryptoLive = Layer.orDie(Portable.layer)

/** A relay and what it stands on, over the context's Crypto. */
export const makeRelay = Effect.fnUntraced(function*(options?: {
  readonly settings?: RelaySettings
  readonly disk?: MemoryRelayStore.Disk
  readonly hints?: Hints.Hints["Service"]
  readonly store?: (store: RelayStore["Service"]) => RelayStore["Service"]
}) {
  const crypto = yield* Crypto
  const memory = MemoryRelayStore.make(crypto, options?.disk)
  const store = options?.store?.(memory) ?? memory
  const relay = yield* Relay.make(options?.settings).pipe(
    Effect.provideService(RelayStore, store),
    Effect.provideService(Hints.Hints, options?.hints ?? Hints.makeLocal())
  )
  return { relay, store }
})

/** What storage fails with, when a test wants it to. */
export const storeFailed = new RelayStoreFailed({
  reason: "unavailable",
  operation: "read",
  detail: "as the test wants"
})

/** Keys of one epoch at one relay. */
export interface EpochKeys {
  readonly epoch: Epoch
  readonly pairs: Record<Capability | "recovery", KeyPair>
  readonly keys: CapabilityKeys
}

export const epochKeys = (crypto: Crypto["Service"], epoch = 1): EpochKeys => {
  const pair = () => crypto.signature.keyPair(crypto.random(32))
  const pairs = { read: pair(), write: pair(), admin: pair(), recovery: pair() }
  return {
    epoch: Epoch.make(epoch),
    pairs,
    keys: {
      read: SigningKey.make(pairs.read.publicKey),
      write: SigningKey.make(pairs.write.publicKey),
      admin: SigningKey.make(pairs.admin.publicKey),
      recovery: SigningKey.make(pairs.recovery.publicKey)
    }
  }
}

export const route = (crypto: Pick<Crypto["Service"], "random">) => RouteId.make(crypto.random(32))
export const tag = (crypto: Crypto["Service"]) => AckTag.make(crypto.random(16))
export const position = (n: number) => Position.make(n)
export const lane = (n: number) => Lane.make(new Uint8Array(8).fill(n))
export const TRANSIT: Retention = { _tag: "Transit", ttl: { _tag: "Default" } }

/** An envelope that a relay takes; what is sealed in it means nothing. */
export const envelope = (
  crypto: Crypto["Service"],
  options?: { readonly epoch?: number; readonly kind?: Envelope.Kind; readonly lane?: number; readonly bytes?: number }
): Uint8Array =>
  Envelope.assemble(
    Envelope.encodeHeader({
      suite: 1,
      kind: options?.kind ?? Envelope.KIND.data,
      epoch: Epoch.make(options?.epoch ?? 1),
      lane: lane(options?.lane ?? 0)
    }),
    crypto.random(24),
    crypto.random(32),
    crypto.random((options?.bytes ?? Envelope.ENVELOPE_BYTES_MIN) - Envelope.SEALED_AT)
  )

export const idOf = (crypto: Crypto["Service"], bytes: Uint8Array) => EnvelopeId.make(crypto.blake3(bytes))

/** The running chain over these, in this order. */
export const chainOf = (crypto: Crypto["Service"], envelopes: ReadonlyArray<Uint8Array>): Uint8Array =>
  envelopes.reduce(
    (chain, bytes) => crypto.sha256(Proof.chainLink(chain, crypto.blake3(bytes))),
    new Uint8Array(32)
  )

export type FrameOf<Tag extends RelayFrame["_tag"]> = Extract<RelayFrame, { readonly _tag: Tag }>

/** A client: a channel to the relay, its calls, and its frames as they come. */
export interface Client {
  readonly handshakeHash: Uint8Array
  readonly calls: Control.RelayClient
  readonly data: Demux.Plane
  /** Frames that came and were not taken yet. */
  readonly frames: Array<RelayFrame>
  readonly send: (...frames: ReadonlyArray<ClientFrame>) => Effect.Effect<void>
  /** The next frame of this kind; fails the test when the channel ends before. */
  readonly take: <Tag extends RelayFrame["_tag"]>(tag: Tag) => Effect.Effect<FrameOf<Tag>>
  /** The next refusal, as the error that it is. */
  readonly refused: Effect.Effect<RelayError>
  /** Waits until the relay or the client ended the channel. */
  readonly ended: Effect.Effect<void>
  /** Cuts the connection. */
  readonly close: Effect.Effect<void>
  /** Reads nothing more from now on. */
  readonly stall: Effect.Effect<void>
}

/** Everything that is ready to run has run. */
export const settle = Effect.forEach(Array.from({ length: 200 }), () => Effect.yieldNow, { discard: true })

export const connect = Effect.fnUntraced(function*(
  relay: Relay.Relay["Service"],
  options?: { readonly address?: string }
) {
  const [near, far] = yield* Connection.pair
  const serving = yield* Effect.forkScoped(
    relay.serve({ ...far, remoteAddress: options?.address ?? far.remoteAddress }).pipe(Effect.ensuring(far.close))
  )
  const channel = yield* Channel.connect(near, {
    address: { url: "ws://relay/", key: relay.relayKey },
    known: relay.keys
  })
  const planes = yield* Demux.make(channel)
  const calls = yield* Control.makeClient(planes.control)
  const frames: Array<RelayFrame> = []
  const arrived = Latch.makeUnsafe(false)
  let over = false
  const reader = yield* Effect.forever(
    Effect.map(planes.data.receive, (messages) => {
      for (const message of messages) frames.push(Result.getOrThrow(relayFrameCodec.decode(message)))
      arrived.openUnsafe()
    })
  ).pipe(
    Effect.ignore,
    Effect.ensuring(Effect.sync(() => {
      over = true
      arrived.openUnsafe()
    })),
    Effect.forkScoped
  )
  const take = <Tag extends RelayFrame["_tag"]>(tag: Tag): Effect.Effect<FrameOf<Tag>> =>
    Effect.suspend(() => {
      const is = (frame: RelayFrame): frame is FrameOf<Tag> => frame._tag === tag
      const found = frames.find(is)
      if (found !== undefined) {
        frames.splice(frames.indexOf(found), 1)
        return Effect.succeed(found)
      }
      if (over) {
        return Effect.die(
          `the channel ended before a ${tag} came; there is ${frames.map((frame) => frame._tag).join()}`
        )
      }
      arrived.closeUnsafe()
      return Effect.andThen(arrived.await, take(tag))
    })
  const client: Client = {
    handshakeHash: channel.handshakeHash,
    calls,
    data: planes.data,
    frames,
    take,
    send: (...toSend) =>
      Effect.orDie(
        Effect.forEach(toSend, (frame) => planes.data.send(clientFrameCodec.encodeAfter(1, frame)), { discard: true })
      ),
    refused: Effect.map(take("Refused"), ({ refusal }) => Result.getOrThrow(fromRefusal(refusal))),
    ended: Effect.asVoid(Fiber.await(serving)),
    close: near.close,
    stall: Fiber.interrupt(reader)
  }
  return client
})

const sign = (crypto: Crypto["Service"], pair: KeyPair, message: Uint8Array) =>
  Signature.make(crypto.signature.sign(pair.secretKey, message))

export const open = Effect.fnUntraced(function*(
  client: Client,
  routeId: RouteId,
  keys: EpochKeys,
  options?: { readonly retention?: Retention; readonly token?: string | null }
) {
  const crypto = yield* Crypto
  const opened = { route: routeId, epoch: keys.epoch, keys: keys.keys }
  const message = Proof.open({ ...opened, handshakeHash: client.handshakeHash })
  return yield* client.calls.Open({
    ...opened,
    retention: options?.retention ?? TRANSIT,
    token: options?.token ?? null,
    proof: sign(crypto, keys.pairs.admin, message)
  })
})

export const attach = Effect.fnUntraced(function*(
  client: Client,
  routeId: RouteId,
  keys: EpochKeys,
  capabilities: ReadonlyArray<Capability> = ["read", "write"]
) {
  const crypto = yield* Crypto
  return yield* client.calls.Attach({
    route: routeId,
    epoch: keys.epoch,
    proofs: capabilities.map((capability) => ({
      capability,
      signature: sign(
        crypto,
        keys.pairs[capability],
        Proof.attach({ handshakeHash: client.handshakeHash, route: routeId, epoch: keys.epoch, capability })
      )
    }))
  })
})

export const setEpoch = Effect.fnUntraced(function*(
  client: Client,
  routeId: RouteId,
  change: {
    readonly before: EpochKeys
    readonly after: EpochKeys
    readonly opHash: Uint8Array
    readonly previousOpHash?: Uint8Array
    readonly by?: "admin" | "recovery"
    readonly signer?: KeyPair
  }
) {
  const crypto = yield* Crypto
  const by = change.by ?? "admin"
  const fields = {
    route: routeId,
    before: change.before.epoch,
    epoch: change.after.epoch,
    opHash: change.opHash,
    previousOpHash: change.previousOpHash ?? new Uint8Array(32),
    keys: change.after.keys
  }
  const message = Proof.setEpoch({ ...fields, handshakeHash: client.handshakeHash })
  return yield* client.calls.SetEpoch({
    ...fields,
    by,
    signature: sign(crypto, change.signer ?? change.before.pairs[by], message)
  })
})

/** A client with a route that it opened and attached. */
export const member = Effect.fnUntraced(function*(
  relay: Relay.Relay["Service"],
  routeId: RouteId,
  keys: EpochKeys,
  options?: { readonly retention?: Retention; readonly capabilities?: ReadonlyArray<Capability> }
) {
  const client = yield* connect(relay)
  yield* open(client, routeId, keys, options)
  const attached = yield* attach(client, routeId, keys, options?.capabilities)
  return { client, attached, handle: attached.handle }
})

export const push = (
  client: Client,
  handle: number,
  envelopes: ReadonlyArray<Uint8Array>,
  request = 1
) => Effect.andThen(client.send({ _tag: "Push", handle, request, envelopes }), client.take("Pushed"))

export const subscribe = (
  client: Client,
  handle: number,
  options?: { after?: number; lanes?: ReadonlyArray<Lane>; creditBytes?: number; request?: number }
) =>
  client.send({
    _tag: "Subscribe",
    handle,
    request: options?.request ?? 7,
    after: position(options?.after ?? 0),
    lanes: options?.lanes ?? [],
    creditBytes: options?.creditBytes ?? 2 ** 21
  })

/** Delivered envelopes until `count` are there; answers them in order, with their positions. */
export const receive = Effect.fnUntraced(function*(client: Client, count: number) {
  const placed: Array<{ readonly position: Position; readonly envelope: Uint8Array }> = []
  while (placed.length < count) placed.push(...(yield* client.take("Deliver")).placed)
  return placed
})

export const sameBytes = (a: ReadonlyArray<Uint8Array>, b: ReadonlyArray<Uint8Array>): boolean =>
  a.length === b.length && a.every((bytes, i) => Bytes.equals(bytes, b[i] ?? Bytes.EMPTY))
