/**
 * An entry's bytes with and without its signature (protocol.md §4). An entry is an array of seven fields, an unsigned
 * one of the same first six: the bytes differ in the array's count and in what follows the operations. So neither side
 * encodes an entry twice. Sealing.test.ts holds every function here against the codecs.
 */
import * as Codec from "@sotto/schema/Codec"
import { type Entry, Op, type UnsignedEntry, unsignedEntryCodec } from "@sotto/schema/Entry"
import type { Signature } from "@sotto/schema/Id"

const ARRAY_OF_6 = 0x96
const ARRAY_OF_7 = 0x97
const NIL = 0xc0
const BIN_8 = 0xc4
const SIGNATURE_BYTES = 64

/** Bytes that a signature adds to an unsigned entry; its absence adds one. */
export const SIGNED_BYTES = 2 + SIGNATURE_BYTES

/** Bytes of one operation, to be put into an entry by `assemble`. */
export const opCodec = Codec.make(Op, "Op")

/** What `use` makes of the unsigned form of an entry's bytes, which are lent to it without a copy. */
export const withUnsigned = <A>(encoded: Uint8Array, entry: Entry, use: (unsigned: Uint8Array) => A): A => {
  const unsigned = encoded.subarray(0, encoded.length - (entry.signature === null ? 1 : SIGNED_BYTES))
  unsigned[0] = ARRAY_OF_6
  const result = use(unsigned)
  unsigned[0] = ARRAY_OF_7
  return result
}

/** The entry's bytes from its unsigned ones, in a fresh array. */
export const withSignature = (unsigned: Uint8Array, signature: Signature | null): Uint8Array => {
  const out = new Uint8Array(unsigned.length + (signature === null ? 1 : SIGNED_BYTES))
  out.set(unsigned)
  out[0] = ARRAY_OF_7
  if (signature === null) out[unsigned.length] = NIL
  else {
    out[unsigned.length] = BIN_8
    out[unsigned.length + 1] = SIGNATURE_BYTES
    out.set(signature, unsigned.length + 2)
  }
  return out
}

/** Bytes that the count of an array takes before its items. */
const countBytes = (count: number): number => count < 16 ? 1 : count < 0x1_0000 ? 3 : 5

/** The unsigned entry's bytes from its fields and the bytes of its operations, in their order. */
export const assemble = (
  fields: Omit<UnsignedEntry, "ops">,
  ops: ReadonlyArray<Uint8Array>
): Uint8Array => {
  const before = unsignedEntryCodec.encode({ ...fields, ops: [] })
  let size = before.length - 1 + countBytes(ops.length)
  for (const op of ops) size += op.length
  const out = new Uint8Array(size)
  out.set(before)
  let at = before.length - 1
  if (ops.length < 16) out[at++] = 0x90 | ops.length
  else {
    // Limit.opsMax is below 65,536: one form is enough.
    out[at++] = 0xdc
    out[at++] = ops.length >>> 8
    out[at++] = ops.length & 0xff
  }
  for (const op of ops) {
    out.set(op, at)
    at += op.length
  }
  return out
}
