/**
 * Messages of reconciliation (protocol.md §2a): how two replicas find out which envelope ids the other one lacks. The
 * initiator asks, the responder answers each message with one. A fixed layout, not MessagePack: short ids are packed bit
 * by bit. The grammar, and who answers what with what, is in docs/internals/reconciliation.md.
 *
 * 1. `decode` is total, takes one form of each message only, and allocates nothing before it fits what is left.
 * 2. A *short id* is a keyed hash of an id, 64 bits; a *handle* is its first 48 bits, as a number. Lists of handles are
 *    sorted; one that stands twice belongs to two ids.
 * 3. A *node* is a prefix of short ids: `bits` of them, as a number.
 * 4. A *proof* is a hash of the sender's root under the initiator's nonce, so that nobody can prepare two sets for it.
 */
import * as Result from "effect/Result"
import { concat, plain } from "./Bytes.ts"
import * as Codec from "./Codec.ts"
import { Reader, REFUSED } from "./internal/reader.ts"
import * as Rice from "./internal/rice.ts"
import { Limit } from "./Limit.ts"

/** Bits of a handle. */
export const HANDLE_BITS = 48
/** Counters of the estimator. */
export const COUNTERS = 32
/** Bytes of one cell: the short ids, then 24 bits of their checks. */
export const CELL_BYTES = 11
/** Bytes of a nonce. */
export const NONCE_BYTES = 8
/** Bytes of a proof. */
export const PROOF_BYTES = 16
/** Bytes of the name of a checkpoint. */
export const MARK_BYTES = 4
/** Bytes of an envelope id. */
export const ID_BYTES = 32
/** The longest prefix that names a node. */
export const NODE_BITS_MAX = 32
/** The most bits that one step of `Probe` goes down. */
export const STEP_BITS_MAX = 8

/** What an initiator says. */
export type Request =
  /** Opens: how many ids, which root, and counters from which the difference is estimated. */
  | {
    readonly _tag: "Hello"
    readonly keyEpoch: number
    readonly nonce: Uint8Array
    readonly count: number
    readonly proof: Uint8Array
    readonly counters: Int32Array
  }
  /** Opens: what came after the checkpoint of this mark? */
  | { readonly _tag: "Since"; readonly nonce: Uint8Array; readonly mark: Uint8Array }
  /** The cells from `from` on, `count` of them. */
  | { readonly _tag: "More"; readonly nonce: Uint8Array; readonly from: number; readonly count: number }
  /** Ends: send me the envelopes of these handles. What the responder lacks travels beside it. */
  | { readonly _tag: "Want"; readonly handles: Float64Array }
  /** Ends: send me all that your last message listed. */
  | { readonly _tag: "WantAll" }
  /** Counts and sums of the children, `step` bits deeper, of these nodes. */
  | {
    readonly _tag: "Probe"
    readonly nonce: Uint8Array
    readonly bits: number
    readonly step: number
    readonly nodes: Float64Array
  }
  /** The handles below these nodes. */
  | { readonly _tag: "Ask"; readonly nonce: Uint8Array; readonly bits: number; readonly nodes: Float64Array }
  /** All my ids whose short id is from `from` to `through`, both included, 16 hexadecimal digits each. */
  | {
    readonly _tag: "Exact"
    readonly nonce: Uint8Array
    readonly from: string
    readonly through: string
    readonly ids: ReadonlyArray<Uint8Array>
  }
  /** Is this your root? */
  | { readonly _tag: "Check"; readonly nonce: Uint8Array; readonly proof: Uint8Array }

/** What a responder says. */
export type Answer =
  /** The sets are equal. */
  | { readonly _tag: "Same" }
  /** The sets are not equal; or there is no such checkpoint. */
  | { readonly _tag: "Differ" }
  /** Short ids are made with another key here. */
  | { readonly _tag: "OtherKey"; readonly keyEpoch: number }
  /** Cells are not the way here (too few are kept): go on by ranges. */
  | { readonly _tag: "Coarse"; readonly proof: Uint8Array; readonly count: number }
  /** What came after the checkpoint. */
  | { readonly _tag: "Tail"; readonly proof: Uint8Array; readonly handles: Float64Array }
  /** The whole set. */
  | { readonly _tag: "List"; readonly proof: Uint8Array; readonly handles: Float64Array }
  /** Cells `from`, `from` + 1, …: `CELL_BYTES` each. */
  | { readonly _tag: "Cells"; readonly proof: Uint8Array; readonly from: number; readonly cells: Uint8Array }
  /** Count and sum (48 bits) of each child of as many of the nodes as fit. */
  | {
    readonly _tag: "Sums"
    readonly proof: Uint8Array
    readonly counts: Float64Array
    readonly sums: Float64Array
  }
  /** Handles below as many of the nodes as fit, less their first `bits`. */
  | {
    readonly _tag: "Lists"
    readonly proof: Uint8Array
    readonly bits: number
    readonly lists: ReadonlyArray<Float64Array>
  }
  /** Up to `through`: which ids of the request are not here (by place), and which are here and not in it. */
  | {
    readonly _tag: "Difference"
    readonly proof: Uint8Array
    readonly through: string
    readonly missing: Float64Array
    readonly ids: ReadonlyArray<Uint8Array>
  }

