/**
 * Negentropy, version 1 of its protocol (the byte 61): range-based reconciliation as other people's software speaks it.
 * Both roles, over ids with times.
 *
 * ```
 *   message = 61 range*                         what is not covered at the end is skipped
 *   range   = bound varint(mode) payload        from the bound before it (at first: from the beginning)
 *     mode 0  skip
 *     mode 1  fingerprint, 16 bytes
 *     mode 2  ids: varint(k), k × 32 bytes
 *   bound   = varint(t) varint(length) prefix   t = 0: the end; else 1 + time − time of the bound before it
 * ```
 *
 * 1. The client alone learns the difference, and ends when it has nothing left to say.
 * 2. A message is at most `frameBytesMax` long. With a small one, ids may be found more than once.
 * 3. What comes is read within its own length, and refused as a value. Nothing here proves that sets are equal: sums of
 *    ids can be made to meet. Use it with strangers; among ourselves the roots decide.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import { ID_BYTES } from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Storage from "./NegentropyStorage.ts"
import * as Varint from "./NegentropyVarint.ts"

const VERSION = 0x61
const MODE = { skip: 0, fingerprint: 1, ids: 2 } as const

/** A range is split into so many; one below twice as many items is listed. */
const BUCKETS = 16
const LISTED_MAX = 2 * BUCKETS - 1
/** Where a message ends before its limit, so that a last fingerprint fits. */
const RESERVE_BYTES = 200
/** The smallest limit that the protocol allows. */
const FRAME_BYTES_MIN = 4096

/** A message that was not taken: another version, cut short, a mode or a bound that does not exist. */
export class NegentropyFailed extends Schema.TaggedError<NegentropyFailed>()("NegentropyFailed", {
  reason: Schema.Literals(["version", "truncated", "mode", "bound"]),
  /** Where in the message. */
  offset: Schema.Int
}) {
  override get message() {
    return `A message of the Negentropy protocol was not understood at offset ${this.offset} (${this.reason}). Nothing ` +
      "was changed. Ask another peer, or compare by this project's own protocol."
  }
}

export interface Options {
  /** The longest message to make, 4096 at least. Default: `Limit.reconcileBytesMax`. */
  readonly frameBytesMax?: number
}

/** What a client learns from an answer. */
export interface Received {
  /** The next message; undefined when everything was compared. */
  readonly message: Uint8Array | undefined
  /** Ids that only this side has. */
  readonly have: ReadonlyArray<Uint8Array>
  /** Ids that only the other side has. */
  readonly need: ReadonlyArray<Uint8Array>
}

const END: Storage.Bound = { time: Number.POSITIVE_INFINITY, prefix: new Uint8Array(0) }

/** Two bounds, two modes and a count: what a range takes beside its ids, with a skip before it. */
const RANGE_BYTES_MAX = 2 * (8 + 1 + ID_BYTES) + 2 + 8

/** A state of the output, to come back to. */
interface Mark {
  readonly parts: number
  readonly length: number
  readonly time: number
  readonly skipped: Storage.Bound | undefined
}

/** Collects ranges; times of bounds are written as differences. */
class Output {
  readonly limit: number
  readonly parts: Array<Uint8Array | ReadonlyArray<number>> = [[VERSION]]
  length = 1
  private time = 0
  /** A skipped range that is not written yet. */
  private skipped: Storage.Bound | undefined

  constructor({ frameBytesMax = Limit.reconcileBytesMax }: Options) {
    if (frameBytesMax < FRAME_BYTES_MIN) throw new RangeError(`a frame has ${FRAME_BYTES_MIN} bytes at least`)
    this.limit = frameBytesMax - RESERVE_BYTES
  }

  private put(...parts: ReadonlyArray<Uint8Array | ReadonlyArray<number>>): void {
    for (const part of parts) {
      this.parts.push(part)
      this.length += part.length
    }
  }

  private bound({ prefix, time }: Storage.Bound): void {
    if (time === Number.POSITIVE_INFINITY) this.put([0])
    else {
      this.put(Varint.encode(1 + time - this.time))
      this.time = time
    }
    this.put(Varint.encode(prefix.length), prefix)
  }

  private range(bound: Storage.Bound, mode: number, payload: ReadonlyArray<Uint8Array | ReadonlyArray<number>>) {
    if (this.skipped !== undefined) {
      this.bound(this.skipped)
      this.put([MODE.skip])
      this.skipped = undefined
    }
    this.bound(bound)
    this.put([mode])
    // Not as arguments of a call: a message without a limit has more ids than those may be.
    for (const part of payload) this.put(part)
  }

