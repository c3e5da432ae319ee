/**
 * A relay's storage in memory: for the simulator, for tests, and for a relay that is meant to forget (`RelayStore` says
 * what it keeps to). Its `Disk` outlives the store, as a disk outlives a process: two stores over one disk, one after
 * the other, are a restart.
 *
 * Every operation is one synchronous step, so each is a transaction of its own.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, type Lane, Position, type RouteId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import { QuotaExceeded, UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Crypto } from "../Crypto.ts"
import { fromHex } from "../internal/hex.ts"
import * as MemoryRelayCopy from "./MemoryRelayCopy.ts"
import type { RelayCopy } from "./RelayCopy.ts"
import {
  type Appended,
  type CountedRange,
  type IdPage,
  type Incoming,
  type Page,
  type PastEpoch,
  type Places,
  RelayStore,
  type RouteState,
  type Stored,
  type StoredEnvelope,
  type StoredId
} from "./RelayStore.ts"

interface Row {
  readonly position: Position
  readonly idHex: string
  readonly laneHex: string
  readonly bytes: Uint8Array
  expiresMillis: number
}

interface Tag {
  mark: Position
  seenMillis: number
}

/** A route as it lies on a disk. */
export interface Route {
  state: RouteState
  readonly rowByPosition: Map<number, Row>
  /** Every id that is known, in the order of arrival, with the row or without it. */
  readonly knownByIdHex: Map<string, { readonly position: Position; readonly appendedMillis: number }>
  readonly tagByHex: Map<string, Tag>
  readonly asideByHex: Map<string, Uint8Array>
  /** No row expires before this. */
  nextExpiryMillis: number
}

/** What is kept while no store is open over it. */
export interface Disk {
  readonly routeByHex: Map<string, Route>
  readonly secretByName: Map<string, Uint8Array>
}

/** An empty disk. */
export const makeDisk = (): Disk => ({ routeByHex: new Map(), secretByName: new Map() })

const NEVER = Number.POSITIVE_INFINITY

const copyState = (state: RouteState): RouteState => ({
  ...state,
  chain: state.chain.slice(),
  opHash: state.opHash.slice(),
  past: state.past.slice()
})

const deleteRow = (route: Route, row: Row): void => {
  route.rowByPosition.delete(row.position)
  route.state = { ...route.state, usedBytes: route.state.usedBytes - row.bytes.length }
}

/** Moves `lowest` past what is gone. */
const raiseLowest = (route: Route): void => {
  let lowest: number = route.state.lowest
  while (lowest <= route.state.position && !route.rowByPosition.has(lowest)) lowest++
  if (lowest !== route.state.lowest) route.state = { ...route.state, lowest: Position.make(lowest) }
}

const append = (
  crypto: Pick<Crypto["Service"], "sha256">,
  route: Route,
  envelopes: ReadonlyArray<Incoming>,
  nowMillis: number,
  expiresMillis: number | undefined
): Appended | QuotaExceeded => {
  const fresh = new Map<string, Incoming>()
  let freshBytes = 0
  const hexes = envelopes.map((envelope) => Bytes.toHex(envelope.id))
  envelopes.forEach((envelope, i) => {
    const idHex = hexes[i] ?? ""
    if (route.knownByIdHex.has(idHex) || fresh.has(idHex)) return
    fresh.set(idHex, envelope)
    freshBytes += envelope.bytes.length
  })
  const { quotaBytes, usedBytes } = route.state
  if (freshBytes > 0 && usedBytes + freshBytes > quotaBytes) return new QuotaExceeded({ usedBytes, quotaBytes })
  let { chain, position } = route.state
  for (const [idHex, { bytes, id, lane }] of fresh) {
    position = Position.make(position + 1)
    chain = crypto.sha256(Proof.chainLink(chain, id))
    const expires = expiresMillis ?? NEVER
    const row = { position, idHex, laneHex: Bytes.toHex(lane), bytes: bytes.slice(), expiresMillis: expires }
    route.rowByPosition.set(position, row)
    route.knownByIdHex.set(idHex, { position, appendedMillis: nowMillis })
    route.nextExpiryMillis = Math.min(route.nextExpiryMillis, expires)
  }
  route.state = { ...route.state, position, chain, usedBytes: usedBytes + freshBytes }
  const stored = hexes.map((idHex): Stored => {
    const known = route.knownByIdHex.get(idHex)
    if (known === undefined) throw new Error("an envelope is neither known nor fresh")
    return { position: known.position, duplicate: !fresh.delete(idHex) }
  })
  return { stored, position, chain: chain.slice(), lowest: route.state.lowest }
}

