/**
 * A file of records, each durable when its append answers. What a program of the simulation keeps is made of it.
 *
 * A record is: magic (2 bytes), length (4), checksum of the record before it (4), how much of the file was durable when
 * it was written (4), checksum of all that and of what follows (4), and its bytes.
 *
 * 1. `append` answers when the record and all before it are durable. Appends that come meanwhile share the next sync.
 * 2. After a crash there are all records that were answered for, then perhaps some that were not, each whole.
 * 3. A tail that was never durable is cut off. Something unreadable that was durable, as far as later records can tell,
 *    is not cut: opening fails as corrupt.
 * 4. What could not be made durable is taken back. When even that fails, the journal is broken until it is opened anew:
 *    it refuses everything, and touches its file no more. Records that it refused before may be there then.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { DiskFailed } from "./Disk.ts"
import type { Files } from "./Files.ts"
import * as Slab from "./Slab.ts"

const MAGIC = 0x4a52
const HEADER_BYTES = 18

/**
 * A checksum of 32 bits, four bytes a step. Each step can be undone, so no flipped bit goes unseen; of anything else, one
 * in four thousand million does.
 */
const sum32 = (before: number, bytes: Uint8Array): number => {
  let sum = Math.imul(before ^ bytes.length, 0x85ebca6b)
  const whole = bytes.length & ~3
  for (let at = 0; at < whole; at += 4) {
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)
    sum = Math.imul(sum ^ word, 0x9e3779b1)
    sum ^= sum >>> 15
  }
  for (let at = whole; at < bytes.length; at++) {
    sum = Math.imul(sum ^ (bytes[at] ?? 0), 0x9e3779b1)
    sum ^= sum >>> 15
  }
  return sum >>> 0
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

interface Encoded {
  readonly bytes: Uint8Array
  readonly checksum: number
}

const encode = (payload: Uint8Array, previous: number, durableBytes: number): Encoded => {
  const bytes = Slab.zeros(HEADER_BYTES + payload.length)
  const header = view(bytes)
  header.setUint16(0, MAGIC)
  header.setUint32(2, payload.length)
  header.setUint32(6, previous)
  header.setUint32(10, durableBytes)
  bytes.set(payload, HEADER_BYTES)
  const checksum = sum32(sum32(0, bytes.subarray(0, 14)), payload)
  header.setUint32(14, checksum)
  return { bytes, checksum }
}

interface Found {
  readonly payload: Uint8Array
  readonly previous: number
  readonly durableBytes: number
  readonly checksum: number
  readonly end: number
}

/** The record at a place, if there is a whole one: a view. */
const decode = (bytes: Uint8Array, at: number): Found | undefined => {
  if (at + HEADER_BYTES > bytes.length) return undefined
  const header = view(bytes)
  if (header.getUint16(at) !== MAGIC) return undefined
  const end = at + HEADER_BYTES + header.getUint32(at + 2)
  if (end > bytes.length) return undefined
  const payload = bytes.subarray(at + HEADER_BYTES, end)
  const checksum = header.getUint32(at + 14)
  if (sum32(sum32(0, bytes.subarray(at, at + 14)), payload) !== checksum) return undefined
  return { payload, previous: header.getUint32(at + 6), durableBytes: header.getUint32(at + 10), checksum, end }
}

/** What a journal's bytes say: its records, where they end, and whether something that was durable is unreadable. */
export interface Reading {
  readonly records: ReadonlyArray<Uint8Array>
  readonly endBytes: number
  readonly checksum: number
  readonly corrupt: boolean
}

/** Reads a journal's bytes, as far as each record follows from the one before it. The records are views of them. */
export const readBytes = (bytes: Uint8Array): Reading => {
  const records: Array<Uint8Array> = []
  let at = 0
  let checksum = 0
  for (;;) {
    const found = decode(bytes, at)
    if (found === undefined || found.previous !== checksum) break
    records.push(found.payload)
    checksum = found.checksum
    at = found.end
  }
  let corrupt = false
  for (let later = at + 1; later < bytes.length && !corrupt; later++) {
    later = bytes.indexOf(MAGIC >> 8, later)
    if (later < 0) break
    corrupt = (decode(bytes, later)?.durableBytes ?? 0) > at
  }
  return { records, endBytes: at, checksum, corrupt }
}

