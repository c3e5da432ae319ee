/** `RelayCopy` over the routes of a memory store. Each operation is one synchronous step. */
import * as Bytes from "@sotto/schema/Bytes"
import { AckTag, EnvelopeId, Lane, Position, type RouteId } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import { UnknownRoute } from "@sotto/schema/RelayError"
import { type CopiedRow, type RouteRecord, type RowSum, SPAN } from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"
import type { Crypto } from "../Crypto.ts"
import { fromHex } from "../internal/hex.ts"
import type { Disk, Route } from "./MemoryRelayStore.ts"
import { CopyDiffers, type CopyPage, type RelayCopy } from "./RelayCopy.ts"

const NEVER = Number.POSITIVE_INFINITY
const LOW_BITS = 20

/** What a row costs beside its envelope. */
const ROW_BYTES = 96

interface Known {
  readonly idHex: string
  readonly position: Position
  readonly appendedMillis: number
}

/** Every id that is known from `from` to `to`, in the order of positions. */
const knownIn = (route: Route, from: number, to: number): ReadonlyArray<Known> =>
  Array.from(route.knownByIdHex, ([idHex, known]): Known => ({ idHex, ...known }))
    .filter(({ position }) => position >= from && position <= to)
    .toSorted((a, b) => a.position - b.position)

const sumOf = (route: Route, from: number, to: number): RowSum => {
  const sum = { kept: 0, expiring: 0, expiryHigh: 0, expiryLow: 0, gone: 0 }
  for (const { position } of knownIn(route, from, to)) {
    const row = route.rowByPosition.get(position)
    if (row === undefined) {
      sum.gone++
      continue
    }
    sum.kept++
    if (row.expiresMillis === NEVER) continue
    sum.expiring++
    sum.expiryHigh += Math.floor(row.expiresMillis / 2 ** LOW_BITS)
    sum.expiryLow += row.expiresMillis % 2 ** LOW_BITS
  }
  return sum
}

const recordOf = ({ state, tagByHex }: Route): RouteRecord => {
  const { chain, epoch, keys, lowest, opHash, past, position, quotaBytes, retention } = state
  const tags = Array.from(tagByHex, ([hex, { mark, seenMillis }]) => ({
    tag: AckTag.make(fromHex(hex)),
    mark,
    seenMillis
  })).toSorted((a, b) => Bytes.compare(a.tag, b.tag))
  return { epoch, keys, retention, quotaBytes, opHash, past, position, chain, lowest, tags }
}

const rowOf = (route: Route, known: Known, has: (position: number) => boolean): CopiedRow => {
  const { appendedMillis, position } = known
  const id = EnvelopeId.make(fromHex(known.idHex))
  const row = route.rowByPosition.get(position)
  if (row === undefined) return { _tag: "Gone", position, id, appendedMillis }
  const expiresMillis = row.expiresMillis === NEVER ? null : row.expiresMillis
  if (has(position)) return { _tag: "Known", position, id, expiresMillis }
  const lane = Lane.make(fromHex(row.laneHex))
  return { _tag: "Kept", position, id, lane, appendedMillis, expiresMillis, envelope: row.bytes.slice() }
}

const pageOf = (route: Route, { bytesMax, from, has, staged }: Parameters<RelayCopy["rows"]>[0]): CopyPage => {
  const { epoch, keys, position, quotaBytes, retention } = route.state
  const rows: Array<CopiedRow> = []
  let through = Math.min(from + SPAN - 1, staged ? NEVER : position)
  let bytes = 0
  for (const known of knownIn(route, from, through)) {
    const row = rowOf(route, known, has)
    bytes += ROW_BYTES + (row._tag === "Kept" ? row.envelope.length : 0)
    if (rows.length > 0 && bytes > bytesMax) {
      through = known.position - 1
      break
    }
    rows.push(row)
  }
  const whole = through >= position && bytes <= bytesMax
  return {
    epoch,
    keys,
    retention,
    quotaBytes,
    position,
    through: Position.make(Math.max(0, through)),
    rows,
    record: whole ? recordOf(route) : null
  }
}

/** Why a row cannot be what is here now, later. */
const rowDiffers = (route: Route, known: Known | undefined, row: CopiedRow): string | undefined => {
  if (known === undefined) {
    if (row.position <= route.state.position) return "an entry is there that is forgotten here"
    return row._tag === "Known" ? "an entry is named that is not here" : undefined
  }
  if (known.idHex !== Bytes.toHex(row.id)) return "another entry stands at a position"
  return row._tag !== "Gone" && !route.rowByPosition.has(row.position)
    ? "an entry is kept there that is deleted here"
    : undefined
}

/** Why this cannot be the end of the log that is here. */
const endDiffers = (
  crypto: Pick<Crypto["Service"], "sha256">,
  { chain, position }: Route["state"],
  record: RouteRecord,
  idByPosition: ReadonlyMap<number, Uint8Array>
): string | undefined => {
  if (record.position < position) return "the log there ends before the one here"
  let linked = chain
  for (let at = position + 1; at <= record.position; at++) {
    const id = idByPosition.get(at)
    // Forgotten over there: what came before cannot be told from the chain.
    if (id === undefined) return undefined
    linked = crypto.sha256(Proof.chainLink(linked, id))
  }
  return Bytes.equals(linked, record.chain) ? undefined : "the logs went different ways"
}

