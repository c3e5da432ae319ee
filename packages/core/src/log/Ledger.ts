/**
 * What a device keeps, and under which keys: the one place that knows the layout of its `Store`.
 *
 * Tables 1 to 31 are the client's; whoever else keeps rows in the same store takes bytes above.
 *
 * A key is one byte for the table, then fixed-size fields, big endian, so that keys sort as their fields do. A row is the
 * canonical encoding of its schema. `docs/internals/client.md` shows the tables.
 *
 * 1. No value of the app and no secret stands here in the open: values stay inside their envelopes, and the device's and
 *    the space's secrets are sealed by the `Keystore` before they come here.
 * 2. A row is written in the same commit as everything that follows from it: an entry with its chain's state, a page
 *    with its cursor.
 * 3. A row that does not read is `StoreFailed` with `corrupt`, never skipped.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Head } from "@sotto/schema/Head"
import { Hlc } from "@sotto/schema/Hlc"
import { DeviceId, EntryHash, EnvelopeId, Lane, Position, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { RelayAddress } from "@sotto/schema/Pairing"
import { RelayKeys, Retention } from "@sotto/schema/Relay"
import { memberOpCodec } from "@sotto/schema/Space"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "@sotto/schema/Wire"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Pair, type Range, type Store, StoreFailed, type Write } from "../Store.ts"
import { Ordinal } from "./Cursor.ts"
import { Reason } from "./Quarantine.ts"

/** First bytes of keys. A number, once given, keeps its meaning: 16 was one witness a relay. */
const TABLE = {
  device: 1,
  space: 2,
  meta: 3,
  relay: 4,
  mark: 5,
  entry: 6,
  place: 7,
  known: 8,
  placed: 9,
  outbox: 10,
  chain: 11,
  waiting: 12,
  refused: 13,
  deferred: 14,
  evidence: 15,
  withdrawn: 17,
  idState: 18,
  idPart: 19,
  idChange: 20,
  witness: 21
} as const

/** The version of this layout; another one is refused, not guessed at. */
export const LAYOUT_VERSION = 1

// -- rows --------------------------------------------------------------------------------------------------------------

/** The number under which this directory keeps a relay; it is never given to another one. 0 stands for none. */
export const RelayNumber = uint(0xffff).pipe(Schema.brand("RelayNumber"))
export type RelayNumber = typeof RelayNumber.Type

/** Counters of the whole directory. */
export const MetaRow = Schema.Struct({
  version: uint(255),
  /** The last ordinal that was given. */
  ordinal: Ordinal,
  hlc: Hlc,
  /** The last relay number that was given. */
  relays: RelayNumber,
  evidence: uint(0xffff_ffff)
})
export type MetaRow = typeof MetaRow.Type

/** A relay as configured: changes rarely. */
export const RelayRow = Schema.Struct({
  address: RelayAddress,
  /** Its public keys, once it showed them; checked against the address. */
  keys: Schema.NullOr(RelayKeys),
  /** With what this device opens the space's route there, if it is to do that. */
  open: Schema.NullOr(
    Schema.Struct({ token: Schema.NullOr(boundedText(256)), retention: Retention, recovery: Schema.NullOr(SigningKey) })
  ),
  /** What it keeps, as it said when the route was attached last; null before. Not to find the route again is a reset. */
  granted: Schema.NullOr(Retention),
  /** Number of its evidence; 0 while in good standing. */
  misbehaved: uint(0xffff_ffff)
})
export type RelayRow = typeof RelayRow.Type

/** How far this device is with a relay: written with every page. */
export const MarkRow = Schema.Struct({
  cursor: Position,
  /** The chain over all ids up to the cursor; null while a gap keeps it unknown, until a head meets the cursor. */
  chain: Schema.NullOr(fixedBytes(32)),
  /** The newest head that it signed. */
  head: Schema.NullOr(Head),
  /** The highest position at which it acknowledged an entry of this device. */
  stored: Position,
  /** Positions were missing once: chains of its log may begin, and go on, above a gap. */
  gapped: Schema.Boolean,
  /** Entries after `offered`, up to `offerUntil`, are to be sent to it whoever wrote them: it is new, or was reset. */
  offered: Ordinal,
  offerUntil: Ordinal
})
export type MarkRow = typeof MarkRow.Type

