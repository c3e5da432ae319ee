/**
 * Ways in which a relay deceives (simulation.md, B1), as data and as views of its storage. It holds its own keys, so it
 * signs whatever it says; what it can not do is open, forge or change what devices sealed and signed.
 */
import { type IdPage, type Page, RelayStore, type StoredEnvelope } from "@sotto/core/relay/RelayStore"
import { Position } from "@sotto/schema/Id"
import type { Json } from "@sotto/simulation/Scenario"
import * as Effect from "effect/Effect"
import * as Said from "../Said.ts"

/**
 * - `fork`: some devices are shown another history from now on, which begins as the true one.
 * - `forget`: the same, and of what they push there they hear the answers only: the relay never gets to show it to them.
 * - `rollback`: the last entries of the log were never there.
 * - `withhold`: some entries are left out for some devices.
 * - `reorder`: neighbours change places.
 * - `replay`: an entry comes again in place of the one after it.
 * - `substitute`: some bits are others.
 * - `shift`: positions are one higher than they are.
 * - `truncate`: a page ends early, and the relay says that nothing follows.
 * - `swap`: entries of another space stand in place of some.
 * - `hide`: whoever compares does not hear of some ids; the log has them, or, if `k` is odd, leaves them out as well.
 */
export const KINDS = [
  "fork",
  "forget",
  "rollback",
  "withhold",
  "reorder",
  "replay",
  "substitute",
  "shift",
  "truncate",
  "swap",
  "hide"
] as const

export type Kind = typeof KINDS[number]

export interface Lie {
  readonly kind: Kind
  /** Whom it is told to. A rollback is told to all. */
  readonly clients: ReadonlyArray<string>
  /** How many entries, or which. */
  readonly k: number
}

/** The name of the fault by which a relay begins to lie so. */
export const faultOf = (kind: Kind): string => `relay: ${kind}`

/** The fact under which a relay finds the lie that it is to tell; null: it is honest. */
export const factOf = (relay: string): string => `lie of ${relay}`

export const fromJson = (data: Json | undefined): Lie | undefined => {
  if (data === undefined) return undefined
  const kind = KINDS.find((one) => one === Said.text(data, "kind"))
  const clients = Said.field(data, "clients")
  if (kind === undefined) return undefined
  return {
    kind,
    clients: Array.isArray(clients) ? clients.filter((name: Json) => typeof name === "string") : [],
    k: Said.number(data, "k")
  }
}

type Change = (envelopes: ReadonlyArray<StoredEnvelope>, k: number) => ReadonlyArray<StoredEnvelope>

const swap: Change = (envelopes) =>
  envelopes.map((one, i) => {
    const other = envelopes[i % 2 === 0 ? i + 1 : i - 1]
    return other === undefined ? one : { position: one.position, bytes: other.bytes }
  })

const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const changed = bytes.slice()
  const index = at % changed.length
  changed[index] = (changed[index] ?? 0) ^ 0x10
  return changed
}

/** Whether an entry of this position is one of those that are left out. */
const isLeftOut = (position: number, k: number): boolean => position % (2 + k % 3) === 0

const changes: { readonly [kind in Kind]?: Change } = {
  withhold: (envelopes, k) => envelopes.filter(({ position }) => !isLeftOut(position, k)),
  hide: (envelopes, k) => k % 2 === 0 ? envelopes : envelopes.filter(({ position }) => !isLeftOut(position, k)),
  reorder: swap,
  replay: (envelopes) =>
    envelopes.map((one, i) => {
      const before = envelopes[i - 1]
      return i % 3 !== 2 || before === undefined ? one : { position: one.position, bytes: before.bytes }
    }),
  substitute: (envelopes, k) =>
    envelopes.map(({ bytes, position }) => ({
      position,
      bytes: position % 2 === 0 ? flip(bytes, 40 + 37 * k) : bytes
    })),
  shift: (envelopes) => envelopes.map(({ bytes, position }) => ({ position: Position.make(position + 1), bytes })),
  truncate: (envelopes) => envelopes.slice(0, Math.ceil(envelopes.length / 2))
}

const swapped = (strange: ReadonlyArray<Uint8Array>): Change => (envelopes, k) =>
  envelopes.map((one, i) => {
    const bytes = (i + k) % 2 === 0 ? strange[i % strange.length] : undefined
    return bytes === undefined ? one : { position: one.position, bytes }
  })

/** A storage that shows what stands up to some position at once, and what follows never. */
const slowAfter = (store: RelayStore["Service"], end: number): RelayStore["Service"] => {
  const upTo = (found: Page): Effect.Effect<Page> => {
    const envelopes = found.envelopes.filter(({ position }) => position <= end)
    if (envelopes.length === found.envelopes.length) return Effect.succeed(found)
    return envelopes.length === 0 ? Effect.never : Effect.succeed({ ...found, envelopes, more: true })
  }
  return RelayStore.of({
    ...store,
    // What was there before, a relay has no reason to hand out.
    append: (input) =>
      Effect.map(store.append(input), (appended) => ({
        ...appended,
        stored: appended.stored.map((one) => ({ ...one, duplicate: true }))
      })),
    ids: (page) =>
      Effect.flatMap(
        store.ids(page),
        (found) => found.ids.some(({ position }) => position > end) ? Effect.never : Effect.succeed(found)
      ),
    read: (page) => Effect.flatMap(store.read(page), upTo),
    readAt: (page) => Effect.flatMap(store.readAt(page), upTo)
  })
}

/** What lies are made of: envelopes of another space, and the position at which the log stood when the lie began. */
export interface Means {
  readonly strange: ReadonlyArray<Uint8Array>
  readonly end: number
}

/** The storage as a lie shows it. */
export const seenThrough = (
  { k, kind }: Lie,
  store: RelayStore["Service"],
  { end, strange }: Means
): RelayStore["Service"] => {
  if (kind === "forget") return slowAfter(store, end)
  const change = kind === "swap" ? swapped(strange) : changes[kind]
  if (change === undefined) return store
  const seen = (found: Page): Page => ({
    ...found,
    more: kind === "truncate" ? false : found.more,
    envelopes: change(found.envelopes, k)
  })
  const hidden = (found: IdPage): IdPage => ({
    ...found,
    ids: found.ids.filter(({ position }) => !isLeftOut(position, k))
  })
  return RelayStore.of({
    ...store,
    ids: (page) => kind === "hide" ? Effect.map(store.ids(page), hidden) : store.ids(page),
    read: (page) => Effect.map(store.read(page), seen),
    readAt: (page) => Effect.map(store.readAt(page), seen)
  })
}