type Work =
  /** Called when the record is durable, in the order of the records, before anybody hears of it. */
  | { readonly kind: "record"; readonly payload: Uint8Array; readonly durable: () => void }
  | { readonly kind: "rewrite"; readonly payloads: () => ReadonlyArray<Uint8Array> }

interface Ticket {
  readonly work: Work
  /** True: done. False: it is this one's turn to do the work. */
  readonly turn: Deferred.Deferred<boolean, DiskFailed>
}

export interface Journal {
  readonly sizeBytes: () => number
  /** Whether it has to be opened anew. From then on it leaves the file alone. */
  readonly isBroken: () => boolean
  /** Adds a record. `durable` is called when it is, in the order of the records, before anybody hears of it. */
  readonly append: (payload: Uint8Array, durable?: () => void) => Effect.Effect<void, DiskFailed>
  /**
   * Puts other records in place of all that are there, at once or not at all. They are asked for when it is their turn:
   * every record whose `durable` was called by then is replaced, none that comes later.
   */
  readonly rewrite: (payloads: () => ReadonlyArray<Uint8Array>) => Effect.Effect<void, DiskFailed>
}

/** Opens a journal, makes it durable as it is, and hands over its records. */
export const open = Effect.fnUntraced(function*(files: Files, file: string) {
  const fresh = `${file}.new`
  if ((yield* files.sizeOf(fresh)) !== undefined) yield* files.remove(fresh)
  const reading = readBytes(yield* files.readAll(file))
  if (reading.corrupt) {
    return yield* new DiskFailed({ reason: "corrupt", operation: "open", detail: `${file} at ${reading.endBytes}` })
  }
  const size = yield* files.sizeOf(file)
  if (size === undefined) yield* files.append(file, new Uint8Array(0))
  else if (size > reading.endBytes) yield* files.truncate(file, reading.endBytes)
  // What was read may be known to the file system only. Before anybody acts on it, it must be there for good.
  yield* files.sync(file)
  yield* files.syncDirectory
  const journal: Journal = new OpenJournal(files, file, reading)
  return { journal, records: reading.records }
})

class OpenJournal implements Journal {
  private readonly files: Files
  private readonly file: string
  private waiting: Array<Ticket> = []
  private led = false
  private durableBytes: number
  private checksum: number
  /** The name stands for the body that is written to, for good. */
  private named = true
  private broken: DiskFailed | undefined

  constructor(files: Files, file: string, reading: Reading) {
    this.files = files
    this.file = file
    this.durableBytes = reading.endBytes
    this.checksum = reading.checksum
  }

  readonly sizeBytes = (): number => this.durableBytes

  readonly isBroken = (): boolean => this.broken !== undefined

  readonly append: Journal["append"] = (payload, durable = () => undefined) =>
    this.submit({ kind: "record", payload, durable })

  readonly rewrite: Journal["rewrite"] = (payloads) => this.submit({ kind: "rewrite", payloads })

  /** Whoever comes first leads, and does the work of all who came by the time; then the first of the others leads. */
  private submit(work: Work): Effect.Effect<void, DiskFailed> {
    return Effect.uninterruptible(Effect.suspend(() => {
      const ticket: Ticket = { work, turn: Deferred.makeUnsafe() }
      this.waiting.push(ticket)
      if (this.led) {
        return Effect.flatMap(Deferred.await(ticket.turn), (done) => done ? Effect.void : this.lead(ticket))
      }
      this.led = true
      return this.lead(ticket)
    }))
  }

