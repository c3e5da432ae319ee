/**
 * What goes in the clear before the handshake with a relay (docs/spec/channel.md): the client says which protocol it
 * means and whether it has the relay's public keys already; the relay may answer with those, or with its version.
 *
 *   client  "sotto1" version want      want 00: I have your keys, message 1 follows at once · 01: send them
 *   relay   "sotto1" version 01 keys   the encoded `RelayKeys`, to be held against the pinned key
 *   relay   "sotto1" version ff        another version is needed
 *
 * The client's eight bytes are bound into the handshake. The relay's are not trusted for anything.
 */
import { concat } from "@sotto/schema/Bytes"
import { type RelayKeys, relayKeysCodec } from "@sotto/schema/Relay"
import { PROTOCOL_VERSION } from "@sotto/schema/Suite"
import * as Result from "effect/Result"

const MAGIC = Uint8Array.of(0x73, 0x6f, 0x74, 0x74, 0x6f, 0x31) // "sotto1"

/** Bytes of a prelude, and of the head of a relay's answer. */
export const PRELUDE_BYTES = 8

/** The seventh byte of a prelude, where the version stands. */
const VERSION_AT = 6
const KIND_AT = 7

/** `known`: handshake at once; `ask`: keys first. */
export type Want = "known" | "ask"

const WANTS = { known: 0x00, ask: 0x01 } as const
const KEYS = 0x01
const REFUSED = 0xff

const head = (kind: number): Uint8Array => concat(MAGIC, Uint8Array.of(PROTOCOL_VERSION, kind))

const hasMagic = (bytes: Uint8Array): boolean =>
  bytes.length >= PRELUDE_BYTES && MAGIC.every((byte, index) => bytes[index] === byte)

/** The client's first bytes. */
export const request = (want: Want): Uint8Array => head(WANTS[want])

/** The client's want, or why these bytes are no prelude of this version. */
export const parseRequest = (bytes: Uint8Array): Result.Result<Want, "prelude" | "version"> => {
  if (!hasMagic(bytes)) return Result.fail("prelude")
  if (bytes[VERSION_AT] !== PROTOCOL_VERSION) return Result.fail("version")
  const kind = bytes[KIND_AT]
  if (kind === WANTS.known) return Result.succeed("known")
  return kind === WANTS.ask ? Result.succeed("ask") : Result.fail("prelude")
}

/** The relay's answer with its public keys. */
export const keysAnswer = (keys: RelayKeys): Uint8Array => concat(head(KEYS), relayKeysCodec.encode(keys))

/** The relay's answer to another version. */
export const versionAnswer: Uint8Array = head(REFUSED)

/** What a relay answered in the clear: its keys, the version that it speaks, or nothing that can be understood. */
export const parseAnswer = (bytes: Uint8Array): Result.Result<RelayKeys, "prelude" | "version"> => {
  if (!hasMagic(bytes)) return Result.fail("prelude")
  if (bytes[VERSION_AT] !== PROTOCOL_VERSION || bytes[KIND_AT] === REFUSED) return Result.fail("version")
  if (bytes[KIND_AT] !== KEYS) return Result.fail("prelude")
  return Result.mapError(relayKeysCodec.decode(bytes.slice(PRELUDE_BYTES)), () => "prelude" as const)
}
