/**
 * Canonical bytes of a wire type (protocol.md §5a): `make` turns an Effect Schema into a MessagePack codec.
 *
 * 1. `decode(encode(value))` is the value, and `encode(decode(bytes))` is the bytes, for all bytes that are accepted.
 * 2. Bytes are refused with a typed reason and their offset, never with what they hold.
 * 3. Nothing is allocated for a length or a count before it fits its bound and the input that is left.
 * 4. A value outside its type is a bug of the caller: `encode` throws a RangeError that names the place, not the value.
 *
 * Wire.ts says how a schema looks on the wire. It is compiled once, when its codec is first used: a program starts with
 * all of the protocol's and uses few. One that cannot be represented is refused there.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compile, type Node } from "./internal/compile.ts"
import { Reader, type Reason, REASONS, REFUSED } from "./internal/reader.ts"
import { Writer } from "./internal/writer.ts"

export type { Reason }

/** Bytes that are not the canonical form of what was expected. Holds the reason and the offset, never the bytes. */
export class CodecError extends Schema.TaggedError<CodecError>()("CodecError", {
  reason: Schema.Literals(REASONS),
  offset: Schema.Int
}) {
  override get message() {
    return `The bytes are not what was expected at offset ${this.offset} (${this.reason}). Nothing was taken from them; ` +
      "whoever sent them runs another version, or they were damaged: update both sides, then try again."
  }
}

/** Reads and writes the canonical bytes of `A`. */
export interface Codec<in out A> {
  /** The canonical bytes, in a fresh array. Throws a RangeError for a value that is not an `A`: a bug. */
  readonly encode: (value: A) => Uint8Array
  /** The same after room for `before` bytes, which the caller fills: spares a copy of a large message. */
  readonly encodeAfter: (before: number, value: A) => Uint8Array
  /**
   * The value, when the bytes are its canonical form and nothing else. Byte strings of up to 64 bytes are copies; longer
   * ones are views of `bytes`, which must not be changed afterwards.
   */
  readonly decode: (bytes: Uint8Array) => Result.Result<A, CodecError>
  /** Like `decode`, but bytes may follow: `length` says where the value ends. */
  readonly decodePrefix: (
    bytes: Uint8Array
  ) => Result.Result<{ readonly value: A; readonly length: number }, CodecError>
  /** `decode` as an Effect. */
  readonly decodeEffect: (bytes: Uint8Array) => Effect.Effect<A, CodecError>
}

/** Runs `read`, turning a refusal of the reader into its error and letting every other throw (a bug) through. */
const attempt = <A>(reader: Reader, read: (reader: Reader) => A): Result.Result<A, CodecError> => {
  try {
    return Result.succeed(read(reader))
  } catch (thrown) {
    if (thrown !== REFUSED) throw thrown
    return Result.fail(new CodecError({ reason: reader.reason, offset: reader.offset }))
  }
}

/** A codec. Its first use throws a TypeError for a schema that has no canonical form. */
export const make = <S extends Schema.Top>(schema: S, name = "value"): Codec<S["Type"]> => {
  let compiled: Node | undefined
  const nodeOf = (): Node => compiled ??= compile(schema.ast, name, 0)
  // The one place where what was read by the schema's own AST takes on the schema's type. Codec.test.ts holds it
  // against `Schema.is` for every wire type.
  const read = (reader: Reader) => nodeOf().read(reader) as S["Type"]
  const readWhole = (reader: Reader): S["Type"] => {
    const value = read(reader)
    return reader.left() === 0 ? value : reader.fail("trailing", reader.at)
  }
  const readPrefix = (reader: Reader) => ({ value: read(reader), length: reader.at })
  const encodeAfter = (before: number, value: S["Type"]): Uint8Array => {
    const node = nodeOf()
    const writer = new Writer(before + node.measure(value), before)
    node.write(writer, value)
    return writer.bytes
  }
  const decode = (bytes: Uint8Array) => attempt(new Reader(bytes), readWhole)
  return {
    encode: (value) => encodeAfter(0, value),
    encodeAfter,
    decode,
    decodePrefix: (bytes) => attempt(new Reader(bytes), readPrefix),
    decodeEffect: (bytes) => Effect.suspend(() => Effect.fromResult(decode(bytes)))
  }
}
