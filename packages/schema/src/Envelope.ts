/**
 * The envelope's bytes (protocol.md §4): the only thing that a relay stores and moves. A fixed layout, not MessagePack:
 *
 * ```
 *  0  1 version 01 | 1 suite | 1 kind | 1 flags (00)
 *  4  4 epoch u32 BE
 *  8  8 lane
 * 16 24 nonce
 * 40 32 commitment
 * 72  n ciphertext | 16 tag
 * ```
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { plain } from "./Bytes.ts"
import { Epoch, Lane } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { PROTOCOL_VERSION, Suite } from "./Suite.ts"

/** 1 data, 2 control, 3 ephemeral (presence, never stored), 4 vault manifest. */
export const Kind = Schema.Literals([1, 2, 3, 4])
export type Kind = typeof Kind.Type
/** Kinds by name. */
export const KIND = { data: 1, control: 2, ephemeral: 3, vault: 4 } as const satisfies Record<string, Kind>

/** What the first 16 bytes say. */
export const Header = Schema.Struct({ suite: Suite, kind: Kind, epoch: Epoch, lane: Lane })
export type Header = typeof Header.Type

/** Version, suite, kind, flags, epoch and lane. */
export const HEADER_BYTES = 16
/** The nonce after the header. */
export const NONCE_BYTES = 24
/** The key commitment after the nonce. */
export const COMMITMENT_BYTES = 32
/** Where the ciphertext begins. */
export const SEALED_AT = 72
/** The tag at the end. */
export const TAG_BYTES = 16
/** The smallest envelope: an empty header, one padded bucket and its tag. */
export const ENVELOPE_BYTES_MIN = SEALED_AT + 256 + TAG_BYTES

/** Which part of an envelope's plain bytes is wrong; the first, in the order of the layout. */
export class EnvelopeMalformed extends Schema.TaggedError<EnvelopeMalformed>()("EnvelopeMalformed", {
  reason: Schema.Literals(["version", "suite", "kind", "flags", "epoch", "size"])
}) {
  override get message() {
    return `This is not an envelope that this version reads (${this.reason}). It was not opened and not stored; ` +
      "if its sender runs a newer version, update this device."
  }
}

/** An envelope's parts. All but `header` are views of its bytes. */
export interface Parts {
  readonly header: Header
  /** The first 16 bytes: they are bound by the key and by the associated data. */
  readonly headerBytes: Uint8Array
  readonly nonce: Uint8Array
  readonly commitment: Uint8Array
  /** Ciphertext, then the tag of 16 bytes. */
  readonly sealed: Uint8Array
}

/** The 16 bytes of a header. Throws a RangeError for one that is not a header: a bug. */
export const encodeHeader = (header: Header): Uint8Array => {
  if (!isHeader(header)) throw new RangeError("an envelope's header has a field outside its range")
  const out = new Uint8Array(HEADER_BYTES)
  out[0] = PROTOCOL_VERSION
  out[1] = header.suite
  out[2] = header.kind
  out[4] = header.epoch >>> 24
  out[5] = header.epoch >>> 16
  out[6] = header.epoch >>> 8
  out[7] = header.epoch
  out.set(header.lane, 8)
  return out
}

const isHeader = Schema.is(Header)
const isSuite = Schema.is(Suite)
const isKind = Schema.is(Kind)

const malformed = (reason: EnvelopeMalformed["reason"]) => Result.fail(new EnvelopeMalformed({ reason }))

/**
 * Takes an envelope apart, without opening it. Checked in this order: version, suite, kind, flags, epoch, size. What is
 * too short to hold a header fails by its size.
 */
export const parse = (input: Uint8Array): Result.Result<Parts, EnvelopeMalformed> => {
  const bytes = plain(input)
  if (bytes.length < HEADER_BYTES) return malformed("size")
  const [version, suite, kind, flags, ...epochBytes] = bytes.subarray(0, 8)
  if (version !== PROTOCOL_VERSION) return malformed("version")
  if (!isSuite(suite)) return malformed("suite")
  if (!isKind(kind)) return malformed("kind")
  if (flags !== 0) return malformed("flags")
  const epoch = epochBytes.reduce((value, byte) => value * 0x100 + byte, 0)
  if (epoch === 0) return malformed("epoch")
  if (bytes.length < ENVELOPE_BYTES_MIN || bytes.length > Limit.envelopeBytesMax) return malformed("size")
  const headerBytes = bytes.subarray(0, HEADER_BYTES)
  return Result.succeed({
    header: { suite, kind, epoch: Epoch.make(epoch), lane: Lane.make(headerBytes.slice(8)) },
    headerBytes,
    nonce: bytes.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES),
    commitment: bytes.subarray(HEADER_BYTES + NONCE_BYTES, SEALED_AT),
    sealed: bytes.subarray(SEALED_AT)
  })
}

/** Puts an envelope together from its header's bytes, nonce, commitment and sealed plaintext. A wrong length is a bug. */
export const assemble = (
  headerBytes: Uint8Array,
  nonce: Uint8Array,
  commitment: Uint8Array,
  sealed: Uint8Array
): Uint8Array => {
  const sizeBytes = SEALED_AT + sealed.length
  if (
    headerBytes.length !== HEADER_BYTES || nonce.length !== NONCE_BYTES || commitment.length !== COMMITMENT_BYTES ||
    sizeBytes < ENVELOPE_BYTES_MIN || sizeBytes > Limit.envelopeBytesMax
  ) throw new RangeError("a part of an envelope has a length outside its bounds")
  const out = new Uint8Array(sizeBytes)
  out.set(headerBytes, 0)
  out.set(nonce, HEADER_BYTES)
  out.set(commitment, HEADER_BYTES + NONCE_BYTES)
  out.set(sealed, SEALED_AT)
  return out
}