type Service = RelayStore["Service"]

/** The rows after a position that are in one of the lanes, in their order. No lanes = all. */
function* rowsAfter(route: Route, after: number, lanes: ReadonlyArray<Lane>): Generator<Row> {
  const hexes = lanes.length === 0 ? undefined : new Set(lanes.map(Bytes.toHex))
  for (let at = Math.max(after + 1, route.state.lowest); at <= route.state.position; at++) {
    const row = route.rowByPosition.get(at)
    if (row !== undefined && hexes?.has(row.laneHex) !== false) yield row
  }
}

/** The rows at these positions that are there. */
function* rowsAt(route: Route, positions: ReadonlyArray<Position>): Generator<Row> {
  for (const at of positions) {
    const row = route.rowByPosition.get(at)
    if (row !== undefined) yield row
  }
}

const pageOf = ({ state }: Route, rows: Iterable<Row>, limit: number, bytesMax: number): Page => {
  const envelopes: Array<StoredEnvelope> = []
  let bytes = 0
  let more = false
  for (const row of rows) {
    bytes += row.bytes.length
    if (envelopes.length >= limit || (envelopes.length > 0 && bytes > bytesMax)) {
      more = true
      break
    }
    envelopes.push({ position: row.position, bytes: row.bytes.slice() })
  }
  const { chain, lowest, position } = state
  return { envelopes, more, position, chain: chain.slice(), lowest }
}

const idsOf = (route: Route, { after, lanes, limit }: Parameters<Service["ids"]>[0]): IdPage => {
  const ids: Array<StoredId> = []
  let more = false
  for (const { idHex, position } of rowsAfter(route, after, lanes)) {
    if (ids.length >= limit) {
      more = true
      break
    }
    ids.push({ position, id: EnvelopeId.make(fromHex(idHex)) })
  }
  const { chain, lowest, position } = route.state
  return { ids, more, position, chain: chain.slice(), lowest, removed: removedOf(route) }
}

const removedOf = ({ rowByPosition, state: { position } }: Route): number => position - rowByPosition.size

const placesOf = (route: Route, { lanes, ranges }: Parameters<Service["places"]>[0]): Places => {
  const within = ({ from, to }: CountedRange): ReadonlyArray<Position> => {
    const found: Array<Position> = []
    for (const { position } of rowsAfter(route, from - 1, lanes)) {
      if (position > to) break
      found.push(position)
    }
    return found
  }
  const places = ranges.map((range) => {
    const found = within(range)
    return found.length === range.count ? undefined : found
  })
  return { places, removed: removedOf(route) }
}

type WithRoute = <A>(id: RouteId, use: (route: Route) => Effect.Effect<A>) => Effect.Effect<A, UnknownRoute>

/** What sets of ids are read from, and saved in. */
const forSets = (withRoute: WithRoute): Pick<Service, "ids" | "places" | "aside"> => ({
  ids: (page) => withRoute(page.route, (route) => Effect.succeed(idsOf(route, page))),
  places: (asked) => withRoute(asked.route, (route) => Effect.succeed(placesOf(route, asked))),
  aside: asideOf(withRoute)
})

const asideOf = (withRoute: WithRoute): Service["aside"] => ({
  get: ({ key, route }) =>
    withRoute(route, ({ asideByHex }) => Effect.succeed(asideByHex.get(Bytes.toHex(key))?.slice())),
  keys: ({ after, limit, route }) =>
    withRoute(route, ({ asideByHex }) => {
      const from = after === undefined ? "" : Bytes.toHex(after)
      const hexes = Array.from(asideByHex.keys()).filter((hex) => after === undefined || hex > from).sort()
      return Effect.succeed(hexes.slice(0, limit).map(fromHex))
    }),
  write: ({ route, writes }) =>
    withRoute(route, ({ asideByHex }) =>
      Effect.sync(() => {
        for (const { key, value } of writes) {
          if (value === undefined) asideByHex.delete(Bytes.toHex(key))
          else asideByHex.set(Bytes.toHex(key), value.slice())
        }
      }))
})

