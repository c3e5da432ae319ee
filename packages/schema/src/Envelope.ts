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
import * as Schema from "effect/Schema"
import { Epoch, Lane } from "./Id.ts"
import { Suite } from "./Suite.ts"

/** 1 data, 2 control, 3 ephemeral (presence, never stored), 4 vault manifest. */
export const Kind = Schema.Literals([1, 2, 3, 4])
export type Kind = typeof Kind.Type
export const KIND = { data: 1, control: 2, ephemeral: 3, vault: 4 } as const satisfies Record<string, Kind>

/** What the first 16 bytes say. */
export const Header = Schema.Struct({ suite: Suite, kind: Kind, epoch: Epoch, lane: Lane })
export type Header = typeof Header.Type

export const HEADER_BYTES = 16
export const NONCE_BYTES = 24
export const COMMITMENT_BYTES = 32
export const SEALED_AT = 72
export const TAG_BYTES = 16
/** The smallest envelope: an empty header, one padded bucket and its tag. */
export const ENVELOPE_BYTES_MIN = SEALED_AT + 256 + TAG_BYTES