const REQUEST = { Hello: 1, Since: 2, More: 3, Want: 4, WantAll: 5, Probe: 6, Ask: 7, Exact: 8, Check: 9 } as const
const ANSWER = {
  Same: 0x41,
  Differ: 0x42,
  OtherKey: 0x43,
  Coarse: 0x44,
  Tail: 0x45,
  List: 0x46,
  Cells: 0x47,
  Sums: 0x48,
  Lists: 0x49,
  Difference: 0x4a
} as const

/** Places of ids in a request fit into so many bits. */
const PLACE_BITS = 16
const SUM_BYTES = 6
const SHORT_BYTES = 8

// -- writing -----------------------------------------------------------------------------------------------------------

/** LEB128 in its shortest form: seven bits a byte, least significant first. */
const varint = (value: number): Uint8Array => {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a count`)
  const out: Array<number> = []
  let left = value
  while (left >= 0x80) {
    out.push(left % 0x80 | 0x80)
    left = Math.floor(left / 0x80)
  }
  out.push(left)
  return Uint8Array.from(out)
}

const fixed = (bytes: Uint8Array, length: number): Uint8Array => {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes where ${length} are due`)
  return bytes
}

/** All parts in one array. Not as arguments of a call: there may be more of them than those may be. */
const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const list = (values: Float64Array, width: number): Uint8Array =>
  concat(varint(values.length), Rice.encodeSorted(values, width))

const ids = (values: ReadonlyArray<Uint8Array>): Uint8Array =>
  joined([varint(values.length), ...values.map((id) => fixed(id, ID_BYTES))])

const short = (hex: string): Uint8Array =>
  Uint8Array.from({ length: SHORT_BYTES }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))

const zigzag = (value: number): number => value < 0 ? -2 * value - 1 : 2 * value

/** The k for counters of a set: their spread is the square root of its size. */
const counterParameter = (count: number): number => Math.max(0, (Rice.bitLength(count) >>> 1) - 1)

/** A counter has the parity of the count, so half of it is enough. */
const counters = (values: Int32Array, count: number): Uint8Array =>
  Rice.encode(Array.from(values, (value) => zigzag((value - count % 2) / 2)), counterParameter(count))

const sums = (answer: Extract<Answer, { _tag: "Sums" }>): Uint8Array => {
  const parts: Array<Uint8Array> = [varint(answer.counts.length)]
  for (const [i, count] of answer.counts.entries()) {
    parts.push(varint(count))
    // The sum of nothing is nothing: it is left out.
    if (count > 0) parts.push(sum48(answer.sums[i] ?? 0))
  }
  return joined(parts)
}

const sum48 = (value: number): Uint8Array => {
  const out = new Uint8Array(SUM_BYTES)
  for (let i = SUM_BYTES - 1, left = value; i >= 0; i--, left = Math.floor(left / 0x100)) out[i] = left % 0x100
  return out
}

/** The bytes of a request. A value outside its type is a bug of the caller and throws a RangeError. */
export const encodeRequest = (request: Request): Uint8Array => {
  const tag = Uint8Array.of(REQUEST[request._tag])
  if (request._tag === "WantAll") return tag
  return request._tag === "Want"
    ? concat(tag, list(request.handles, HANDLE_BITS))
    : concat(tag, fixed(request.nonce, NONCE_BYTES), ...partsOf(request))
}

const partsOf = (request: Exclude<Request, { _tag: "WantAll" | "Want" }>): ReadonlyArray<Uint8Array> => {
  switch (request._tag) {
    case "Hello": {
      const { count, keyEpoch, proof } = request
      return [varint(keyEpoch), varint(count), fixed(proof, PROOF_BYTES), counters(request.counters, count)]
    }
    case "Since":
      return [fixed(request.mark, MARK_BYTES)]
    case "More":
      return [varint(request.from), varint(request.count)]
    case "Probe":
      return [Uint8Array.of(request.bits, request.step), list(request.nodes, request.bits)]
    case "Ask":
      return [Uint8Array.of(request.bits), list(request.nodes, request.bits)]
    case "Exact":
      return [short(request.from), short(request.through), ids(request.ids)]
    case "Check":
      return [fixed(request.proof, PROOF_BYTES)]
  }
}

