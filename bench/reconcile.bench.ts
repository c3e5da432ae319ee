/**
 * Reconciliation of two sets of 1,000,000 ids: bytes both ways, round trips and processor time of both sides together,
 * until both sides know what they have to send; then what it costs to make sure of it by the roots. Sketch and ranges beside
 * our own Negentropy, which has no limit of a frame here, on the same sets. Medians over several sets of differences.
 *
 * `uniform`: the differences lie anywhere, half of them on each side. `newest`: they came after the last agreement.
 */
import * as Checkpoint from "@sotto/core/reconcile/Checkpoint"
import * as Initiator from "@sotto/core/reconcile/Initiator"
import * as Negentropy from "@sotto/core/reconcile/Negentropy"
import * as NegentropyStorage from "@sotto/core/reconcile/NegentropyStorage"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as Responder from "@sotto/core/reconcile/Responder"
import * as Snapshot from "@sotto/core/reconcile/Snapshot"
import * as Result from "effect/Result"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const COUNT = 1_000_000
const DIFFERENCES = [0, 1, 10, 100, 1000, 100_000]
const NEWEST = [0, 1, 10, 1000]
const runsFor = (difference: number): number => difference > 1000 ? 3 : 61

const key = Uint8Array.from({ length: 16 }, (_, i) => 7 * i)
const nonce = Uint8Array.from({ length: 8 }, (_, i) => i)
const options = { key, keyEpoch: 1 }

interface Talk {
  readonly bytes: number
  readonly roundTrips: number
  readonly cpuMillis: number
  /** Processor time of the side that asks, to compute the peer's root; 0 where nothing is proven. */
  readonly confirmMillis: number
}

interface Figure extends Talk {
  readonly what: string
  readonly difference: number
  readonly strategy: string
}

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** `count` ids from a seed (splitmix32). */
const idsFrom = (seed: number, count: number): ReadonlyArray<Uint8Array> => {
  let state = seed
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return Array.from({ length: count }, () => new Uint8Array(Uint32Array.from({ length: 8 }, next).buffer))
}

interface Pair {
  readonly a: ReconcileSet.ReconcileSet
  readonly b: ReconcileSet.ReconcileSet
}

interface Course {
  readonly strategy: Initiator.Strategy
  readonly checkpoints?: { readonly mine: Checkpoint.Checkpoint; readonly theirs: Checkpoint.Checkpoint }
}

/** A conversation up to the envelopes: what each side would send is known, nothing is taken in. */
const converse = ({ a, b }: Pair, { checkpoints, strategy }: Course, difference: number): Talk => {
  const context: Responder.Context = checkpoints === undefined
    ? { replica: b }
    : { replica: b, since: { set: b, checkpoints: [checkpoints.theirs] } }
  const since = checkpoints === undefined ? {} : { since: { set: a, checkpoint: checkpoints.mine } }
  let responder = Responder.begin
  let [bytes, roundTrips] = [0, 0]
  const answer = (message: Uint8Array): Responder.Answered => {
    const answered = Result.getOrThrow(Responder.respond(responder, context, message))
    responder = answered.responder
    bytes += message.length + (answered.message?.length ?? 0)
    return answered
  }
  const start = cpuMillis()
  let step = Initiator.begin({ replica: a, nonce, strategy, ...since })
  while (step._tag === "Ask") {
    roundTrips++
    step = Initiator.receive(step.initiator, a, answer(step.message).message ?? new Uint8Array(0))
  }
  const send = step._tag === "Found" && step.message !== undefined ? answer(step.message).send : []
  const found = cpuMillis()
  const end = step._tag === "Found" ? Initiator.confirm(step.initiator, a, send) : step
  if (end._tag !== "Agreed") throw new Error(`no agreement: ${end._tag}`)
  const moved = send.length + (step._tag === "Found" ? step.push.length : 0)
  if (moved !== difference) throw new Error(`${moved} differences were found, not ${difference}`)
  return { bytes, roundTrips, cpuMillis: found - start, confirmMillis: cpuMillis() - found }
}

const negentropy = ({ a, b }: Pair, difference: number): Talk => {
  const [client, server] = [NegentropyStorage.fromSet(a), NegentropyStorage.fromSet(b)]
  const frame = { frameBytesMax: 2 ** 30 }
  const start = cpuMillis()
  let [bytes, roundTrips, found] = [0, 0, 0]
  let message: Uint8Array | undefined = Negentropy.initiate(client, frame)
  while (message !== undefined) {
    const answer: Uint8Array = Result.getOrThrow(Negentropy.respond(server, message, frame))
    const received: Negentropy.Received = Result.getOrThrow(Negentropy.receive(client, answer, frame))
    bytes += message.length + answer.length
    roundTrips++
    found += received.have.length + received.need.length
    message = received.message
  }
  if (found !== difference) throw new Error(`${found} differences were found, not ${difference}`)
  return { bytes, roundTrips, cpuMillis: cpuMillis() - start, confirmMillis: 0 }
}

/** Runs `work` while the sets differ in `difference` ids, and makes them equal again. */
const differing = <A>({ a, b }: Pair, difference: number, seed: number, work: () => A): A => {
  const ids = idsFrom(seed, difference)
  for (const [i, id] of ids.entries()) ReconcileSet.insert(i % 2 === 0 ? b : a, id)
  const result = work()
  for (const id of ids) if (!ReconcileSet.remove(a, id)) ReconcileSet.remove(b, id)
  return result
}

