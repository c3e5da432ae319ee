/**
 * Entries sealed and opened: what a value costs on its way out and in, with the portable backend and node:crypto beside
 * each other. `batch` is operations to signed envelopes, `open` envelopes to entries, `verify` their chains with all
 * signatures; a page holds about 1,000 values of 100 bytes, in entries of 1 or of 100. The best of several rounds in one
 * process; the ratios are what to compare between machines.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as Device from "@sotto/core/Device"
import * as Batch from "@sotto/core/log/Batch"
import * as Chain from "@sotto/core/log/Chain"
import * as Sealing from "@sotto/core/log/Sealing"
import * as Keys from "@sotto/core/space/Keys"
import * as SpaceState from "@sotto/core/space/SpaceState"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import type { Op } from "@sotto/schema/Entry"
import { SigningKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

type CryptoService = Crypto["Service"]

const ROUNDS = 12
const ROUND_MILLIS = 80
const VALUE_BYTES = 100
const NOW = 1_790_000_000_000

interface Figure {
  readonly backend: string
  readonly valuesPerEntry: number
  /** How many entries one signature closes. */
  readonly entriesPerSignature: number
  readonly bytesPerValue: number
  readonly batchMicrosPerEntry: number
  readonly openMicrosPerEntry: number
  readonly verifyMicrosPerEntry: number
  readonly sentValuesPerSecond: number
  readonly receivedValuesPerSecond: number
}

/** The best time of one run of `work`, in microseconds. */
const best = async (work: () => unknown): Promise<number> => {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    let runs = 0
    const started = performance.now()
    do {
      await work()
      runs++
    } while (performance.now() - started < ROUND_MILLIS)
    least = Math.min(least, (performance.now() - started) * 1000 / runs)
  }
  return least
}

const makeSpace = (crypto: CryptoService) => {
  const author = Device.generate({ crypto, label: "bench", nowMillis: NOW })
  const recovery = Keys.makeRecovery({ crypto, suite: 1, secret: crypto.random(32) })
  const state = SpaceState.create({
    crypto,
    creator: author,
    policy: { lanes: 0, history: 1 },
    recovery: (random) => SigningKey.make(recovery.signing(random).publicKey)
  })
  return { author, state }
}

interface Shape {
  readonly values: number
  readonly valuesPerEntry: number
  /** Each entry its own flush, and so its own signature; or all of them one. */
  readonly flushes: "each" | "one"
}

const measure = async (crypto: CryptoService, shape: Shape): Promise<Figure> => {
  const { author, state } = makeSpace(crypto)
  const ops = Array.from({ length: shape.values }, (_, i): Op => ({
    collection: "notes",
    key: `item-${i}`,
    parents: [],
    action: { _tag: "Put", value: crypto.random(VALUE_BYTES) }
  }))
  const groups: Array<ReadonlyArray<Op>> = []
  for (let at = 0; at < ops.length; at += shape.valuesPerEntry) groups.push(ops.slice(at, at + shape.valuesPerEntry))
  const entryCount = groups.length
  const flush = (chains: Chain.Chains, transactions: ReadonlyArray<Batch.Transaction>) => {
    const built = Batch.build({
      crypto,
      state,
      author,
      transactions,
      chains,
      clock: { millis: NOW, counter: 0 },
      nowMillis: NOW,
      lastHead: null,
      // Small envelopes, so that entries of one value do not flow together.
      envelopeBytesMax: envelopeBytes
    })
    if (Result.isFailure(built)) throw built.failure
    return built.success
  }
  const envelopeBytes = Sealing.envelopeBytesOf(400 + shape.valuesPerEntry * (VALUE_BYTES + 30))
  const write = () => {
    if (shape.flushes === "one") return flush(Chain.empty, groups).entries
    let chains = Chain.empty
    return groups.flatMap((group) => {
      const made = flush(chains, [group])
      chains = made.chains
      return made.entries
    })
  }
  const entries = write()
  if (entries.length !== entryCount) throw new Error(`${entries.length} entries, expected ${entryCount}`)
  const open = () =>
    entries.map(({ bytes }) => {
      const opened = Sealing.open(crypto, state, bytes)
      if (Result.isFailure(opened)) throw opened.failure
      return opened.success
    })
  const page = open()
  const verify = async () => {
    const outcome = await Effect.runPromise(Chain.feed({ crypto, state, nowMillis: NOW }, Chain.empty, page))
    if (outcome.accepted.length !== entryCount) throw new Error("not all were accepted")
  }
  const batchMicros = await best(write)
  const openMicros = await best(open)
  const verifyMicros = await best(verify)
  const wireBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
  return {
    backend: crypto.backend,
    valuesPerEntry: shape.valuesPerEntry,
    entriesPerSignature: shape.flushes === "one" ? entryCount : 1,
    bytesPerValue: wireBytes / shape.values,
    batchMicrosPerEntry: batchMicros / entryCount,
    openMicrosPerEntry: openMicros / entryCount,
    verifyMicrosPerEntry: verifyMicros / entryCount,
    sentValuesPerSecond: shape.values * 1e6 / batchMicros,
    receivedValuesPerSecond: shape.values * 1e6 / (openMicros + verifyMicros)
  }
}

const SHAPES: ReadonlyArray<Shape> = [
  { values: 200, valuesPerEntry: 1, flushes: "each" },
  { values: 200, valuesPerEntry: 1, flushes: "one" },
  { values: 1000, valuesPerEntry: 100, flushes: "each" },
  { values: 1000, valuesPerEntry: 100, flushes: "one" }
]

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const portable = await Effect.runPromise(Effect.provide(Effect.service(Crypto), Portable.layer))
  const node = await Effect.runPromise(Effect.provide(Effect.service(Crypto), NodeCrypto.layer))
  const figures: Array<Figure> = []
  for (const shape of SHAPES) for (const crypto of [portable, node]) figures.push(await measure(crypto, shape))
  if (json) return console.log(JSON.stringify({ figures }))
  console.log(
    "| backend | values per entry | entries per signature | bytes/value | batch µs | open µs | verify µs | sent/s | received/s |"
  )
  console.log("|---|---|---|---|---|---|---|---|---|")
  for (const figure of figures) {
    const { batchMicrosPerEntry, openMicrosPerEntry, verifyMicrosPerEntry } = figure
    const times = [batchMicrosPerEntry, openMicrosPerEntry, verifyMicrosPerEntry].map((micros) => micros.toFixed(0))
    const rates = [figure.sentValuesPerSecond, figure.receivedValuesPerSecond].map((rate) => Math.round(rate))
    const shape = [figure.valuesPerEntry, figure.entriesPerSignature, figure.bytesPerValue.toFixed(1)]
    console.log(`| ${[figure.backend, ...shape, ...times, ...rates].join(" | ")} |`)
  }
}
