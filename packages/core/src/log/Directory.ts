/**
 * The secrets and the beginnings of a device's directory: its identity, what it knows of the space, and the first rows of
 * its books. What lies in the store of these is sealed by the keystore, under a name of its own.
 */
import { Position, type SigningKey } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Crypto } from "../Crypto.ts"
import { decode as decodeIdentity, type DeviceIdentity, encode as encodeIdentity } from "../Device.ts"
import type { Keystore } from "../Keystore.ts"
import * as SpaceState from "../space/SpaceState.ts"
import { type Store, StoreFailed, type Write } from "../Store.ts"
import { Ordinal } from "./Cursor.ts"
import * as Ledger from "./Ledger.ts"

/** What reading and writing a directory takes. */
export interface Parts {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly keystore: Keystore["Service"]
}

const DEVICE = "device"
const SPACE = "space"

/** Sealed bytes of secrets that are wiped once they are sealed. */
const seal = (keystore: Keystore["Service"], name: string, plaintext: Uint8Array) =>
  Effect.ensuring(keystore.seal(name, plaintext), Effect.sync(() => plaintext.fill(0)))

/** The device's identity, if the directory has one. */
export const readIdentity = Effect.fnUntraced(function*({ crypto, keystore, store }: Parts) {
  const sealed = yield* Ledger.device.get(store, "")
  if (sealed === undefined) return undefined
  return yield* Effect.fromResult(decodeIdentity(crypto, yield* keystore.open(DEVICE, sealed)))
})

/** The row that keeps an identity. */
export const identityWrite = ({ keystore }: Pick<Parts, "keystore">, identity: DeviceIdentity) =>
  Effect.map(seal(keystore, DEVICE, encodeIdentity(identity)), (sealed): Write => Ledger.device.put("", sealed))

/** Whether the device is in a space. `readState` verifies all of its membership, which nobody needs to do twice. */
export const hasSpace = ({ store }: Pick<Parts, "store">) =>
  Effect.map(Ledger.space.get(store, ""), (sealed) => sealed !== undefined)

/** What the device knows of its space, if it is in one. */
export const readState = Effect.fnUntraced(function*({ crypto, keystore, store }: Parts) {
  const sealed = yield* Ledger.space.get(store, "")
  if (sealed === undefined) return undefined
  const plaintext = yield* keystore.open(SPACE, sealed)
  const state = Result.mapError(
    SpaceState.decode(crypto, plaintext),
    ({ reason }) => new StoreFailed({ reason: "corrupt", operation: "read the space", detail: reason })
  )
  return yield* Effect.fromResult(state)
})

/** The row that keeps what the device knows of its space. */
export const stateWrite = ({ keystore }: Pick<Parts, "keystore">, state: SpaceState.SpaceState) =>
  Effect.map(seal(keystore, SPACE, SpaceState.encode(state)), (sealed): Write => Ledger.space.put("", sealed))

/** What relays are asked to keep: a device that comes later finds what was written before it. */
export const RETENTION_DEFAULT: Retention = { _tag: "Durable" }

/** How a device may open the space's route at a relay that does not have it. */
export interface RouteOpening {
  readonly token: string | null
  readonly retention: Retention
  /** Public key that overrides the administrators there; null for one that only they can use. */
  readonly recovery: SigningKey | null
}

/** A relay with nothing of the space yet; all that is here up to `offerUntil` is to be sent to it. */
export const relayWrites = (number: Ledger.RelayNumber, row: Ledger.RelayRow, mark: Ledger.MarkRow) => [
  Ledger.relay.put(number, row),
  Ledger.mark.put(number, mark)
]

const NO_POSITION = Position.make(0)

/** A relay of which nothing is known. */
export const freshMark = (offerUntil: Ordinal): Ledger.MarkRow => ({
  cursor: NO_POSITION,
  chain: new Uint8Array(32),
  head: null,
  stored: NO_POSITION,
  gapped: false,
  offered: Ordinal.make(0),
  offerUntil
})

export const freshRelay = (address: RelayAddress, open: RouteOpening | null): Ledger.RelayRow => ({
  address,
  keys: null,
  open,
  granted: null,
  misbehaved: 0
})

/** The first rows of the books of a space. */
export const firstWrites = (relays: ReadonlyArray<Ledger.RelayRow>): ReadonlyArray<Write> => [
  Ledger.meta.put("", {
    version: Ledger.LAYOUT_VERSION,
    ordinal: Ordinal.make(0),
    hlc: { millis: 0, counter: 0 },
    relays: Ledger.RelayNumber.make(relays.length),
    evidence: 0
  }),
  ...relays.flatMap((row, at) => relayWrites(Ledger.RelayNumber.make(at + 1), row, freshMark(Ordinal.make(0))))
]
