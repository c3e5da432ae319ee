/** Content references (protocol.md §10): how an entry names a large sealed byte string. */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Epoch } from "./Id.ts"
import { boundedBytes, boundedText, fixedBytes, uint } from "./Wire.ts"

/** A large sealed byte string: its name, its size, and what opens it beside the epoch's key. */
export const ContentRef = Schema.Struct({
  /** BLAKE3 root of the sealed bytes. */
  address: fixedBytes(32),
  sizeBytes: uint(),
  salt: fixedBytes(24),
  commitment: fixedBytes(32),
  epoch: Epoch,
  mediaType: boundedText(128),
  preview: Schema.NullOr(boundedBytes(16 * 1024))
})
export type ContentRef = typeof ContentRef.Type

/** Bytes of a content reference. */
export const contentRefCodec = Codec.make(ContentRef, "ContentRef")
