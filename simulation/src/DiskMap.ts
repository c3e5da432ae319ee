/**
 * One ordered map from byte keys to byte values over a disk, with atomic, durable batches.
 *
 * 1. `commit` is all or nothing, and durable when it answers; batches happen in one order.
 * 2. Reads see every batch that was answered for before they began, and none that is not durable.
 * 3. Keys are ordered by bytes; a key that is the beginning of another comes first.
 * 4. Values come back as fresh arrays that the caller owns.
 * 5. Reading does not yield to virtual time: the map is in memory, the disk is read when it is opened.
 */
import * as Effect from "effect/Effect"
import * as ByteText from "./ByteText.ts"
import { DiskFailed } from "./Disk.ts"
import type { Files } from "./Files.ts"
import * as Journal from "./Journal.ts"
import * as Slab from "./Slab.ts"

/** A write of a batch; `value` absent deletes. */
export interface Write {
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

export interface Pair {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Keys from `from` (included) to `to` (not included), ascending unless `reverse`, at most `limit`. */
export interface Range {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly limit: number
  readonly reverse?: boolean
}

export interface DiskMap {
  readonly get: (key: Uint8Array) => Effect.Effect<Uint8Array | undefined>
  readonly scan: (range: Range) => Effect.Effect<ReadonlyArray<Pair>>
  readonly commit: (writes: ReadonlyArray<Write>) => Effect.Effect<void, DiskFailed>
  /** Whether it takes no commit until it is opened anew (`Journal.ts`). From then on it leaves the file alone. */
  readonly isBroken: () => boolean
}

export interface DiskMapOptions {
  readonly file?: string
  /** The journal is written anew when it is longer than this and four times longer than what is in it. */
  readonly compactBytes?: number
}

/** Opens the map of a disk, and makes it when there is none. */
export const open = (files: Files, options: DiskMapOptions = {}): Effect.Effect<DiskMap, DiskFailed> =>
  Effect.flatMap(Journal.open(files, options.file ?? "map"), ({ journal, records }) =>
    Effect.suspend(() => {
      const table = new Table()
      for (const record of records) {
        const writes = decodeBatch(record)
        if (writes === undefined) {
          return Effect.fail(new DiskFailed({ reason: "corrupt", operation: "open", detail: "a batch does not parse" }))
        }
        table.apply(writes)
      }
      return Effect.succeed(over(journal, table, options.compactBytes ?? 65_536))
    }))

const over = (journal: Journal.Journal, table: Table, compactBytes: number): DiskMap => {
  let compactAbove = compactBytes
  const compact = Effect.suspend(() => {
    const size = journal.sizeBytes()
    if (size <= compactAbove || size <= 4 * table.sizeBytes) return Effect.void
    // One at a time; when it fails, the journal stays as it is and has to double before the next attempt.
    compactAbove = 2 * size
    return Effect.ignore(Effect.tap(
      journal.rewrite(() => [encodeBatch(table.pairs())]),
      () =>
        Effect.sync(() => {
          compactAbove = compactBytes
        })
    ))
  })
  return {
    get: (key) => Effect.sync(() => table.get(key)),
    scan: (range) => Effect.sync(() => table.scan(range)),
    isBroken: journal.isBroken,
    commit: (writes) =>
      Effect.suspend(() => {
        if (writes.length === 0) return Effect.void
        // What the caller owns is copied once: the table keeps views of the record.
        const record = encodeBatch(writes)
        return Effect.andThen(journal.append(record, () => table.apply(decodeBatch(record) ?? [])), compact)
      })
  }
}

const HEAD_BYTES = 8
const DELETED = 0xffff_ffff

const encodeBatch = (writes: ReadonlyArray<Write>): Uint8Array => {
  let size = 0
  for (const { key, value } of writes) size += HEAD_BYTES + key.length + (value?.length ?? 0)
  const bytes = Slab.zeros(size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  for (const { key, value } of writes) {
    view.setUint32(at, key.length)
    view.setUint32(at + 4, value?.length ?? DELETED)
    bytes.set(key, at + HEAD_BYTES)
    at += HEAD_BYTES + key.length
    if (value !== undefined) bytes.set(value, at)
    at += value?.length ?? 0
  }
  return bytes
}

/** The writes of a record, as views of it. */
const decodeBatch = (bytes: Uint8Array): ReadonlyArray<Write> | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const writes: Array<Write> = []
  let at = 0
  while (at < bytes.length) {
    if (at + HEAD_BYTES > bytes.length) return undefined
    const keyEnd = at + HEAD_BYTES + view.getUint32(at)
    const valueLength = view.getUint32(at + 4)
    const end = valueLength === DELETED ? keyEnd : keyEnd + valueLength
    if (end > bytes.length) return undefined
    const key = bytes.subarray(at + HEAD_BYTES, keyEnd)
    writes.push(valueLength === DELETED ? { key } : { key, value: bytes.subarray(keyEnd, end) })
    at = end
  }
  return writes
}

/** Keys that may come one by one without the others being sorted anew. */
const INSERTED_MAX = 64

/** The map in memory. */
class Table {
  private readonly pairByText = new Map<string, Pair>()
  private readonly sorted: Array<string> = []
  private readonly added = new Set<string>()
  /** What all pairs would take in a journal. */
  sizeBytes = 0

  apply(writes: ReadonlyArray<Write>): void {
    for (const { key, value } of writes) {
      const text = ByteText.of(key)
      const before = this.pairByText.get(text)
      if (before !== undefined) this.sizeBytes -= HEAD_BYTES + before.key.length + before.value.length
      if (value !== undefined) {
        if (before === undefined) this.added.add(text)
        this.pairByText.set(text, { key, value })
        this.sizeBytes += HEAD_BYTES + key.length + value.length
      } else if (this.pairByText.delete(text) && !this.added.delete(text)) {
        this.sorted.splice(lowerBound(this.sorted, text), 1)
      }
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const pair = this.pairByText.get(ByteText.of(key))
    return pair === undefined ? undefined : Slab.copy(pair.value)
  }

  scan({ from, limit, reverse, to }: Range): ReadonlyArray<Pair> {
    const keys = this.keys()
    const first = lowerBound(keys, ByteText.of(from))
    const end = lowerBound(keys, ByteText.of(to))
    const inside = reverse === true
      ? keys.slice(Math.max(first, end - limit), Math.max(first, end)).reverse()
      : keys.slice(first, Math.min(end, first + limit))
    const found: Array<Pair> = []
    for (const text of inside) {
      const pair = this.pairByText.get(text)
      if (pair !== undefined) found.push({ key: Slab.copy(pair.key), value: Slab.copy(pair.value) })
    }
    return found
  }

  pairs(): ReadonlyArray<Pair> {
    return [...this.pairByText.values()]
  }

  /** The keys in their order. Few that are new are put in their places; many are sorted in with the others. */
  private keys(): ReadonlyArray<string> {
    if (this.added.size > INSERTED_MAX) {
      for (const text of this.added) this.sorted.push(text)
      this.sorted.sort()
    } else {
      for (const text of this.added) this.sorted.splice(lowerBound(this.sorted, text), 0, text)
    }
    this.added.clear()
    return this.sorted
  }
}

/** The place of the first key that is not below `key`. */
const lowerBound = (sorted: ReadonlyArray<string>, key: string): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? "") < key) low = middle + 1
    else high = middle
  }
  return low
}