const acknowledge = (route: Route, tagHex: string, position: Position, nowMillis: number): Position => {
  const { tagByHex } = route
  const before = tagByHex.get(tagHex)
  const mark = Position.make(Math.min(route.state.position, Math.max(before?.mark ?? 0, position)))
  if (before === undefined && tagByHex.size >= Limit.ackTagsMax) {
    let oldest: readonly [string, Tag] | undefined
    for (const entry of tagByHex) if (oldest === undefined || entry[1].seenMillis < oldest[1].seenMillis) oldest = entry
    if (oldest !== undefined) tagByHex.delete(oldest[0])
  }
  tagByHex.set(tagHex, { mark, seenMillis: Math.max(before?.seenMillis ?? nowMillis, nowMillis) })
  return mark
}

/** Up to where all active tags have acknowledged; 0 when nothing may go for that reason. */
const acknowledgedThrough = (route: Route, activeSinceMillis: number): number => {
  if (route.state.retention._tag !== "Transit") return 0
  let through = NEVER
  for (const tag of route.tagByHex.values()) {
    if (tag.seenMillis >= activeSinceMillis) through = Math.min(through, tag.mark)
  }
  return through === NEVER ? 0 : through
}

interface Left {
  acknowledged: number
  expired: number
  forgotten: number
}

/** Deletes what expired, but for what waits to go as acknowledged. */
const expire = (route: Route, nowMillis: number, through: number, left: Left): void => {
  if (route.nextExpiryMillis > nowMillis) return
  let next = NEVER
  for (const row of route.rowByPosition.values()) {
    if (row.expiresMillis <= nowMillis && row.position > through && left.expired > 0) {
      deleteRow(route, row)
      left.expired--
    } else next = Math.min(next, row.expiresMillis)
  }
  route.nextExpiryMillis = next
}

const forget = (route: Route, knownSinceMillis: number, left: Left): void => {
  for (const [idHex, known] of route.knownByIdHex) {
    if (left.forgotten === 0 || known.appendedMillis >= knownSinceMillis) break
    if (route.rowByPosition.has(known.position)) continue
    route.knownByIdHex.delete(idHex)
    left.forgotten--
  }
}

const sweepRoute = (
  route: Route,
  when: { readonly nowMillis: number; readonly activeSinceMillis: number; readonly knownSinceMillis: number },
  left: Left
): void => {
  const through = acknowledgedThrough(route, when.activeSinceMillis)
  for (let at: number = route.state.lowest; at <= through && left.acknowledged > 0; at++) {
    const row = route.rowByPosition.get(at)
    if (row === undefined) continue
    deleteRow(route, row)
    left.acknowledged--
  }
  expire(route, when.nowMillis, through, left)
  raiseLowest(route)
  forget(route, when.knownSinceMillis, left)
}

const prune = (
  route: Route,
  idHexes: ReadonlyArray<string>,
  nowMillis: number,
  expiresMillis: number
): number => {
  let found = 0
  for (const idHex of new Set(idHexes)) {
    const known = route.knownByIdHex.get(idHex)
    const row = known === undefined ? undefined : route.rowByPosition.get(known.position)
    if (row === undefined) continue
    found++
    if (expiresMillis <= nowMillis) deleteRow(route, row)
    else {
      row.expiresMillis = Math.min(row.expiresMillis, expiresMillis)
      route.nextExpiryMillis = Math.min(route.nextExpiryMillis, row.expiresMillis)
    }
  }
  raiseLowest(route)
  return found
}

const changeEpoch = (route: Route, change: Parameters<Service["setEpoch"]>[0]): boolean => {
  const { state } = route
  const expected = state.epoch === change.before && Bytes.equals(state.opHash, change.previousOpHash)
  if (!expected && !change.force) return false
  const ended: PastEpoch = {
    epoch: state.epoch,
    read: state.keys.read,
    position: state.position,
    chain: state.chain,
    millis: change.nowMillis
  }
  const past = [...state.past, ended].filter(({ epoch }) => epoch < change.epoch).slice(-Limit.pastEpochsMax)
  route.state = { ...state, epoch: change.epoch, keys: change.keys, opHash: change.opHash.slice(), past }
  return true
}

type Opening = Parameters<Service["open"]>[0]

const open = ({ routeByHex }: Disk, { epoch, keys, quotaBytes, retention, route }: Opening): Route => {
  const state: RouteState = {
    route,
    epoch,
    keys,
    retention,
    quotaBytes,
    position: Position.make(0),
    chain: new Uint8Array(32),
    lowest: Position.make(1),
    usedBytes: 0,
    opHash: new Uint8Array(32),
    past: []
  }
  const opened: Route = {
    state,
    nextExpiryMillis: NEVER,
    rowByPosition: new Map(),
    knownByIdHex: new Map(),
    tagByHex: new Map(),
    asideByHex: new Map()
  }
  routeByHex.set(Bytes.toHex(route), opened)
  return opened
}