/** The bytes of an answer. A value outside its type is a bug of the caller and throws a RangeError. */
export const encodeAnswer = (answer: Answer): Uint8Array => {
  const tag = Uint8Array.of(ANSWER[answer._tag])
  if (answer._tag === "Same" || answer._tag === "Differ") return tag
  return answer._tag === "OtherKey"
    ? concat(tag, varint(answer.keyEpoch))
    : concat(tag, fixed(answer.proof, PROOF_BYTES), bodyOf(answer))
}

const bodyOf = (answer: Exclude<Answer, { _tag: "Same" | "Differ" | "OtherKey" }>): Uint8Array => {
  switch (answer._tag) {
    case "Coarse":
      return varint(answer.count)
    case "Tail":
    case "List":
      return list(answer.handles, HANDLE_BITS)
    case "Cells":
      return concat(varint(answer.from), varint(answer.cells.length / CELL_BYTES), answer.cells)
    case "Sums":
      return sums(answer)
    case "Lists":
      return joined([
        Uint8Array.of(answer.bits),
        varint(answer.lists.length),
        ...answer.lists.map((handles) => list(handles, HANDLE_BITS - answer.bits))
      ])
    case "Difference":
      return concat(short(answer.through), list(answer.missing, PLACE_BITS), ids(answer.ids))
  }
}

// -- reading -----------------------------------------------------------------------------------------------------------

const readVarint = (reader: Reader): number => {
  const offset = reader.at
  let value = 0
  for (let scale = 1;; scale *= 0x80) {
    const byte = reader.byte()
    value += (byte & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) reader.fail("out-of-range", offset)
    if (byte < 0x80) return byte === 0 && scale > 1 ? reader.fail("not-canonical", offset) : value
    if (scale >= 2 ** 49) reader.fail("out-of-range", offset)
  }
}

const readFixed = (reader: Reader, length: number): Uint8Array => {
  if (reader.left() < length) reader.fail("truncated", reader.bytes.length)
  reader.at += length
  return reader.bytes.slice(reader.at - length, reader.at)
}

/** A count of things that take at least `leastBytes` each. */
const readCount = (reader: Reader, leastBytes: number): number => {
  const offset = reader.at
  const count = readVarint(reader)
  return count * leastBytes > reader.left() ? reader.fail("truncated", offset) : count
}

const readBits = (reader: Reader, maximum: number): number => {
  const offset = reader.at
  const bits = reader.byte()
  return bits > maximum ? reader.fail("out-of-range", offset) : bits
}

const readList = (reader: Reader, width: number): Float64Array => Rice.decodeSorted(reader, readVarint(reader), width)

/** Nodes and places, which are sorted without repetition. */
const readPlaces = (reader: Reader, width: number): Float64Array => {
  const offset = reader.at
  const places = readList(reader, width)
  for (let i = 1; i < places.length; i++) if (places[i] === places[i - 1]) reader.fail("not-canonical", offset)
  return places
}

const readIds = (reader: Reader): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  for (let left = readCount(reader, ID_BYTES); left > 0; left--) found.push(readFixed(reader, ID_BYTES))
  return found
}

const readShort = (reader: Reader): string => {
  let hex = ""
  for (const byte of readFixed(reader, SHORT_BYTES)) hex += byte.toString(16).padStart(2, "0")
  return hex
}

const readCounters = (reader: Reader, count: number): Int32Array => {
  const offset = reader.at
  const coded = Rice.decode(reader, COUNTERS, counterParameter(count), 2 * count)
  return Int32Array.from(coded, (value) => {
    const counter = 2 * (value % 2 === 0 ? value / 2 : -(value + 1) / 2) + count % 2
    return Math.abs(counter) > Math.min(count, 0x7fff_ffff) ? reader.fail("out-of-range", offset) : counter
  })
}

const readSums = (reader: Reader): Pick<Extract<Answer, { _tag: "Sums" }>, "counts" | "sums"> => {
  const total = readCount(reader, 1)
  const counts = new Float64Array(total)
  const found = new Float64Array(total)
  for (let i = 0; i < total; i++) {
    const count = readVarint(reader)
    counts[i] = count
    if (count > 0) found[i] = readFixed(reader, SUM_BYTES).reduce((sum, byte) => sum * 0x100 + byte, 0)
  }
  return { counts, sums: found }
}

