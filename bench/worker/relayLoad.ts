/** Clients for `relay.bench.ts`: attached to one route over real sockets, as few instructions each as will do. */
import * as Dial from "@sotto/core/channel/Dial"
import { Crypto } from "@sotto/core/Crypto"
import type { Transport } from "@sotto/core/Transport"
import * as Envelope from "@sotto/schema/Envelope"
import { clientFrameCodec, relayFrameCodec } from "@sotto/schema/Frame"
import { Epoch, Lane, Position, RouteId, Signature, SigningKey } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Proof from "@sotto/schema/Proof"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"

/** One attached connection. */
export interface Attached {
  readonly data: Dial.Line["data"]
  readonly handle: number
}

const route = (number: number) => RouteId.make(new Uint8Array(32).fill(number))
const epoch = Epoch.make(1)

/** Connects, opens the route of this number if it is new, and attaches with both capabilities. */
export const attach: (
  address: RelayAddress,
  number: number
) => Effect.Effect<Attached, unknown, Transport | Crypto | Scope.Scope> = Effect.fnUntraced(
  function*(address, number) {
    const crypto = yield* Crypto
    const { control, data, handshakeHash } = yield* Dial.dial(address)
    const pair = (n: number) => crypto.signature.keyPair(new Uint8Array(32).fill(n))
    const pairs = { read: pair(1), write: pair(2), admin: pair(3), recovery: pair(4) }
    const sign = (name: keyof typeof pairs, message: Uint8Array) =>
      Signature.make(crypto.signature.sign(pairs[name].secretKey, message))
    const keys = {
      read: SigningKey.make(pairs.read.publicKey),
      write: SigningKey.make(pairs.write.publicKey),
      admin: SigningKey.make(pairs.admin.publicKey),
      recovery: SigningKey.make(pairs.recovery.publicKey)
    }
    yield* control.Open({
      route: route(number),
      epoch,
      keys,
      retention: { _tag: "Vault" },
      token: null,
      proof: sign("admin", Proof.open({ handshakeHash, route: route(number), epoch, keys }))
    })
    const { handle } = yield* control.Attach({
      route: route(number),
      epoch,
      proofs: (["read", "write"] as const).map((capability) => ({
        capability,
        signature: sign(capability, Proof.attach({ handshakeHash, route: route(number), epoch, capability }))
      }))
    })
    return { data, handle }
  }
)

/** Frames of one push each, with random envelopes of this size. */
export const pushFrames = (
  crypto: Crypto["Service"],
  { handle }: Attached,
  options: { readonly pushes: number; readonly envelopeBytes: number }
): ReadonlyArray<Uint8Array> => {
  const header = Envelope.encodeHeader({ suite: 1, kind: 1, epoch, lane: Lane.make(new Uint8Array(8)) })
  return Array.from({ length: options.pushes }, (_, i) =>
    clientFrameCodec.encodeAfter(1, {
      _tag: "Push",
      handle,
      request: i + 1,
      envelopes: [
        Envelope.assemble(header, crypto.random(24), crypto.random(32), crypto.random(options.envelopeBytes - 72))
      ]
    }))
}

/** Subscribes and takes this many envelopes. */
export const read = Effect.fnUntraced(function*({ data, handle }: Attached, envelopes: number) {
  yield* data.send(clientFrameCodec.encodeAfter(1, {
    _tag: "Subscribe",
    handle,
    request: 1,
    after: Position.make(0),
    lanes: [],
    creditBytes: 0xffff_ffff
  }))
  let left = envelopes
  while (left > 0) {
    for (const message of yield* data.receive) {
      const frame = Result.getOrThrow(relayFrameCodec.decode(message))
      if (frame._tag === "Deliver") left -= frame.placed.length
    }
  }
})

/** Sends all frames with so many unanswered at a time. */
export const write = Effect.fnUntraced(function*(
  { data }: Attached,
  frames: ReadonlyArray<Uint8Array>,
  inFlight: number
) {
  let next = Math.min(inFlight, frames.length), answered = 0
  const first = frames.slice(0, next)
  if (Arr.isArrayNonEmpty(first)) yield* data.sendAll(first)
  while (answered < frames.length) {
    const more: Array<Uint8Array> = []
    for (const message of yield* data.receive) {
      const frame = Result.getOrThrow(relayFrameCodec.decode(message))
      if (frame._tag !== "Pushed") return yield* Effect.die(new Error(`a push got ${frame._tag}`))
      answered++
      const another = frames[next++]
      if (another !== undefined) more.push(another)
    }
    if (Arr.isArrayNonEmpty(more)) yield* data.sendAll(more)
  }
})

/** One after the other, `everyMillis` apart; answers how long each waited for its durable answer, in milliseconds. */
export const writePaced = Effect.fnUntraced(function*(
  { data }: Attached,
  frames: ReadonlyArray<Uint8Array>,
  everyMillis: number
) {
  const waits: Array<number> = []
  for (const frame of frames) {
    const begun = performance.now()
    yield* data.send(frame)
    yield* data.receive
    const waited = performance.now() - begun
    waits.push(waited)
    yield* Effect.sleep(Math.max(0, everyMillis - waited))
  }
  return waits
})
