/**
 * A relay's storage on one machine: `RelayStore` in one SQLite file (`NodeSqlite` says what that keeps to).
 *
 * Every operation that writes goes through one queue of short, synchronous transactions (`GroupCommit`): all appends that
 * wait together share one sync to disk, and no read falls between the statements of a write. Reads run at once and see
 * only what is durable.
 *
 * Its statements are prepared on the database itself: as `SqlClient` templates they take two to three times the CPU
 * (measured: 16 µs for 7 of a point read, 9 µs more for each row of a small transaction), and a relay does little else.
 * Its schema goes through `effect/sql`, as all of a device's store does.
 */
import { Crypto } from "@sotto/core/Crypto"
import type { RelayCopy } from "@sotto/core/relay/RelayCopy"
import { RelayStore, type RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { Position, type RouteId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { QuotaExceeded, UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { DatabaseSync } from "node:sqlite"
import { APPLICATION_ID, MIGRATIONS } from "./migrations/relay.ts"
import * as NodeSqlite from "./NodeSqlite.ts"
import * as AsideTable from "./relayStore/AsideTable.ts"
import * as CopyTable from "./relayStore/CopyTable.ts"
import * as EnvelopeTable from "./relayStore/EnvelopeTable.ts"
import * as GroupCommit from "./relayStore/GroupCommit.ts"
import * as IdTable from "./relayStore/IdTable.ts"
import * as RouteTable from "./relayStore/RouteTable.ts"
import * as Sweep from "./relayStore/Sweep.ts"
import * as TagTable from "./relayStore/TagTable.ts"

export interface NodeRelayStoreOptions {
  /** Made 0700 when it is not there. Only relays of one machine's file system: the lock does not cross a network. */
  readonly directory: string
  /** Page cache, KiB. Default 16 MiB. */
  readonly cacheKib?: number
  /** The file may not grow beyond this many pages of 8 KiB; default: as the disk allows. */
  readonly pagesMax?: number
}

const CACHE_KIB = 16 * 1024

type Service = RelayStore["Service"]
type SetEpoch = Parameters<Service["setEpoch"]>[0]

/** Opens the directory's store; it is closed with the scope, after what was submitted before. */
export const make = Effect.fn("NodeRelayStore.make")(function*(
  options: NodeRelayStoreOptions,
  crypto: Pick<Crypto["Service"], "sha256">
): Effect.fn.Return<Service, RelayStoreFailed, Scope.Scope> {
  const sqlite = yield* Effect.mapError(
    NodeSqlite.open({ cacheKib: CACHE_KIB, ...options, applicationId: APPLICATION_ID, migrations: MIGRATIONS }),
    GroupCommit.failed
  )
  const { database } = sqlite
  const { ids, routes } = yield* Effect.mapError(
    NodeSqlite.attempt("open", () => ({
      routes: new RouteTable.RouteTable(database),
      ids: new IdTable.IdTable(database)
    })),
    GroupCommit.failed
  )
  const group = yield* GroupCommit.make(sqlite, {
    beforeCommit: () => {
      routes.save()
      ids.save()
    },
    committed: () => routes.settle(),
    rolledBack: () => {
      routes.discard()
      ids.discard()
    }
  })
  const envelopes = new EnvelopeTable.EnvelopeTable(database, crypto, { routes, ids })
  const tags = TagTable.make(database)
  const aside = new AsideTable.AsideTable(database)
  const sweep = new Sweep.Sweep(database, group, { routes, envelopes, tags })
  return RelayStore.of({
    ...makeReads(routes, envelopes),
    aside: makeAside(group, routes, aside),
    ...makeWrites(group, routes, envelopes, tags),
    sweep: sweep.run,
    copy: makeCopy(group, routes, CopyTable.whenAsked(database, crypto, { routes, ids })),
    totals: Effect.sync(() => routes.totals()),
    secret: makeSecret(database, group)
  })
})

/** A read of a route that must be there. */
const readerOf =
  (routes: RouteTable.RouteTable) => <A>(operation: string, id: RouteId, read: (route: RouteTable.Route) => A) =>
    Effect.flatMap(
      Effect.mapError(
        NodeSqlite.attempt(operation, () => {
          const route = routes.find(id)
          return route === undefined ? undefined : { found: read(route) }
        }),
        GroupCommit.failed
      ),
      (answer): Effect.Effect<A, UnknownRoute> =>
        answer === undefined ? Effect.fail(new UnknownRoute()) : Effect.succeed(answer.found)
    )

/** A write to a route that must be there. */
const writerOf = (group: GroupCommit.GroupCommit, routes: RouteTable.RouteTable) =>
<A, E = never>(
  operation: string,
  id: RouteId,
  weightBytes: number,
  write: (route: RouteTable.Route) => Result.Result<() => A, E>
) =>
  group.submit(operation, weightBytes, (): Result.Result<() => A, E | UnknownRoute> => {
    const route = routes.find(id)
    return route === undefined ? Result.fail(new UnknownRoute()) : write(route)
  })

const makeReads = (
  routes: RouteTable.RouteTable,
  envelopes: EnvelopeTable.EnvelopeTable
): Pick<Service, "route" | "read" | "readAt" | "ids" | "places"> => {
  const readFrom = readerOf(routes)
  return {
    route: (id) => readFrom("route", id, RouteTable.stateOf),
    read: (page) => readFrom("read", page.route, (route) => envelopes.read(route, page)),
    readAt: (page) => readFrom("readAt", page.route, (route) => envelopes.readAt(route, page)),
    ids: (page) => readFrom("ids", page.route, (route) => envelopes.ids(route, page)),
    places: (asked) => readFrom("places", asked.route, (route) => envelopes.places(route, asked))
  }
}

const makeAside = (
  group: GroupCommit.GroupCommit,
  routes: RouteTable.RouteTable,
  table: AsideTable.AsideTable
): Service["aside"] => {
  const [readFrom, writeTo] = [readerOf(routes), writerOf(group, routes)]
  return {
    get: ({ key, route: id }) => readFrom("aside", id, (route) => table.get(route, key)),
    keys: ({ after, limit, route: id }) => readFrom("aside", id, (route) => table.keys(route, after, limit)),
    write: ({ route: id, writes }) =>
      writeTo("aside", id, AsideTable.weightOf(writes), (route) => {
        table.write(route, writes)
        return Result.succeed(() => undefined)
      })
  }
}

const makeWrites = (
  group: GroupCommit.GroupCommit,
  routes: RouteTable.RouteTable,
  envelopes: EnvelopeTable.EnvelopeTable,
  tags: TagTable.TagTable
): Pick<Service, "open" | "append" | "setEpoch" | "ack" | "prune"> => {
  const writeTo = writerOf(group, routes)
  return {
    open: (opened) =>
      group.submit("open", 0, () => {
        const route = routes.find(opened.route) ?? routes.open(opened)
        return Result.succeed(() => RouteTable.stateOf(route))
      }),
    append: ({ envelopes: incoming, expiresMillis, nowMillis, route: id }) =>
      writeTo("append", id, incoming.reduce((sum, { bytes }) => sum + bytes.length, 0), (route) => {
        const placed = envelopes.append(route, incoming, nowMillis, expiresMillis ?? RouteTable.NEVER)
        if (placed instanceof QuotaExceeded) return Result.fail(placed)
        return Result.succeed(() => ({
          stored: placed.map(({ duplicate, position }) => ({ position: Position.make(position), duplicate })),
          position: Position.make(route.position),
          chain: route.chain.slice(),
          lowest: Position.make(route.lowest)
        }))
      }),
    setEpoch: (change) =>
      writeTo("setEpoch", change.route, 0, (route) => {
        const changed = changeEpoch(routes, route, change)
        return Result.succeed(() => changed)
      }),
    ack: ({ nowMillis, position, route: id, tag }) =>
      writeTo("ack", id, 0, (route) => {
        if (routes.isWatched) routes.touch(route)
        const mark = Position.make(tags.raise(route, tag, position, nowMillis))
        return Result.succeed(() => mark)
      }),
    prune: ({ expiresMillis, ids, nowMillis, route: id }) =>
      writeTo("prune", id, 0, (route) => {
        const found = envelopes.prune(route, ids, nowMillis, expiresMillis)
        return Result.succeed(() => found)
      })
  }
}

const makeCopy = (
  group: GroupCommit.GroupCommit,
  routes: RouteTable.RouteTable,
  table: () => CopyTable.CopyTable
): RelayCopy => {
  const attempt = <A>(operation: string, read: () => A) =>
    Effect.mapError(NodeSqlite.attempt(operation, read), GroupCommit.failed)
  const readFrom = readerOf(routes)
  return {
    routes: ({ after, limit }) => attempt("routes", () => routes.after(after, limit)),
    sums: ({ ranges, route: id }) => readFrom("sums", id, (route) => ranges.map((range) => table().sum(route, range))),
    rows: (asked) => readFrom("rows", asked.route, (route) => table().page(route, asked)),
    apply: ({ from, page, route: id }) =>
      Effect.flatMap(attempt("apply", table), (copies) =>
        group.submit("apply", CopyTable.weightOf(page), () => {
          const differs = copies.apply(id, from, page)
          return differs === undefined ? Result.succeed(() => undefined) : Result.fail(differs)
        })),
    abandon: Effect.flatMap(
      attempt("abandon", () => routes.areStaged() ? table() : undefined),
      (copies) =>
        copies === undefined
          ? Effect.void
          : group.submit("abandon", 0, () => {
            copies.abandon()
            return Result.succeed(() => undefined)
          })
    ),
    watch: (told) => routes.watch(told)
  }
}

const changeEpoch = (routes: RouteTable.RouteTable, route: RouteTable.Route, change: SetEpoch): boolean => {
  const expected = route.epoch === change.before && Bytes.equals(route.opHash, change.previousOpHash)
  if (!expected && !change.force) return false
  routes.touch(route)
  const ended = {
    epoch: route.epoch,
    read: route.keys.read,
    position: Position.make(route.position),
    chain: route.chain,
    millis: change.nowMillis
  }
  route.past = [...route.past, ended].filter(({ epoch }) => epoch < change.epoch).slice(-Limit.pastEpochsMax)
  route.epoch = change.epoch
  route.keys = change.keys
  route.opHash = change.opHash.slice()
  routes.saveEpoch(route)
  return true
}

const makeSecret = (database: DatabaseSync, group: GroupCommit.GroupCommit): Service["secret"] => {
  const select = database.prepare("SELECT value FROM secret WHERE name = ?")
  const insert = database.prepare("INSERT INTO secret (name, value) VALUES (?, ?)")
  const valueOf = (name: string) => {
    const row = select.get(name)
    return row === undefined ? undefined : NodeSqlite.bytes(row, "value")
  }
  return {
    get: (name) => Effect.mapError(NodeSqlite.attempt("secret", () => valueOf(name)), GroupCommit.failed),
    set: (name, value) =>
      group.submit("secret", 0, () => {
        const before = valueOf(name)
        if (before === undefined) insert.run(name, value)
        return Result.succeed(() => before ?? value.slice())
      })
  }
}

/** `RelayStore` in a directory of this machine. */
export const layer = (options: NodeRelayStoreOptions): Layer.Layer<RelayStore, RelayStoreFailed, Crypto> =>
  Layer.effect(RelayStore, Effect.flatMap(Crypto, (crypto) => make(options, crypto)))
