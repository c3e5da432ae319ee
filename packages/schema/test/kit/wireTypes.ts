/** Every schema that the package exports, found by looking, so that a new one cannot be forgotten by the tests. */
import * as Sotto from "@sotto/schema"
import * as Codec from "@sotto/schema/Codec"
import * as Schema from "effect/Schema"

/** Errors, which stay on their side or travel as a `Refusal`. `Codec` must refuse them, or the list is wrong. */
const withoutCodec: ReadonlySet<string> = new Set([
  "Codec.CodecError",
  "Envelope.EnvelopeMalformed",
  "PairingCode.PairingCodeTypo",
  "Text.TextError",
  ...Sotto.RelayError.REFUSALS.map(({ tag }) => `RelayError.${tag}`),
  "RelayError.RelayError"
])

export interface WireType {
  readonly name: string
  readonly schema: Schema.Codec<unknown, unknown>
  readonly codec: Codec.Codec<unknown>
}

const isPureSchema = (value: unknown): value is Schema.Codec<unknown, unknown> => Schema.isSchema(value)

const found = Object.entries(Sotto).flatMap(([module, exports]) =>
  Object.entries(exports).flatMap(([name, value]): ReadonlyArray<readonly [string, Schema.Codec<unknown, unknown>]> =>
    isPureSchema(value) ? [[`${module}.${name}`, value]] : []
  )
)

/** Schemas that have canonical bytes, each with a codec of its own. */
export const wireTypes: ReadonlyArray<WireType> = found
  .filter(([name]) => !withoutCodec.has(name))
  .map(([name, schema]) => ({ name, schema, codec: Codec.make(schema, name) }))

/** Schemas that have none, by name. */
export const otherTypes = found.filter(([name]) => withoutCodec.has(name))

/** The names that are listed as having none, whether they exist or not. */
export const otherNames = withoutCodec
