/** What the channel's tests share: a crypto backend with counted randomness, a relay, and two ends of an open channel. */
import { assert } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Channel from "../../src/channel/Channel.ts"
import * as Connection from "../../src/channel/Connection.ts"
import * as RelayKeyring from "../../src/channel/RelayKeyring.ts"
import type { Connection as Line } from "../../src/Transport.ts"

/** Bytes that only look random, the same on each run. */
export const counted = (seed: number): (length: number) => Uint8Array => {
  let state = seed
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state >>> 24
    })
}

export const crypto = Portable.make({ random: counted(1) })

export const CryptoTest = Layer.succeed(Crypto, crypto)

export const identity = RelayKeyring.generate(crypto)

export const address: RelayAddress = { url: "wss://relay.example", key: identity.relayKey }

/** A client's and a relay's end, over `lines` or a fresh pair in memory. */
export const open = Effect.fnUntraced(function*(lines?: { readonly client: Line; readonly relay: Line }) {
  const [left, right] = yield* Connection.pair
  const client = lines?.client ?? left
  const relay = lines?.relay ?? right
  const accepting = yield* Effect.forkScoped(Channel.accept(relay, identity))
  const connected = yield* Channel.connect(client, { address, known: identity.keys })
  return { client: connected, relay: yield* Fiber.join(accepting), cut: left.close }
})

/** A line whose messages pass through `change` on their way out; several come out for one, or none. */
export const tampered = (
  line: Line,
  change: (message: Uint8Array, index: number) => ReadonlyArray<Uint8Array>
): Line => {
  let index = 0
  return {
    ...line,
    send: (message) => Effect.forEach(change(message, index++), line.send, { discard: true })
  }
}

/** The message with one bit changed. */
export const flipped = (message: Uint8Array, at: number, bit = 0): Uint8Array => {
  const copy = message.slice()
  copy[at] = (copy[at] ?? assert.fail(`no byte ${at}`)) ^ (1 << bit)
  return copy
}

/** A message that tells its number and its size. */
export const message = (size: number, fill: number): Uint8Array => new Uint8Array(size).fill(fill)

/** Lets every other fiber go as far as it can without time passing. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 200 })
