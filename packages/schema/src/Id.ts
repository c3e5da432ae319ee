/**
 * Branded identifiers (protocol.md §1) and their one text form: a three-letter prefix, `_`, and Crockford base32 in
 * lower case of the bytes followed by their CRC-24, with zero pad bits. Text that differs in any way is refused.
 */
import * as Schema from "effect/Schema"
import { fixedBytes, uint } from "./Wire.ts"

/** SHA-256 of a device's signing key under `device-id`. */
export const DeviceId = fixedBytes(32).pipe(Schema.brand("DeviceId"))
export type DeviceId = typeof DeviceId.Type

/** SHA-256 of a space's signed genesis under `space-id`. */
export const SpaceId = fixedBytes(32).pipe(Schema.brand("SpaceId"))
export type SpaceId = typeof SpaceId.Type

/** What a relay knows a space by; another one at each relay. */
export const RouteId = fixedBytes(32).pipe(Schema.brand("RouteId"))
export type RouteId = typeof RouteId.Type

/** BLAKE3-256 of an envelope's bytes. */
export const EnvelopeId = fixedBytes(32).pipe(Schema.brand("EnvelopeId"))
export type EnvelopeId = typeof EnvelopeId.Type

/** SHA-256 of a relay's public keys under `relay-key`: what a client pins. */
export const RelayKey = fixedBytes(32).pipe(Schema.brand("RelayKey"))
export type RelayKey = typeof RelayKey.Type

/** SHA-256 of an entry (header and unsigned plaintext) under `entry`; what `prev` and a signature name. */
export const EntryHash = fixedBytes(32).pipe(Schema.brand("EntryHash"))
export type EntryHash = typeof EntryHash.Type

/** Keyed hash of a collection's name; all zero for entries that span collections, and when the policy hides lanes. */
export const Lane = fixedBytes(8).pipe(Schema.brand("Lane"))
export type Lane = typeof Lane.Type

/** Names a mailbox at a relay. */
export const MailboxId = fixedBytes(16).pipe(Schema.brand("MailboxId"))
export type MailboxId = typeof MailboxId.Type

/** Opaque name under which a device acknowledges at a relay; changes with each epoch. */
export const AckTag = fixedBytes(16).pipe(Schema.brand("AckTag"))
export type AckTag = typeof AckTag.Type

/** A place in a relay's log of one route: 1, 2, 3, … without gaps; 0 is "before the first". */
export const Position = uint().pipe(Schema.brand("Position"))
export type Position = typeof Position.Type

/** A generation of a space's key: 1, 2, 3, … */
export const Epoch = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff_ffff })).pipe(
  Schema.brand("Epoch")
)
export type Epoch = typeof Epoch.Type

/** Counts the entries of one device in one lane: 1, 2, 3, … */
export const Seq = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })).pipe(
  Schema.brand("Seq")
)
export type Seq = typeof Seq.Type

/** An Ed25519 public key, 32 bytes. */
export const SigningKey = fixedBytes(32).pipe(Schema.brand("SigningKey"))
export type SigningKey = typeof SigningKey.Type

/** An Ed25519 signature, 64 bytes. */
export const Signature = fixedBytes(64).pipe(Schema.brand("Signature"))
export type Signature = typeof Signature.Type