  skip(bound: Storage.Bound): void {
    this.skipped = bound
  }

  fingerprint(bound: Storage.Bound, fingerprint: Uint8Array): void {
    this.range(bound, MODE.fingerprint, [fingerprint])
  }

  ids(bound: Storage.Bound, ids: ReadonlyArray<Uint8Array>): void {
    this.range(bound, MODE.ids, [Varint.encode(ids.length), ...ids])
  }

  /** Whether what is written is too much. */
  isFull(): boolean {
    return this.length > this.limit
  }

  /** How many ids still fit into a range of their own. */
  idsThatFit(): number {
    return Math.max(0, Math.floor((this.limit - this.length - RANGE_BYTES_MAX) / ID_BYTES))
  }

  mark(): Mark {
    const { length, skipped, time } = this
    return { parts: this.parts.length, length, skipped, time }
  }

  /** Takes back what was written since. */
  rewind({ length, parts, skipped, time }: Mark): void {
    this.parts.length = parts
    this.length = length
    this.skipped = skipped
    this.time = time
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.length)
    let at = 0
    for (const part of this.parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
}

/** Items `from` to before `to`, up to a bound: their ids when they are few, else a fingerprint for each of 16 parts. */
const split = (storage: Storage.NegentropyStorage, out: Output, from: number, to: number, bound: Storage.Bound) => {
  const count = to - from
  if (count <= LISTED_MAX) {
    out.ids(bound, Array.from({ length: count }, (_, i) => Storage.idAt(storage, from + i)))
    return
  }
  const size = Math.floor(count / BUCKETS)
  let start = from
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const end = start + size + (bucket < count % BUCKETS ? 1 : 0)
    out.fingerprint(end === to ? bound : Storage.boundAt(storage, end), Storage.fingerprint(storage, start, end))
    start = end
  }
}

/** The first message of a client. */
export const initiate = (storage: Storage.NegentropyStorage, options: Options = {}): Uint8Array => {
  const out = new Output(options)
  split(storage, out, 0, storage.count, END)
  return out.bytes()
}

/** A range as it was read. */
interface Range {
  readonly bound: Storage.Bound
  readonly payload:
    | { readonly mode: typeof MODE.skip }
    | { readonly mode: typeof MODE.fingerprint; readonly fingerprint: Uint8Array }
    | { readonly mode: typeof MODE.ids; readonly ids: ReadonlyArray<Uint8Array> }
}

/** Reads ranges one by one. */
class Input {
  at = 1
  failure: NegentropyFailed | undefined
  private time = 0
  private readonly source: Uint8Array

  constructor(source: Uint8Array) {
    this.source = source
  }

  private fail(reason: NegentropyFailed["reason"]): undefined {
    this.failure ??= new NegentropyFailed({ reason, offset: this.at })
    return undefined
  }

  private number(): number | undefined {
    const decoded = Varint.decode(this.source, this.at)
    if (decoded === undefined) return this.fail("truncated")
    this.at = decoded.end
    return decoded.value
  }

  private take(length: number): Uint8Array | undefined {
    if (length > this.source.length - this.at) return this.fail("truncated")
    this.at += length
    return this.source.slice(this.at - length, this.at)
  }

  private bound(): Storage.Bound | undefined {
    const time = this.number()
    const length = this.number()
    if (time === undefined || length === undefined) return undefined
    this.time = time === 0 ? Number.POSITIVE_INFINITY : this.time + time - 1
    const isTime = this.time === Number.POSITIVE_INFINITY || Number.isSafeInteger(this.time)
    if (length > ID_BYTES || !isTime) return this.fail("bound")
    const prefix = this.take(length)
    return prefix === undefined ? undefined : { time: this.time, prefix }
  }

  private payload(): Range["payload"] | undefined {
    const mode = this.number()
    if (mode === MODE.skip) return { mode }
    if (mode === MODE.fingerprint) {
      const fingerprint = this.take(Storage.FINGERPRINT_BYTES)
      return fingerprint === undefined ? undefined : { mode, fingerprint }
    }
    if (mode !== MODE.ids) return mode === undefined ? undefined : this.fail("mode")
    const count = this.number()
    const ids = count === undefined ? undefined : this.take(count * ID_BYTES)
    if (ids === undefined) return undefined
    return {
      mode,
      ids: Array.from({ length: ids.length / ID_BYTES }, (_, i) => ids.slice(i * ID_BYTES, (i + 1) * ID_BYTES))
    }
  }

