/**
 * A disk as Effects, for the programs of one process.
 *
 * 1. An operation that takes time happens at the end of it, and operations that take time wait for each other.
 * 2. Without a latency, nothing here yields to virtual time.
 * 3. A dead process waits for ever: no answer, no failure, no finaliser.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { enter, type Owner } from "./Connection.ts"
import type { Disk, DiskFailed, DiskKind } from "./Disk.ts"

export interface Files {
  /** The names of the files, in order. */
  readonly list: Effect.Effect<ReadonlyArray<string>>
  /** How long a file is; undefined when there is none. */
  readonly sizeOf: (file: string) => Effect.Effect<number | undefined>
  /** Writes at the end, answers where. Makes the file when there is none. */
  readonly append: (file: string, bytes: Uint8Array) => Effect.Effect<number, DiskFailed>
  readonly write: (file: string, offset: number, bytes: Uint8Array) => Effect.Effect<void, DiskFailed>
  /** At most `length` bytes from an offset; may be less, even before the end. */
  readonly read: (file: string, offset: number, length: number) => Effect.Effect<Uint8Array, DiskFailed>
  /** The whole file, however often it takes to read; empty when there is none. */
  readonly readAll: (file: string) => Effect.Effect<Uint8Array, DiskFailed>
  readonly truncate: (file: string, length: number) => Effect.Effect<void, DiskFailed>
  readonly rename: (file: string, to: string) => Effect.Effect<void, DiskFailed>
  readonly remove: (file: string) => Effect.Effect<void, DiskFailed>
  /** Makes the bytes of a file durable. */
  readonly sync: (file: string) => Effect.Effect<void, DiskFailed>
  /** Makes the names of all files durable. */
  readonly syncDirectory: Effect.Effect<void, DiskFailed>
}

/** The disk as a process sees it. */
export const make = (disk: Disk, owner: Owner): Files => {
  const answer = <A>(run: () => Result.Result<A, DiskFailed>): Effect.Effect<A, DiskFailed> =>
    Effect.suspend(() => {
      const result = run()
      return owner.alive() ? Effect.fromResult(result) : Effect.never
    })
  const inTurn = <A>(kind: DiskKind, run: () => Result.Result<A, DiskFailed>): Effect.Effect<A, DiskFailed> =>
    Effect.suspend(() => {
      if (!owner.alive()) return Effect.never
      const micros = disk.turnMicros(kind)
      return micros === 0 ? answer(run) : Effect.andThen(wait(micros), answer(run))
    })
  const wait = (micros: number): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const stop = disk.timeline.schedule(micros, () => enter(owner, () => resume(Effect.void)))
      return Effect.sync(stop)
    })
  const read: Files["read"] = (file, offset, length) => inTurn("read", () => disk.read(owner, file, offset, length))
  return {
    list: Effect.sync(() => disk.list(owner)),
    sizeOf: (file) => Effect.sync(() => disk.sizeOf(owner, file)),
    append: (file, bytes) => inTurn("append", () => disk.append(owner, file, bytes)),
    write: (file, offset, bytes) => inTurn("write", () => disk.write(owner, file, offset, bytes)),
    read,
    readAll: (file) => readAll(read, () => disk.sizeOf(owner, file) ?? 0, file),
    truncate: (file, length) => inTurn("truncate", () => disk.truncate(owner, file, length)),
    rename: (file, to) => inTurn("rename", () => disk.rename(owner, file, to)),
    remove: (file) => inTurn("remove", () => disk.remove(owner, file)),
    sync: (file) => inTurn("sync", () => disk.sync(owner, file)),
    syncDirectory: inTurn("syncDirectory", () => disk.syncDirectory(owner))
  }
}

const readAll = Effect.fnUntraced(function*(read: Files["read"], size: () => number, file: string) {
  const length = size()
  if (length === 0) return new Uint8Array(0)
  const first = yield* read(file, 0, length)
  if (first.length === length) return first
  const all = new Uint8Array(length)
  all.set(first)
  let at = first.length
  while (at < all.length) {
    const bytes = yield* read(file, at, all.length - at)
    if (bytes.length === 0) break
    all.set(bytes, at)
    at += bytes.length
  }
  return all.subarray(0, at)
})