const summary = (what: string, strategy: string, difference: number, talks: ReadonlyArray<Talk>): Figure => ({
  what,
  difference,
  strategy,
  bytes: median(talks.map(({ bytes }) => bytes)),
  roundTrips: mean(talks.map(({ roundTrips }) => roundTrips)),
  cpuMillis: median(talks.map(({ cpuMillis }) => cpuMillis)),
  confirmMillis: median(talks.map(({ confirmMillis }) => confirmMillis))
})

const uniform = (pair: Pair, difference: number): ReadonlyArray<Figure> => {
  const own = (["sketch", "ranges"] as const).map((strategy) => {
    const runs = strategy === "sketch" ? runsFor(difference) : 3
    const talks = Array.from(
      { length: runs },
      (_, run) =>
        differing(pair, difference, 1000 * difference + run + 1, () => converse(pair, { strategy }, difference))
    )
    return summary("uniform", strategy, difference, talks)
  })
  const other = differing(pair, difference, 1000 * difference + 1, () => negentropy(pair, difference))
  return [...own, summary("uniform", "negentropy", difference, [other])]
}

const newest = (pair: Pair, difference: number): Figure => {
  const talks = Array.from({ length: runsFor(difference) }, (_, run) => {
    const checkpoints = { mine: Checkpoint.take(pair.a, 0), theirs: Checkpoint.take(pair.b, 0) }
    const course: Course = { strategy: "sketch", checkpoints }
    return differing(pair, difference, 77 * difference + run + 5, () => converse(pair, course, difference))
  })
  return summary("newest", "checkpoint", difference, talks)
}

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

const megabytes = (): number => {
  // More than once: what arrays leave behind is given back late.
  for (let i = 0; i < 3; i++) if (typeof collect === "function") collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return (arrayBuffers + heapUsed) / 1e6
}

interface SetFigures {
  readonly insertMicros: number
  readonly insertMicrosWithoutRoot: number
  readonly removeMicros: number
  readonly setMegabytes: number
  readonly snapshotMegabytes: number
  readonly snapshotMillis: number
  readonly openMillis: number
}

/** Two equal sets, and what it took to make and keep them. */
const prepare = (): { readonly pair: Pair; readonly set: SetFigures } => {
  const ids = idsFrom(42, COUNT)
  const time = <A>(work: () => A) => {
    const start = cpuMillis()
    return { result: work(), millis: cpuMillis() - start }
  }
  const fill = (sumLater: boolean) => {
    const set = ReconcileSet.make({ ...options, sumLater })
    for (const id of ids) ReconcileSet.insert(set, id)
    return set
  }
  const before = megabytes()
  const first = fill(true)
  const setMegabytes = megabytes() - before
  const later = [1, 2, 3].map(() => time(() => fill(true))).reduce((a, b) => a.millis < b.millis ? a : b)
  const now = time(() => fill(false))
  if (first.index.count !== later.result.index.count) throw new Error("two sets of the same ids differ")
  const some = ids.slice(0, 20_000)
  const removed = time(() => {
    for (const id of some) ReconcileSet.remove(now.result, id)
  })
  for (const id of some) ReconcileSet.insert(now.result, id)
  const snapshot = time(() => ({
    state: Snapshot.state(now.result, 0),
    pages: Array.from({ length: Snapshot.pagesOf(now.result) }, (_, page) => Snapshot.page(now.result, page))
  }))
  const opened = time(() => {
    const opening = Result.getOrThrow(Snapshot.begin(snapshot.result.state, options))
    for (const page of snapshot.result.pages) Snapshot.take(opening, page)
    return Result.getOrThrow(Snapshot.finish(opening))
  })
  const set = {
    insertMicros: now.millis * 1000 / COUNT,
    insertMicrosWithoutRoot: later.millis * 1000 / COUNT,
    removeMicros: removed.millis * 1000 / some.length,
    setMegabytes,
    snapshotMegabytes: [snapshot.result.state, ...snapshot.result.pages].reduce((sum, { length }) => sum + length, 0) /
      1e6,
    snapshotMillis: snapshot.millis,
    openMillis: opened.millis
  }
  return { pair: { a: now.result, b: opened.result }, set }
}

const show = (set: SetFigures, figures: ReadonlyArray<Figure>): string => {
  const rows = figures.map((
    { bytes, confirmMillis, cpuMillis, difference, roundTrips, strategy, what }
  ) => [what, difference, strategy, bytes, roundTrips.toFixed(2), cpuMillis.toFixed(2), confirmMillis.toFixed(2)])
  const about = Object.entries(set).map(([name, value]) => `| ${name} | ${value.toFixed(2)} |`)
  return [
    "| differences | number | strategy | bytes | round trips | CPU ms | confirm ms |",
    "|---|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row.join(" | ")} |`),
    "",
    "| a set of 1,000,000 | |",
    "|---|---|",
    ...about
  ].join("\n")
}

/** @public */
export const run = ({ json }: { readonly json: boolean }): void => {
  const { pair, set } = prepare()
  // Warm, as a relay is.
  for (let i = 0; i < 20; i++) differing(pair, 50, 9000 + i, () => converse(pair, { strategy: "sketch" }, 50))
  const figures = [
    ...DIFFERENCES.flatMap((difference) => uniform(pair, difference)),
    ...NEWEST.map((difference) => newest(pair, difference))
  ]
  console.log(json ? JSON.stringify({ bench: "reconcile", count: COUNT, set, figures }) : show(set, figures))
}