const totalsOf = ({ routeByHex }: Disk) => {
  let envelopes = 0, bytes = 0
  for (const route of routeByHex.values()) {
    envelopes += route.rowByPosition.size
    bytes += route.state.usedBytes
  }
  return { routes: routeByHex.size, envelopes, bytes }
}

/** A store over `disk`; an empty one when there is none. */
export const make = (
  crypto: Pick<Crypto["Service"], "sha256">,
  disk: Disk = makeDisk()
): Service => {
  const { routeByHex, secretByName } = disk
  const withRoute = <A, E = never>(id: RouteId, use: (route: Route) => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | UnknownRoute> => {
      const route = routeByHex.get(Bytes.toHex(id))
      return route === undefined ? Effect.fail(new UnknownRoute()) : use(route)
    })
  const watchers = new Set<Parameters<RelayCopy["watch"]>[0]>()
  const tell = (route: Route, rows: boolean) => {
    for (const told of watchers) told({ route: route.state.route, position: route.state.position, rows })
  }
  const changed = <A>(route: Route, answer: A, rows = false): Effect.Effect<A> =>
    Effect.sync(() => {
      tell(route, rows)
      return answer
    })
  return RelayStore.of({
    copy: MemoryRelayCopy.make(crypto, disk, watchers, (route, page) => open(disk, { ...page, route })),
    open: (opened) =>
      Effect.suspend(() => {
        const before = routeByHex.get(Bytes.toHex(opened.route))
        if (before !== undefined) return Effect.succeed(copyState(before.state))
        const route = open(disk, opened)
        return changed(route, copyState(route.state))
      }),
    route: (id) => withRoute(id, (route) => Effect.succeed(copyState(route.state))),
    append: ({ envelopes, expiresMillis, nowMillis, route: id }) =>
      withRoute(id, (route): Effect.Effect<Appended, QuotaExceeded> => {
        const appended = append(crypto, route, envelopes, nowMillis, expiresMillis)
        return appended instanceof QuotaExceeded ? Effect.fail(appended) : changed(route, appended)
      }),
    read: ({ after, bytesMax, lanes, limit, route: id }) =>
      withRoute(id, (route) => Effect.succeed(pageOf(route, rowsAfter(route, after, lanes), limit, bytesMax))),
    readAt: ({ bytesMax, positions, route: id }) =>
      withRoute(id, (route) => Effect.succeed(pageOf(route, rowsAt(route, positions), positions.length, bytesMax))),
    ...forSets(withRoute),
    setEpoch: (change) => withRoute(change.route, (route) => changed(route, changeEpoch(route, change))),
    ack: ({ nowMillis, position, route: id, tag }) =>
      withRoute(id, (route) => changed(route, acknowledge(route, Bytes.toHex(tag), position, nowMillis))),
    prune: ({ expiresMillis, ids, nowMillis, route: id }) =>
      withRoute(id, (route) => changed(route, prune(route, ids.map(Bytes.toHex), nowMillis, expiresMillis), true)),
    sweep: ({ limit, ...when }) =>
      Effect.sync(() => {
        const left = { acknowledged: limit, expired: limit, forgotten: limit }
        for (const route of routeByHex.values()) {
          const before = left.acknowledged + left.expired + left.forgotten
          sweepRoute(route, when, left)
          if (left.acknowledged + left.expired + left.forgotten < before) tell(route, true)
        }
        return {
          acknowledged: limit - left.acknowledged,
          expired: limit - left.expired,
          forgotten: limit - left.forgotten
        }
      }),
    totals: Effect.sync(() => totalsOf(disk)),
    secret: {
      get: (name) => Effect.sync(() => secretByName.get(name)?.slice()),
      set: (name, value) =>
        Effect.sync(() => {
          const kept = secretByName.get(name) ?? value.slice()
          secretByName.set(name, kept)
          return kept.slice()
        })
    }
  })
}

/** A store over `disk`, or over an empty one. */
export const layer = (disk?: Disk): Layer.Layer<RelayStore, never, Crypto> =>
  Layer.effect(RelayStore, Effect.map(Crypto, (crypto) => make(crypto, disk)))