/** An accepted entry, by its ordinal. `position` is of `relay`, which brought it; both 0 for one written here. */
export const EntryRow = Schema.Struct({
  relay: RelayNumber,
  position: Position,
  envelope: boundedBytes(Limit.envelopeBytesMax)
})
export type EntryRow = typeof EntryRow.Type

/** A place of an envelope at a relay. */
export const Place = Schema.Struct({ relay: RelayNumber, position: Position })
export type Place = typeof Place.Type

/** Places of an accepted entry that became known after it was accepted. */
const PlaceRow = boundedArray(Place, 64)

/** What became of an envelope, by its id. */
const KnownRow = Schema.Union([
  tagged("Accepted", 1, { ordinal: Ordinal }),
  /** Kept in `waiting`: it may still be accepted. */
  tagged("Waiting", 2, {}),
  /** Kept in `refused`. */
  tagged("Refused", 3, {})
])
export type KnownRow = typeof KnownRow.Type

/** What stands at a relay's position, and the running chain there, when it is known. */
export const PlacedRow = Schema.Struct({ id: EnvelopeId, chain: Schema.NullOr(fixedBytes(32)) })
export type PlacedRow = typeof PlacedRow.Type

/** An envelope that is not accepted: what was wrong, and where it came from. */
const AsideRow = Schema.Struct({
  /** Null for an entry in its place that only waits for the signature which closes its batch. */
  reason: Schema.NullOr(Reason),
  relay: RelayNumber,
  position: Position,
  sinceMillis: uint(),
  sizeBytes: uint(),
  /** Empty for one that was refused and is large: what it held does not matter any more. */
  envelope: boundedBytes(Limit.envelopeBytesMax)
})
export type AsideRow = typeof AsideRow.Type

/** Which of the two sets of ids. */
export type IdSetName = "kept" | "refused"

/** The snapshot of the sets of ids: that of a process which built them, and how far it goes. */
const IdStateRow = Schema.Struct({
  /** Under which its parts are kept. */
  generation: uint(0xffff_ffff),
  /** The last change that is in it. */
  through: uint(),
  /** Ids in it. */
  ids: uint(),
  /** How many parts the state of each set has. */
  kept: uint(0xffff_ffff),
  refused: uint(0xffff_ffff)
})
export type IdStateRow = typeof IdStateRow.Type

// -- tables ------------------------------------------------------------------------------------------------------------

type StoreService = Store["Service"]

/** A row as it was found. `at`: the bytes of its key, by which the next page begins; `found`: the row, if it reads. */
export interface Found<out K, out A> {
  readonly at: Uint8Array
  readonly found: Result.Result<{ readonly key: K; readonly row: A }, StoreFailed>
}

/** Reads and writes the rows of one table, whose keys are `K`. */
export interface Table<in out K, in out A> {
  readonly name: string
  readonly put: (key: K, row: A) => Write
  readonly remove: (key: K) => Write
  readonly get: (store: StoreService, key: K) => Effect.Effect<A | undefined, StoreFailed>
  /** Rows between `after` and `before`, neither included, in the order of their keys, that begin with `within`. */
  readonly scan: (store: StoreService, range: {
    readonly within?: Uint8Array
    readonly after?: K
    readonly before?: K
    readonly limit: number
    readonly reverse?: boolean
  }) => Effect.Effect<ReadonlyArray<{ readonly key: K; readonly row: A }>, StoreFailed>
  /** Rows after the key `after`, those that do not read included: for whoever looks for damage. */
  readonly look: (store: StoreService, range: {
    readonly after?: Uint8Array
    readonly limit: number
    readonly reverse?: boolean
  }) => Effect.Effect<ReadonlyArray<Found<K, A>>, StoreFailed>
}

