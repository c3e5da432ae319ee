/** Suites (protocol.md §4): the set of algorithms of a space, fixed in its genesis, never negotiated. */
import * as Schema from "effect/Schema"

/** `1`: XChaCha20-Poly1305, Ed25519, X-Wing, BLAKE3, Argon2id. `2`: approved algorithms only (not built yet). */
export const Suite = Schema.Literals([1, 2])
export type Suite = typeof Suite.Type

/** The suite of every space that this version creates. */
export const SUITE_DEFAULT: Suite = 1

/** The protocol's version: the first byte of an envelope and of a connection. */
export const PROTOCOL_VERSION = 1