const dropRow = (route: Route, { idHex, position }: Known): void => {
  const row = route.rowByPosition.get(position)
  route.rowByPosition.delete(position)
  if (route.knownByIdHex.get(idHex)?.position === position) route.knownByIdHex.delete(idHex)
  if (row !== undefined) route.state = { ...route.state, usedBytes: route.state.usedBytes - row.bytes.length }
}

const applyRow = (route: Route, row: CopiedRow): void => {
  const { position } = row
  const idHex = Bytes.toHex(row.id)
  const before = route.rowByPosition.get(position)
  const known = route.knownByIdHex.get(idHex)
  // Forgotten over there, and then stored once more.
  if (known !== undefined && known.position !== position) dropRow(route, { idHex, ...known })
  if (row._tag !== "Known" && known?.position !== position) {
    route.knownByIdHex.set(idHex, { position, appendedMillis: row.appendedMillis })
  }
  if (row._tag === "Gone") {
    if (before === undefined) return
    route.rowByPosition.delete(position)
    route.state = { ...route.state, usedBytes: route.state.usedBytes - before.bytes.length }
    return
  }
  const expiresMillis = row.expiresMillis ?? NEVER
  route.nextExpiryMillis = Math.min(route.nextExpiryMillis, expiresMillis)
  if (before !== undefined) {
    before.expiresMillis = expiresMillis
    return
  }
  if (row._tag !== "Kept") return
  const bytes = row.envelope.slice()
  route.rowByPosition.set(position, { position, idHex, laneHex: Bytes.toHex(row.lane), bytes, expiresMillis })
  route.state = { ...route.state, usedBytes: route.state.usedBytes + bytes.length }
}

const applyRecord = (route: Route, record: RouteRecord): void => {
  const { tags, ...rest } = record
  route.state = {
    ...route.state,
    ...rest,
    chain: rest.chain.slice(),
    opHash: rest.opHash.slice(),
    past: rest.past.slice()
  }
  route.tagByHex.clear()
  for (const { mark, seenMillis, tag } of tags) route.tagByHex.set(Bytes.toHex(tag), { mark, seenMillis })
}

/** `open` makes a route that is not there. */
export const make = (
  crypto: Pick<Crypto["Service"], "sha256">,
  { routeByHex }: Disk,
  watchers: Set<Parameters<RelayCopy["watch"]>[0]>,
  open: (route: RouteId, page: CopyPage) => Route
): RelayCopy => {
  const withRoute = <A>(id: RouteId, use: (route: Route) => A): Effect.Effect<A, UnknownRoute> =>
    Effect.suspend(() => {
      const route = routeByHex.get(Bytes.toHex(id))
      return route === undefined ? Effect.fail(new UnknownRoute()) : Effect.succeed(use(route))
    })
  const apply = ({ from, page, route: id }: Parameters<RelayCopy["apply"]>[0]): CopyDiffers | undefined => {
    const route = routeByHex.get(Bytes.toHex(id)) ?? open(id, page)
    const here = new Map(knownIn(route, from, page.through).map((known) => [Number(known.position), known]))
    for (const row of page.rows) {
      const detail = rowDiffers(route, here.get(row.position), row)
      if (detail !== undefined) return new CopyDiffers({ detail })
    }
    if (page.record !== null) {
      const ids = new Map<number, Uint8Array>()
      for (const { idHex, position } of knownIn(route, route.state.position + 1, NEVER)) {
        ids.set(position, fromHex(idHex))
      }
      for (const { position } of here.values()) ids.delete(position)
      for (const { id, position } of page.rows) ids.set(position, id)
      const detail = endDiffers(crypto, route.state, page.record, ids)
      if (detail !== undefined) return new CopyDiffers({ detail })
    }
    for (const row of page.rows) {
      here.delete(row.position)
      applyRow(route, row)
    }
    for (const known of here.values()) dropRow(route, known)
    if (page.record !== null) applyRecord(route, page.record)
    return undefined
  }
  return {
    routes: ({ after, limit }) =>
      Effect.sync(() => {
        const from = after === null ? "" : Bytes.toHex(after)
        return Array.from(routeByHex).filter(([hex]) => hex > from).toSorted(([a], [b]) => a < b ? -1 : 1)
          .slice(0, limit).map(([, { state: { position, route } }]) => ({ route, position }))
      }),
    sums: ({ ranges, route }) => withRoute(route, (found) => ranges.map(({ from, to }) => sumOf(found, from, to))),
    rows: (asked) => withRoute(asked.route, (route) => pageOf(route, asked)),
    apply: (applied) =>
      Effect.suspend(() => {
        const differs = apply(applied)
        return differs === undefined ? Effect.void : Effect.fail(differs)
      }),
    abandon: Effect.sync(() => {
      for (const [hex, route] of routeByHex) {
        const staged = knownIn(route, route.state.position + 1, NEVER)
        for (const known of staged) dropRow(route, known)
        if (staged.length > 0 && route.state.position === 0) routeByHex.delete(hex)
      }
    }),
    watch: (told) => {
      watchers.add(told)
      return () => {
        watchers.delete(told)
      }
    }
  }
}