const corrupt = (name: string, detail: string) =>
  new StoreFailed({ reason: "corrupt", operation: `read ${name}`, detail })

/** The first key after all those that begin with `prefix`. Tables end at 0xff, so there is one. */
const afterPrefix = (prefix: Uint8Array): Uint8Array => {
  const out = prefix.slice()
  for (let i = out.length - 1; i >= 0; i--) {
    const byte = out[i] ?? 0
    out[i] = (byte + 1) & 0xff
    if (byte !== 0xff) return out
  }
  return Uint8Array.of(0xff)
}

const makeTable = <K, A>(options: {
  readonly name: string
  readonly table: number
  readonly codec: Codec.Codec<A>
  readonly encodeKey: (key: K) => Uint8Array
  readonly decodeKey: (bytes: Uint8Array) => K
}): Table<K, A> => {
  const { codec, name } = options
  const prefix = Uint8Array.of(options.table)
  const keyOf = (key: K) => Bytes.concat(prefix, options.encodeKey(key))
  const decode = (bytes: Uint8Array): Effect.Effect<A, StoreFailed> => {
    const decoded = codec.decode(bytes)
    return Result.isSuccess(decoded)
      ? Effect.succeed(decoded.success)
      : Effect.fail(corrupt(name, `${decoded.failure.reason} at ${decoded.failure.offset}`))
  }
  const decodePairs = (pairs: ReadonlyArray<Pair>) => {
    const rows: Array<{ readonly key: K; readonly row: A }> = []
    for (const { key, value } of pairs) {
      const decoded = codec.decode(value)
      if (Result.isFailure(decoded)) return Effect.fail(corrupt(name, decoded.failure.reason))
      rows.push({ key: options.decodeKey(key.slice(1)), row: decoded.success })
    }
    return Effect.succeed(rows)
  }
  const decodePair = ({ key, value }: Pair): Found<K, A> => {
    const decoded = codec.decode(value)
    const field = Result.try(() => options.decodeKey(key.slice(1)))
    if (Result.isFailure(decoded)) return { at: key, found: Result.fail(corrupt(name, decoded.failure.reason)) }
    if (Result.isFailure(field)) return { at: key, found: Result.fail(corrupt(name, "its key")) }
    return { at: key, found: Result.succeed({ key: field.success, row: decoded.success }) }
  }
  return {
    name,
    put: (key, row) => ({ key: keyOf(key), value: codec.encode(row) }),
    remove: (key) => ({ key: keyOf(key) }),
    get: (store, key) =>
      Effect.flatMap(store.get(keyOf(key)), (bytes) => bytes === undefined ? Effect.undefined : decode(bytes)),
    scan: (store, { after, before, limit, reverse, within }) => {
      const inside = within === undefined ? prefix : Bytes.concat(prefix, within)
      const range: Range = {
        from: after === undefined ? inside : Bytes.concat(keyOf(after), Uint8Array.of(0)),
        to: before === undefined ? afterPrefix(inside) : keyOf(before),
        limit,
        ...(reverse === undefined ? {} : { reverse })
      }
      return Effect.flatMap(store.scan(range), decodePairs)
    },
    look: (store, { after, limit, reverse = false }) => {
      const from = after === undefined ? prefix : Bytes.concat(after, Uint8Array.of(0))
      const range = { from, to: afterPrefix(prefix), limit, reverse }
      return Effect.map(store.scan(range), (pairs) => pairs.map(decodePair))
    }
  }
}

const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff)

const uintAt = (bytes: Uint8Array, at: number, length: number): number => {
  let value = 0
  for (let i = at; i < at + length; i++) value = value * 256 + (bytes[i] ?? 0)
  return value
}

