/**
 * What the channel costs: the handshake with a relay on each side, and messages through two ends in memory, beside the
 * cipher alone. Each on Node's own primitives and on the portable ones, in one process: a figure for messages is the work
 * of both ends together. Time is processor time, so that other work on the machine counts little; the ratios are what to
 * compare between machines.
 */
import * as Channel from "@sotto/core/channel/Channel"
import * as Cipher from "@sotto/core/channel/Cipher"
import * as Connection from "@sotto/core/channel/Connection"
import * as Handshake from "@sotto/core/channel/Handshake"
import * as NoisePrimitives from "@sotto/core/channel/NoisePrimitives"
import * as Prelude from "@sotto/core/channel/Prelude"
import * as Record from "@sotto/core/channel/Record"
import * as RelayKeyring from "@sotto/core/channel/RelayKeyring"
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import { EMPTY } from "@sotto/schema/Bytes"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

type CryptoService = Crypto["Service"]

interface HandshakeFigure {
  readonly backend: string
  /** Milliseconds of processor time for each side, the median of many runs. */
  readonly clientMillis: number
  readonly relayMillis: number
}

interface MessageFigure {
  readonly backend: string
  readonly what: string
  readonly sizeBytes: number
  /** 10^6 bytes of messages per second of processor time, sealed and opened again; the best of several rounds. */
  readonly megabytes: number
  readonly messagesPerSecond: number
}

const KIB = 1024
const HANDSHAKES = 40
const ROUNDS = 7
const ROUND_BYTES = 16 * KIB * KIB

const orThrow = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** Milliseconds of processor time since the process began. */
const now = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const handshake = (crypto: CryptoService): HandshakeFigure => {
  const identity = RelayKeyring.generate(crypto)
  const prelude = Prelude.request("known")
  const client: Array<number> = []
  const relay: Array<number> = []
  for (let i = 0; i < HANDSHAKES; i++) {
    const start = now()
    const near = Handshake.relayInitiator(crypto, { relayKey: identity.relayKey, relayKeys: identity.keys, prelude })
    const first = orThrow(near.write())
    const sent = now()
    const far = Handshake.relayResponder(crypto, { identity, prelude })
    orThrow(far.read(first))
    const second = orThrow(far.write())
    far.established()
    const answered = now()
    orThrow(near.read(second))
    near.established()
    client.push(sent - start + now() - answered)
    relay.push(answered - sent)
  }
  return { backend: crypto.backend, clientMillis: median(client), relayMillis: median(relay) }
}

/** Times `work`, which moves `count` messages, and answers the best round. */
const figure = async (
  crypto: CryptoService,
  what: string,
  sizeBytes: number,
  work: (count: number) => Promise<unknown> | void
): Promise<MessageFigure> => {
  const count = Math.max(256, Math.floor(ROUND_BYTES / sizeBytes / (crypto.backend === "portable" ? 4 : 1)))
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = now()
    await work(count)
    best = Math.max(best, count / (now() - start) * 1000)
  }
  return { backend: crypto.backend, what, sizeBytes, megabytes: best * sizeBytes / 1e6, messagesPerSecond: best }
}

const bareCipher = (crypto: CryptoService, message: Uint8Array) => (count: number): void => {
  const key = crypto.random(32), nonce = crypto.random(12)
  for (let i = 0; i < count; i++) {
    const sealed = crypto.channelAead.seal(key, nonce, EMPTY, message)
    crypto.channelAead.open(key, nonce, EMPTY, sealed)
  }
}

const records = (crypto: CryptoService, message: Uint8Array, together: number) => (count: number): void => {
  const primitives = NoisePrimitives.fromCrypto(crypto)
  const key = crypto.random(32)
  const writer = Record.makeWriter(Cipher.make(primitives, key.slice()), 0)
  const reader = Record.makeReader(Cipher.make(primitives, key.slice()))
  for (let i = 0; i < count; i += together) {
    for (let k = 0; k < together; k++) for (const carrier of writer.add(message, 0)) orThrow(reader.open(carrier))
    for (const carrier of writer.flush()) orThrow(reader.open(carrier))
  }
}

/** The whole channel, fibers and all: one side sends `together` at a time, the other takes what comes. */
const channel = (crypto: CryptoService, message: Uint8Array, together: number) => {
  const batch = Arr.makeBy(together, () => message)
  const program = (count: number) =>
    Effect.gen(function*() {
      const identity = RelayKeyring.generate(crypto)
      const [left, right] = yield* Connection.pair
      const address = { url: "ws://memory", key: identity.relayKey }
      const [near, far] = yield* Effect.all([
        Channel.connect(left, { address, known: identity.keys }),
        Channel.accept(right, identity)
      ], { concurrency: 2 })
      yield* Effect.forkScoped(Effect.repeat(near.sendAll(batch), { times: Math.ceil(count / together) - 1 }))
      let got = 0
      while (got < count) got += (yield* far.receive).length
    }).pipe(Effect.provideService(Crypto, crypto), Effect.scoped)
  return (count: number) => Effect.runPromise(program(count))
}

const messages = async (crypto: CryptoService): Promise<ReadonlyArray<MessageFigure>> => {
  const figures: Array<MessageFigure> = []
  for (const sizeBytes of [KIB, 64 * KIB]) {
    const message = crypto.random(sizeBytes)
    figures.push(
      await figure(crypto, "cipher alone", sizeBytes, bareCipher(crypto, message)),
      await figure(crypto, "records, 64 together", sizeBytes, records(crypto, message, 64)),
      await figure(crypto, "channel, 64 together", sizeBytes, channel(crypto, message, 64)),
      await figure(crypto, "channel, one by one", sizeBytes, channel(crypto, message, 1))
    )
  }
  return figures
}

/** Prints the figures, as a table or as one JSON object. @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const serviceOf = (layer: typeof NodeCrypto.layer) => Effect.runPromise(Effect.provide(Effect.service(Crypto), layer))
  const backends = [await serviceOf(NodeCrypto.layer), await serviceOf(Portable.layer)]
  const handshakes = backends.map(handshake)
  const throughput: Array<MessageFigure> = []
  for (const crypto of backends) throughput.push(...await messages(crypto))
  if (json) {
    console.log(JSON.stringify({ handshakes, messages: throughput }))
    return
  }
  console.log("handshake with a relay (hybridNK), computing per side, median")
  for (const { backend, clientMillis, relayMillis } of handshakes) {
    console.log(`  ${backend.padEnd(10)} client ${clientMillis.toFixed(2)} ms   relay ${relayMillis.toFixed(2)} ms`)
  }
  console.log("\nmessages sealed and opened in one process")
  for (const { backend, megabytes, messagesPerSecond, sizeBytes, what } of throughput) {
    const size = `${sizeBytes / KIB} KiB`.padStart(6)
    const rate = `${Math.round(messagesPerSecond)}/s`.padStart(10)
    console.log(`  ${backend.padEnd(10)} ${what.padEnd(22)} ${size} ${megabytes.toFixed(1).padStart(8)} MB/s ${rate}`)
  }
}
