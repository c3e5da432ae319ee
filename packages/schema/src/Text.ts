/**
 * Identifiers as text (protocol.md §1): `dev_…`, a three-letter prefix, `_`, then the bytes and their CRC-24 (RFC 9580
 * §6.1) in Crockford's base32, lower case, with zero pad bits. There is one text for each identifier: whatever differs,
 * in case, in an alias such as O for 0, in a pad bit or in white space, is refused. Any change of one symbol is caught.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { concat } from "./Bytes.ts"
import { AckTag, DeviceId, EntryHash, EnvelopeId, Lane, MailboxId, RelayKey, RouteId, SpaceId } from "./Id.ts"
import * as Crockford from "./internal/crockford.ts"

/** What has a text form of its own, by the name of its type. */
export interface IdByKind {
  readonly DeviceId: DeviceId
  readonly SpaceId: SpaceId
  readonly RouteId: RouteId
  readonly EnvelopeId: EnvelopeId
  readonly EntryHash: EntryHash
  readonly RelayKey: RelayKey
  readonly MailboxId: MailboxId
  readonly Lane: Lane
  readonly AckTag: AckTag
}
export type Kind = keyof IdByKind

/** Text that is not what was expected. It never holds the text: that may be a secret. */
export class TextError extends Schema.TaggedError<TextError>()("TextError", {
  /** What was expected: a `Kind`, `RelayAddress` or `PairingTicket`. */
  expected: Schema.String,
  reason: Schema.Literals(["prefix", "length", "symbol", "padding", "checksum", "url", "expiry"])
}) {
  override get message() {
    return `This text is not a ${this.expected} (${this.reason}). Nothing was changed; ` +
      "copy it again, whole and as it was shown, or ask for a new one."
  }
}

interface Form<A extends Uint8Array> {
  readonly prefix: string
  readonly sizeBytes: number
  readonly make: (bytes: Uint8Array) => A
}

const FORMS: { readonly [K in Kind]: Form<IdByKind[K]> } = {
  DeviceId: { prefix: "dev", sizeBytes: 32, make: (bytes) => DeviceId.make(bytes) },
  SpaceId: { prefix: "spc", sizeBytes: 32, make: (bytes) => SpaceId.make(bytes) },
  RouteId: { prefix: "rte", sizeBytes: 32, make: (bytes) => RouteId.make(bytes) },
  EnvelopeId: { prefix: "env", sizeBytes: 32, make: (bytes) => EnvelopeId.make(bytes) },
  EntryHash: { prefix: "ent", sizeBytes: 32, make: (bytes) => EntryHash.make(bytes) },
  RelayKey: { prefix: "rly", sizeBytes: 32, make: (bytes) => RelayKey.make(bytes) },
  MailboxId: { prefix: "mbx", sizeBytes: 16, make: (bytes) => MailboxId.make(bytes) },
  Lane: { prefix: "lan", sizeBytes: 8, make: (bytes) => Lane.make(bytes) },
  AckTag: { prefix: "ack", sizeBytes: 16, make: (bytes) => AckTag.make(bytes) }
}

/** CRC-24 of OpenPGP (RFC 9580 §6.1): polynomial 0x864CFB, start 0xB704CE. Three bytes, big endian. */
export const crc24 = (bytes: Uint8Array): Uint8Array => {
  let crc = 0xb704ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x80_0000) === 0 ? 0 : 0x186_4cfb)
  }
  return Uint8Array.of((crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff)
}

/** @internal Bytes under a prefix, for what has this form but is no identifier. */
export const frame = (prefix: string, bytes: Uint8Array): string =>
  `${prefix}_${Crockford.encode(concat(bytes, crc24(bytes)))}`

/** @internal The bytes that `frame` was given, or what is wrong with the text. */
export const unframe = (prefix: string, sizeBytes: number, text: string): Uint8Array | TextError["reason"] => {
  if (!text.startsWith(`${prefix}_`)) return "prefix"
  if (text.length !== prefix.length + 1 + Crockford.lengthOf(sizeBytes + 3)) return "length"
  const decoded = Crockford.decode(text.slice(prefix.length + 1))
  if (typeof decoded === "string") return decoded
  const bytes = decoded.slice(0, sizeBytes)
  const [a, b, c] = crc24(bytes)
  return decoded[sizeBytes] === a && decoded[sizeBytes + 1] === b && decoded[sizeBytes + 2] === c ? bytes : "checksum"
}

/**
 * The text of an identifier.
 *
 * @example toText("DeviceId", device) // dev_041061050r3gg28a1c60t3gf208h44rm2mb1e60s38dhr78y3wgchqjw
 */
export const toText = <K extends Kind>(kind: K, id: IdByKind[K]): string => frame(FORMS[kind].prefix, id)

/** The identifier of a text, when it is that identifier's only form. */
export const fromText = <K extends Kind>(kind: K, text: string): Result.Result<IdByKind[K], TextError> => {
  const { make, prefix, sizeBytes } = FORMS[kind]
  const bytes = unframe(prefix, sizeBytes, text)
  return typeof bytes === "string"
    ? Result.fail(new TextError({ expected: kind, reason: bytes }))
    : Result.succeed(make(bytes))
}
