/**
 * The canonical codec beside JSON with base64 (what one writes without a codec) and, where it is installed, msgpackr: an
 * entry of 100 operations and a page of 100 envelopes as a `Deliver` frame. Each figure is the best of several rounds in
 * one process; the ratios are what to compare between machines.
 */
import { Entry, entryCodec } from "@sotto/schema/Entry"
import { RelayFrame, relayFrameCodec } from "@sotto/schema/Frame"
import * as Id from "@sotto/schema/Id"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const ROUNDS = 7
const ROUND_MILLIS = 150

/** A way to turn a value into bytes and back. */
interface Form<A> {
  readonly name: string
  readonly encode: (value: A) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
}

interface Figure {
  readonly form: string
  readonly sizeBytes: number
  readonly encodePerSecond: number
  readonly decodePerSecond: number
}

const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff)

const head = {
  body: {
    relay: Id.RelayKey.make(pattern(32, 1)),
    route: Id.RouteId.make(pattern(32, 2)),
    position: Id.Position.make(70_000),
    chain: pattern(32, 3),
    lowest: Id.Position.make(1),
    millis: 1_767_225_600_000
  },
  signature: Id.Signature.make(pattern(64, 4))
}

const entry: Entry = {
  device: Id.DeviceId.make(pattern(32, 5)),
  seq: Id.Seq.make(1000),
  prev: Id.EntryHash.make(pattern(32, 6)),
  hlc: { millis: 1_767_225_600_000, counter: 3 },
  lastHead: head,
  ops: Array.from({ length: 100 }, (_, i) => ({
    collection: "notes",
    key: `note-${i}-${"k".repeat(8)}`,
    parents: [Id.EntryHash.make(pattern(32, i))],
    action: { _tag: "Put", value: pattern(100, i) }
  })),
  signature: Id.Signature.make(pattern(64, 7))
}

const deliver: RelayFrame = {
  _tag: "Deliver",
  handle: 1,
  placed: Array.from(
    { length: 100 },
    (_, i) => ({ position: Id.Position.make(70_000 + i), envelope: pattern(600, i) })
  ),
  head
}

/** JSON of the schema's own JSON codec: bytes as base64, decoding checks the type. */
const json = <S extends Schema.Codec<unknown, unknown>>(schema: S): Form<S["Type"]> => {
  const text = Schema.fromJsonString(Schema.toCodecJson(schema))
  const encode = Schema.encodeSync(text)
  const decode = Schema.decodeUnknownSync(text)
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]
  return {
    name: "JSON and base64, typed",
    encode: (value) => encoder.encode(encode(value)),
    decode: (bytes) => decode(decoder.decode(bytes))
  }
}

/** What a program without a schema does: no check of anything. */
const bareJson = (): Form<unknown> => ({
  name: "JSON and base64, unchecked",
  encode: (value) =>
    Buffer.from(
      JSON.stringify(value, (_, part: unknown) =>
        part instanceof Uint8Array ? { $: Buffer.from(part).toString("base64") } : part)
    ),
  decode: (bytes) =>
    JSON.parse(
      Buffer.from(bytes).toString(),
      (_, part: unknown) =>
        typeof part === "object" && part !== null && "$" in part && typeof part.$ === "string"
          ? new Uint8Array(Buffer.from(part.$, "base64"))
          : part
    )
})

const hasPack = (found: unknown): found is {
  readonly pack: (value: unknown) => Uint8Array
  readonly unpack: (bytes: Uint8Array) => unknown
} => typeof found === "object" && found !== null && "pack" in found && "unpack" in found

/** msgpackr is no dependency: it takes part when it happens to be installed. */
const msgpackr = async (): Promise<ReadonlyArray<Form<unknown>>> => {
  const name = "msgpackr"
  const found: unknown = await import(name).catch(() => undefined)
  return hasPack(found) ? [{ name: "msgpackr, unchecked", encode: found.pack, decode: found.unpack }] : []
}

/** Calls per second in the best of the rounds. */
const rate = (call: () => unknown): number => {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    let calls = 0
    let elapsed = 0
    while (elapsed < ROUND_MILLIS) {
      for (let i = 0; i < 16; i++) call()
      calls += 16
      elapsed = performance.now() - start
    }
    best = Math.max(best, (calls * 1000) / elapsed)
  }
  return Math.round(best)
}

const measure = <A>(value: A, forms: ReadonlyArray<Form<A>>): ReadonlyArray<Figure> =>
  forms.map(({ decode, encode, name }) => {
    const bytes = encode(value)
    return {
      form: name,
      sizeBytes: bytes.length,
      encodePerSecond: rate(() => encode(value)),
      decodePerSecond: rate(() => decode(bytes))
    }
  })

const show = (title: string, figures: ReadonlyArray<Figure>): string => {
  const rows = figures.map(({ decodePerSecond, encodePerSecond, form, sizeBytes }) =>
    `  ${form.padEnd(28)}${String(sizeBytes).padStart(10)}${String(encodePerSecond).padStart(14)}${
      String(decodePerSecond).padStart(14)
    }`
  )
  return `${title}\n  ${"".padEnd(28)}${"bytes".padStart(10)}${"encode/s".padStart(14)}${"decode/s".padStart(14)}\n${
    rows.join("\n")
  }\n`
}

/** Measures, and prints a table or (`json`) one object. @public */
export const run = async (options: { readonly json: boolean }): Promise<void> => {
  const others = [bareJson(), ...await msgpackr()]
  const entries = measure(entry, [
    {
      name: "canonical codec",
      encode: entryCodec.encode,
      decode: (bytes) => Result.getOrThrow(entryCodec.decode(bytes))
    },
    json(Entry),
    ...others
  ])
  const frames = measure(deliver, [
    {
      name: "canonical codec",
      encode: relayFrameCodec.encode,
      decode: (bytes) => Result.getOrThrow(relayFrameCodec.decode(bytes))
    },
    json(RelayFrame),
    ...others
  ])
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ bench: "codec", entry: entries, deliver: frames })}\n`
      : `${show("Entry of 100 operations", entries)}\n${show("Deliver of 100 envelopes of 600 bytes", frames)}`
  )
}