const single = { encodeKey: (_: "") => Bytes.EMPTY, decodeKey: (): "" => "" }
const byNumber = { encodeKey: u16, decodeKey: (bytes: Uint8Array) => RelayNumber.make(uintAt(bytes, 0, 2)) }
const byOrdinal = { encodeKey: Bytes.u64, decodeKey: (bytes: Uint8Array) => Ordinal.make(uintAt(bytes, 0, 8)) }
const byId = { encodeKey: (id: EnvelopeId): Uint8Array => id, decodeKey: (bytes: Uint8Array) => EnvelopeId.make(bytes) }

/** Whose chain: a device in a lane. */
export interface ChainKey {
  readonly device: DeviceId
  readonly lane: Lane
}

const decodeChainKey = (bytes: Uint8Array): ChainKey => ({
  device: DeviceId.make(bytes.slice(0, 32)),
  lane: Lane.make(bytes.slice(32, 40))
})

/** The keys of a relay's rows begin with this: for `within`. */
export const withinRelay = (relay: RelayNumber): Uint8Array => u16(relay)
/** Bytes that another module gives a meaning to: sealed secrets, chain states. */
const blobCodec: Codec.Codec<Uint8Array> = Codec.make(boundedBytes(64 * 1024 * 1024), "blob")

/** Sealed by the keystore: the device's identity, and what it knows of the space. */
export const device = makeTable({ name: "device", table: TABLE.device, codec: blobCodec, ...single })
export const space = makeTable({ name: "space", table: TABLE.space, codec: blobCodec, ...single })
export const meta = makeTable({ name: "meta", table: TABLE.meta, codec: Codec.make(MetaRow, "MetaRow"), ...single })
export const relay = makeTable({
  name: "relay",
  table: TABLE.relay,
  codec: Codec.make(RelayRow, "RelayRow"),
  ...byNumber
})
export const mark = makeTable({ name: "mark", table: TABLE.mark, codec: Codec.make(MarkRow, "MarkRow"), ...byNumber })
export const entry = makeTable({
  name: "entry",
  table: TABLE.entry,
  codec: Codec.make(EntryRow, "EntryRow"),
  ...byOrdinal
})
export const place = makeTable({
  name: "place",
  table: TABLE.place,
  codec: Codec.make(PlaceRow, "PlaceRow"),
  ...byOrdinal
})
const knownCodec = Codec.make(KnownRow, "KnownRow")
export const known = makeTable({ name: "known", table: TABLE.known, codec: knownCodec, ...byId })
/** What a write says of an envelope in `known` (null: its row is removed); undefined for a row of another table. */
export const knownIn = (write: Write): { readonly id: EnvelopeId; readonly row: KnownRow | null } | undefined => {
  if (write.key[0] !== TABLE.known) return undefined
  const row = write.value === undefined ? undefined : knownCodec.decode(write.value)
  return {
    id: EnvelopeId.make(write.key.slice(1)),
    row: row === undefined || Result.isFailure(row) ? null : row.success
  }
}
export const placed = makeTable({
  name: "placed",
  table: TABLE.placed,
  codec: Codec.make(PlacedRow, "PlacedRow"),
  encodeKey: ({ position, relay }: Place) => Bytes.concat(u16(relay), Bytes.u64(position)),
  decodeKey: (bytes) => ({
    relay: RelayNumber.make(uintAt(bytes, 0, 2)),
    position: Position.make(uintAt(bytes, 2, 8))
  })
})
/** An accepted entry that a relay has not acknowledged. */
export const outbox = makeTable({
  name: "outbox",
  table: TABLE.outbox,
  codec: Codec.make(EnvelopeId, "EnvelopeId"),
  encodeKey: ({ ordinal, relay }: { readonly relay: RelayNumber; readonly ordinal: Ordinal }) =>
    Bytes.concat(u16(relay), Bytes.u64(ordinal)),
  decodeKey: (bytes) => ({ relay: RelayNumber.make(uintAt(bytes, 0, 2)), ordinal: Ordinal.make(uintAt(bytes, 2, 8)) })
})
export const chain = makeTable({
  name: "chain",
  table: TABLE.chain,
  codec: blobCodec,
  encodeKey: ({ device, lane }: ChainKey) => Bytes.concat(device, lane),
  decodeKey: decodeChainKey
})
/** Envelopes that may still be accepted. */
export const waiting = makeTable({
  name: "waiting",
  table: TABLE.waiting,
  codec: Codec.make(AsideRow, "AsideRow"),
  ...byId
})
/** Envelopes that were refused for good. */
export const refused = makeTable({
  name: "refused",
  table: TABLE.refused,
  codec: Codec.make(AsideRow, "AsideRow"),
  ...byId
})
/** Membership operations of accepted entries that name others which have not come yet, by their hash. */
export const deferred = makeTable({
  name: "deferred",
  table: TABLE.deferred,
  codec: memberOpCodec,
  encodeKey: (hash: EntryHash): Uint8Array => hash,
  decodeKey: (bytes) => EntryHash.make(bytes)
})
/** Exported evidence against a relay, by its number. */
export const evidence = makeTable({
  name: "evidence",
  table: TABLE.evidence,
  codec: blobCodec,
  encodeKey: Bytes.u32,
  decodeKey: (bytes) => uintAt(bytes, 0, 4)
})
/** Of one relay. */
export const WITNESSES_MAX = 8
/** Heads of a relay that this device has not reached, by their positions: of other members, and some of its own. */
export const witness = makeTable({
  name: "witness",
  table: TABLE.witness,
  codec: Codec.make(boundedArray(Head, WITNESSES_MAX), "Heads"),
  ...byNumber
})
/** Entries that left the log, by the ordinal that they had, until whoever keeps what came of them took note. */
export const withdrawn = makeTable({
  name: "withdrawn",
  table: TABLE.withdrawn,
  codec: Codec.make(EntryRow, "EntryRow"),
  ...byOrdinal
})
/** Whether a write concerns an entry that left the log. */
export const isWithdrawn = ({ key }: Write): boolean => key[0] === TABLE.withdrawn