  private lead(own: Ticket): Effect.Effect<void, DiskFailed> {
    return Effect.suspend(() => {
      const group = this.waiting
      this.waiting = []
      const rewrites = group.filter((ticket) => ticket.work.kind === "rewrite")
      const records = group.filter((ticket) => ticket.work.kind === "record")
      return Effect.flatMap(
        Effect.result(this.rewriteAll(rewrites)),
        (rewritten) =>
          Effect.flatMap(Effect.result(this.write(records)), (written) => {
            if (Result.isSuccess(written)) {
              for (const { work } of records) if (work.kind === "record") work.durable()
            }
            this.hand(rewrites.filter((ticket) => ticket !== own), rewritten)
            this.hand(records.filter((ticket) => ticket !== own), written)
            const next = this.waiting[0]
            if (next === undefined) this.led = false
            else Deferred.doneUnsafe(next.turn, Effect.succeed(false))
            return Effect.fromResult(own.work.kind === "rewrite" ? rewritten : written)
          })
      )
    })
  }

  private hand(tickets: ReadonlyArray<Ticket>, result: Result.Result<void, DiskFailed>): void {
    const answer = Effect.as(Effect.fromResult(result), true)
    for (const { turn } of tickets) Deferred.doneUnsafe(turn, answer)
  }

  private write(tickets: ReadonlyArray<Ticket>): Effect.Effect<void, DiskFailed> {
    return Effect.suspend(() => {
      if (tickets.length === 0) return Effect.void
      if (this.broken !== undefined) return Effect.fail(this.broken)
      return this.writeRecords(tickets).pipe(
        Effect.catch((failed) => Effect.andThen(this.takeBack, Effect.fail(failed)))
      )
    })
  }

  private readonly writeRecords = Effect.fnUntraced({ self: this }, function*(tickets: ReadonlyArray<Ticket>) {
    let { checksum, durableBytes: endBytes } = this
    for (const { work } of tickets) {
      if (work.kind !== "record") continue
      const record = encode(work.payload, checksum, this.durableBytes)
      yield* this.files.append(this.file, record.bytes)
      checksum = record.checksum
      endBytes += record.bytes.length
    }
    yield* this.files.sync(this.file)
    if (!this.named) yield* this.files.syncDirectory
    this.named = true
    this.checksum = checksum
    this.durableBytes = endBytes
  })

  private get takeBack(): Effect.Effect<void> {
    return Effect.andThen(this.files.truncate(this.file, this.durableBytes), this.files.sync(this.file)).pipe(
      Effect.catch((failed) =>
        Effect.sync(() => {
          this.broken = failed
        })
      )
    )
  }

  private rewriteAll(tickets: ReadonlyArray<Ticket>): Effect.Effect<void, DiskFailed> {
    return Effect.suspend(() => {
      const work = tickets.at(-1)?.work
      if (work?.kind !== "rewrite") return Effect.void
      if (this.broken !== undefined) return Effect.fail(this.broken)
      return this.replace(work.payloads())
    })
  }

  private readonly replace = Effect.fnUntraced({ self: this }, function*(payloads: ReadonlyArray<Uint8Array>) {
    const fresh = `${this.file}.new`
    const { checksum, endBytes } = yield* Effect.tapError(
      this.writeFresh(fresh, payloads),
      () => Effect.ignore(this.files.remove(fresh))
    )
    this.named = false
    this.checksum = checksum
    this.durableBytes = endBytes
    yield* this.files.syncDirectory
    this.named = true
  })

  private readonly writeFresh = Effect.fnUntraced(
    { self: this },
    function*(fresh: string, payloads: ReadonlyArray<Uint8Array>) {
      let checksum = 0
      let endBytes = 0
      if ((yield* this.files.sizeOf(fresh)) !== undefined) yield* this.files.remove(fresh)
      yield* this.files.append(fresh, new Uint8Array(0))
      for (const payload of payloads) {
        const record = encode(payload, checksum, 0)
        yield* this.files.append(fresh, record.bytes)
        checksum = record.checksum
        endBytes += record.bytes.length
      }
      yield* this.files.sync(fresh)
      yield* this.files.rename(fresh, this.file)
      return { checksum, endBytes }
    }
  )
}
