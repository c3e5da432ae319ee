/** What the parts of the conformance suite share: values, and the store's operations with what does not matter filled in. */
import { sha256 } from "@noble/hashes/sha2.js"
import { type Appended, type Incoming, RelayStore } from "@sotto/core/relay/RelayStore"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import type { CapabilityKeys, Retention } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"

/** Declares a test over a fresh store. */
export type Test = (title: string, body: Effect.Effect<void, unknown, RelayStore>) => void

export const DAY = 86_400_000
export const NOW = 1_800_000_000_000

/** `length` bytes that depend on `seed` only. */
export const filled = (length: number, ...seed: ReadonlyArray<number | string>): Uint8Array => {
  const start = sha256(Uint8Array.from(seed.join("/"), (character) => character.charCodeAt(0)))
  return Uint8Array.from({ length }, (_, i) => (start[i % 32] ?? 0) ^ (i >>> 5))
}

export const routeOf = (n: number) => RouteId.make(filled(32, "route", n))
export const laneOf = (n: number) => Lane.make(filled(8, "lane", n))
const tagOf = (n: number) => AckTag.make(filled(16, "tag", n))
export const hashOf = (n: number) => filled(32, "hash", n)
export const position = (n: number) => Position.make(n)
export const epoch = (n: number) => Epoch.make(n)

export const keysOf = (n: number): CapabilityKeys => ({
  write: SigningKey.make(filled(32, "write", n)),
  read: SigningKey.make(filled(32, "read", n)),
  admin: SigningKey.make(filled(32, "admin", n)),
  recovery: SigningKey.make(filled(32, "recovery", n))
})

export const incoming = (n: number, options?: { readonly bytes?: number; readonly lane?: number }): Incoming => ({
  id: EnvelopeId.make(filled(32, "id", n)),
  lane: laneOf(options?.lane ?? 0),
  bytes: filled(options?.bytes ?? 100, "bytes", n)
})

export const incomings = (from: number, to: number): ReadonlyArray<Incoming> =>
  Array.from({ length: to - from + 1 }, (_, i) => incoming(from + i))

export const TRANSIT: Retention = { _tag: "Transit", ttl: { _tag: "Default" } }

export const open = (n = 1, options?: { readonly retention?: Retention; readonly quotaBytes?: number }) =>
  RelayStore.use((store) =>
    store.open({
      route: routeOf(n),
      epoch: epoch(1),
      keys: keysOf(1),
      retention: options?.retention ?? TRANSIT,
      quotaBytes: options?.quotaBytes ?? Limit.routeBytesMax
    })
  )

export const append = (
  envelopes: ReadonlyArray<Incoming>,
  options?: { readonly route?: number; readonly at?: number; readonly expires?: number }
) =>
  RelayStore.use((store) =>
    store.append({
      route: routeOf(options?.route ?? 1),
      envelopes,
      nowMillis: options?.at ?? NOW,
      expiresMillis: options?.expires
    })
  )

export const read = (
  after = 0,
  options?: { route?: number; lanes?: ReadonlyArray<Lane>; limit?: number; bytesMax?: number }
) =>
  RelayStore.use((store) =>
    store.read({
      route: routeOf(options?.route ?? 1),
      after: position(after),
      lanes: options?.lanes ?? [],
      limit: options?.limit ?? 10_000,
      bytesMax: options?.bytesMax ?? 1e9
    })
  )

export const ids = (after = 0, options?: { route?: number; lanes?: ReadonlyArray<Lane>; limit?: number }) =>
  RelayStore.use((store) =>
    store.ids({
      route: routeOf(options?.route ?? 1),
      after: position(after),
      lanes: options?.lanes ?? [],
      limit: options?.limit ?? 10_000
    })
  )

/** Ranges as from, to and how many rows there were. */
export const places = (
  ranges: ReadonlyArray<readonly [number, number, number]>,
  lanes: ReadonlyArray<Lane> = []
) =>
  RelayStore.use((store) =>
    Effect.map(
      store.places({
        route: routeOf(1),
        lanes,
        ranges: ranges.map(([from, to, count]) => ({ from: position(from), to: position(to), count }))
      }),
      ({ places, removed }) => ({ places: places.map((found) => found?.map(Number)), removed })
    )
  )

export const readAt = (positions: ReadonlyArray<number>, options?: { route?: number; bytesMax?: number }) =>
  RelayStore.use((store) =>
    store.readAt({
      route: routeOf(options?.route ?? 1),
      positions: positions.map(position),
      bytesMax: options?.bytesMax ?? 1e9
    })
  )

export const state = (n = 1) => RelayStore.use((store) => store.route(routeOf(n)))

export const ack = (tag: number, at: number, seen = NOW) =>
  RelayStore.use((store) => store.ack({ route: routeOf(1), tag: tagOf(tag), position: position(at), nowMillis: seen }))

export const sweep = (options?: { at?: number; activeSince?: number; knownSince?: number; limit?: number }) =>
  RelayStore.use((store) =>
    store.sweep({
      nowMillis: options?.at ?? NOW,
      activeSinceMillis: options?.activeSince ?? NOW - 7 * DAY,
      knownSinceMillis: options?.knownSince ?? NOW - 30 * DAY,
      limit: options?.limit ?? 1000
    })
  )

export const prune = (
  envelopes: ReadonlyArray<Incoming>,
  options?: { readonly expires?: number; readonly at?: number; readonly route?: number }
) =>
  RelayStore.use((store) =>
    store.prune({
      route: routeOf(options?.route ?? 1),
      ids: envelopes.map(({ id }) => id),
      nowMillis: options?.at ?? NOW,
      expiresMillis: options?.expires ?? 0
    })
  )

export const setEpoch = (
  change: { before: number; epoch: number; previous?: Uint8Array; op: number; force?: boolean; at?: number }
) =>
  RelayStore.use((store) =>
    store.setEpoch({
      route: routeOf(1),
      before: epoch(change.before),
      epoch: epoch(change.epoch),
      keys: keysOf(change.epoch),
      previousOpHash: change.previous ?? new Uint8Array(32),
      opHash: hashOf(change.op),
      force: change.force ?? false,
      nowMillis: change.at ?? NOW
    })
  )

/** The running chain over these, in this order. */
export const chainOf = (envelopes: ReadonlyArray<Incoming>): Uint8Array =>
  envelopes.reduce((chain, { id }) => sha256(Proof.chainLink(chain, id)), new Uint8Array(32))

export const positionsOf = (page: { readonly envelopes: ReadonlyArray<{ readonly position: number }> }) =>
  page.envelopes.map((envelope) => envelope.position)
export const storedOf = (appended: Appended) => appended.stored.map((stored) => Number(stored.position))
export const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

export const NONE = { acknowledged: 0, expired: 0, forgotten: 0 }