// -- the sets of ids, saved (`IdSnapshot`) -----------------------------------------------------------------------------

/** A part of a snapshot: a page of ids, or a piece of the state. */
export interface IdPartKey {
  readonly generation: number
  readonly set: IdSetName
  readonly part: "page" | "state"
  readonly number: number
}

export const idState = makeTable({
  name: "idState",
  table: TABLE.idState,
  codec: Codec.make(IdStateRow, "IdStateRow"),
  ...single
})
export const idPart = makeTable({
  name: "idPart",
  table: TABLE.idPart,
  codec: blobCodec,
  encodeKey: ({ generation, number, part, set }: IdPartKey) =>
    Bytes.concat(
      Bytes.u32(generation),
      Uint8Array.of(set === "kept" ? 0 : 1, part === "page" ? 0 : 1),
      Bytes.u32(number)
    ),
  decodeKey: (bytes): IdPartKey => ({
    generation: uintAt(bytes, 0, 4),
    set: bytes[4] === 0 ? "kept" : "refused",
    part: bytes[5] === 0 ? "page" : "state",
    number: uintAt(bytes, 6, 4)
  })
})
/** The generation in the key of a part. */
export const generationAt = (at: Uint8Array): number => uintAt(at, 1, 4)
/** What a commit changed in the sets after the snapshot, by a number that grows. */
export const idChange = makeTable({
  name: "idChange",
  table: TABLE.idChange,
  codec: blobCodec,
  encodeKey: Bytes.u64,
  decodeKey: (bytes) => uintAt(bytes, 0, 8)
})
/** The number in the key of a change. */
export const changeAt = (at: Uint8Array): number => uintAt(at, 1, 8)