  /** The next range; undefined at the end and at what cannot be read. */
  next(): Range | undefined {
    if (this.at >= this.source.length) return undefined
    const bound = this.bound()
    const payload = bound === undefined ? undefined : this.payload()
    return bound === undefined || payload === undefined ? undefined : { bound, payload }
  }
}

/**
 * What a role does with the other side's ids for its own items `from` to before `to`. Answers how far it came: less than
 * `to` when the message is full.
 */
type TakeIds = (out: Output, from: number, to: number, bound: Storage.Bound, ids: ReadonlyArray<Uint8Array>) => number

/** Goes through a message and answers it. */
const answer = (
  storage: Storage.NegentropyStorage,
  bytes: Uint8Array,
  options: Options,
  takeIds: TakeIds
): Result.Result<Output, NegentropyFailed> => {
  const out = new Output(options)
  const input = new Input(bytes)
  let from = 0
  for (let range = input.next(); range !== undefined; range = input.next()) {
    const { bound, payload } = range
    const to = Storage.find(storage, from, bound)
    const before = out.mark()
    let reached = to
    if (payload.mode === MODE.ids) reached = takeIds(out, from, to, bound, payload.ids)
    else if (payload.mode === MODE.skip || isOurs(storage, from, to, payload.fingerprint)) out.skip(bound)
    else split(storage, out, from, to, bound)
    if (out.isFull()) {
      out.rewind(before)
      reached = from
    }
    if (reached < to || out.isFull()) {
      out.fingerprint(END, Storage.fingerprint(storage, reached, storage.count))
      break
    }
    from = to
  }
  return input.failure === undefined ? Result.succeed(out) : Result.fail(input.failure)
}

const isOurs = (storage: Storage.NegentropyStorage, from: number, to: number, fingerprint: Uint8Array): boolean =>
  Bytes.equals(Storage.fingerprint(storage, from, to), fingerprint)

const failed = (reason: NegentropyFailed["reason"]) => Result.fail(new NegentropyFailed({ reason, offset: 0 }))

/**
 * A server's answer. To a message of another version it is the one byte of the version spoken here. Work is in proportion
 * to the message and to the answer.
 */
export const respond = (
  storage: Storage.NegentropyStorage,
  message: Uint8Array,
  options: Options = {}
): Result.Result<Uint8Array, NegentropyFailed> => {
  const [version] = message
  if (version === undefined) return failed("truncated")
  if (version < 0x60 || version > 0x6f) return failed("version")
  if (version !== VERSION) return Result.succeed(Uint8Array.of(VERSION))
  const listing: TakeIds = (out, from, to, bound) => {
    const room = out.idsThatFit()
    const end = Math.min(to, from + room)
    const ids = Array.from({ length: end - from }, (_, i) => Storage.idAt(storage, from + i))
    // Cut short, it goes up to the first item that did not fit.
    const { id, time } = { id: Storage.idAt(storage, end), time: Storage.timeAt(storage, end) }
    out.ids(end === to ? bound : { time, prefix: id }, ids)
    return end
  }
  return Result.map(answer(storage, message, options, listing), (out) => out.bytes())
}

/** What a client learns from a server's answer, and what it says next. */
export const receive = (
  storage: Storage.NegentropyStorage,
  message: Uint8Array,
  options: Options = {}
): Result.Result<Received, NegentropyFailed> => {
  if (message.length === 0) return failed("truncated")
  if (message[0] !== VERSION) return failed("version")
  const [have, need]: [Array<Uint8Array>, Array<Uint8Array>] = [[], []]
  const comparing: TakeIds = (out, from, to, bound, ids) => {
    const theirs = new Map(ids.map((id) => [Bytes.toHex(id), id]))
    for (let i = from; i < to; i++) {
      const id = Storage.idAt(storage, i)
      if (!theirs.delete(Bytes.toHex(id))) have.push(id)
    }
    for (const id of theirs.values()) need.push(id)
    out.skip(bound)
    return to
  }
  return Result.map(answer(storage, message, options, comparing), (out) => ({
    message: out.length === 1 ? undefined : out.bytes(),
    have,
    need
  }))
}
