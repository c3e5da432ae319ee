/**
 * How Sotto's schemas say what they look like on the wire.
 *
 * A wire type is an ordinary Effect Schema built from the constructors below; `Codec` compiles it once into a canonical
 * MessagePack reader and writer (protocol.md §5a):
 *
 * - a `Struct` is an array of its fields, in the order of their declaration;
 * - a member of a tagged union is an array that begins with its wire tag, a number, in place of `_tag`;
 * - `Schema.NullOr(x)` is `nil` or x; there are no optional keys;
 * - bytes are `bin`, text is `str` (well-formed UTF-8), integers take their shortest form; there are no floats, no maps
 *   and no extension types.
 */
import * as Schema from "effect/Schema"
import * as Utf8 from "./internal/utf8.ts"

/** The largest integer on the wire: 2^53 − 1. */
export const UINT_MAX = Number.MAX_SAFE_INTEGER

/** Exactly `length` bytes. */
export const fixedBytes = (length: number) => Schema.Uint8Array.check(Schema.isBetweenLength(length, length))

/** At most `maximum` bytes. */
export const boundedBytes = (maximum: number) => Schema.Uint8Array.check(Schema.isMaxLength(maximum))

/** Text that has a UTF-8 form (no lone surrogates) of at most `maximum` bytes. */
export const boundedText = (maximum: number) =>
  Schema.String.check(
    Schema.isMaxLength(maximum),
    Schema.makeFilter(
      (text: string) => {
        const length = Utf8.byteLength(text)
        return length >= 0 && length <= maximum
      },
      { expected: `well-formed text of at most ${maximum} UTF-8 bytes`, wireTextBytesMax: maximum }
    )
  )

/** An integer from 0 to `maximum`, both included. */
export const uint = (maximum: number = UINT_MAX) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

/** At most `maximum` items. */
export const boundedArray = <S extends Schema.Top>(item: S, maximum: number) =>
  Schema.Array(item).check(Schema.isMaxLength(maximum))

/** A member of a tagged union: `tag` is its name in TypeScript, `number` its first element on the wire. */
export const tagged = <const Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  number: number,
  fields: Fields
) => Schema.Struct({ _tag: Schema.tag(tag), ...fields }).annotate({ wireTag: number })