const readRequest = (reader: Reader): Request => {
  const tag = reader.byte()
  if (tag === REQUEST.WantAll) return { _tag: "WantAll" }
  if (tag === REQUEST.Want) return { _tag: "Want", handles: readList(reader, HANDLE_BITS) }
  if (tag < REQUEST.Hello || tag > REQUEST.Check) return reader.fail("unknown-tag", 0)
  const nonce = readFixed(reader, NONCE_BYTES)
  switch (tag) {
    case REQUEST.Hello: {
      const keyEpoch = readVarint(reader)
      const count = readVarint(reader)
      const proof = readFixed(reader, PROOF_BYTES)
      return { _tag: "Hello", nonce, keyEpoch, count, proof, counters: readCounters(reader, count) }
    }
    case REQUEST.Since:
      return { _tag: "Since", nonce, mark: readFixed(reader, MARK_BYTES) }
    case REQUEST.More:
      return { _tag: "More", nonce, from: readVarint(reader), count: readVarint(reader) }
    case REQUEST.Exact:
      return { _tag: "Exact", nonce, from: readShort(reader), through: readShort(reader), ids: readIds(reader) }
    case REQUEST.Check:
      return { _tag: "Check", nonce, proof: readFixed(reader, PROOF_BYTES) }
    default:
      return readNodes(reader, tag, nonce)
  }
}

const readNodes = (reader: Reader, tag: number, nonce: Uint8Array): Request => {
  const bits = readBits(reader, NODE_BITS_MAX)
  if (tag === REQUEST.Ask) return { _tag: "Ask", nonce, bits, nodes: readPlaces(reader, bits) }
  const step = readBits(reader, Math.min(STEP_BITS_MAX, NODE_BITS_MAX - bits))
  return { _tag: "Probe", nonce, bits, step, nodes: readPlaces(reader, bits) }
}

const readAnswer = (reader: Reader): Answer => {
  const tag = reader.byte()
  if (tag === ANSWER.Same) return { _tag: "Same" }
  if (tag === ANSWER.Differ) return { _tag: "Differ" }
  if (tag === ANSWER.OtherKey) return { _tag: "OtherKey", keyEpoch: readVarint(reader) }
  if (tag < ANSWER.Coarse || tag > ANSWER.Difference) return reader.fail("unknown-tag", 0)
  return readProven(reader, tag, readFixed(reader, PROOF_BYTES))
}

const readProven = (reader: Reader, tag: number, proof: Uint8Array): Answer => {
  switch (tag) {
    case ANSWER.Coarse:
      return { _tag: "Coarse", proof, count: readVarint(reader) }
    case ANSWER.Tail:
      return { _tag: "Tail", proof, handles: readList(reader, HANDLE_BITS) }
    case ANSWER.List:
      return { _tag: "List", proof, handles: readList(reader, HANDLE_BITS) }
    case ANSWER.Cells: {
      const from = readVarint(reader)
      return { _tag: "Cells", proof, from, cells: readFixed(reader, readCount(reader, CELL_BYTES) * CELL_BYTES) }
    }
    case ANSWER.Sums:
      return { _tag: "Sums", proof, ...readSums(reader) }
    case ANSWER.Lists: {
      const bits = readBits(reader, NODE_BITS_MAX)
      const lists: Array<Float64Array> = []
      for (let left = readCount(reader, 1); left > 0; left--) lists.push(readList(reader, HANDLE_BITS - bits))
      return { _tag: "Lists", proof, bits, lists }
    }
    default:
      return {
        _tag: "Difference",
        proof,
        through: readShort(reader),
        missing: readPlaces(reader, PLACE_BITS),
        ids: readIds(reader)
      }
  }
}

const decode = <A>(bytes: Uint8Array, read: (reader: Reader) => A): Result.Result<A, Codec.CodecError> => {
  const reader = new Reader(plain(bytes))
  try {
    if (bytes.length > Limit.reconcileBytesMax) reader.fail("too-long", Limit.reconcileBytesMax)
    const value = read(reader)
    return reader.left() === 0 ? Result.succeed(value) : reader.fail("trailing", reader.at)
  } catch (thrown) {
    if (thrown !== REFUSED) throw thrown
    return Result.fail(new Codec.CodecError({ reason: reader.reason, offset: reader.offset }))
  }
}

/** The request, when the bytes are its one form. Never throws. */
export const decodeRequest = (bytes: Uint8Array): Result.Result<Request, Codec.CodecError> => decode(bytes, readRequest)

/** The answer, when the bytes are its one form. Never throws. */
export const decodeAnswer = (bytes: Uint8Array): Result.Result<Answer, Codec.CodecError> => decode(bytes, readAnswer)
