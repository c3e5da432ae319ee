import { assert, describe, it } from "@effect/vitest"
import { type Incoming, RelayStore } from "@sotto/core/relay/RelayStore"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll } from "vitest"
import { relayStoreConformance } from "../../core/test/kit/relayStoreConformance.ts"
import { sha256 } from "./kit/sha256.ts"
import { inTemporary, temporaryDirectory } from "./kit/temporary.ts"

const reopened: Array<string> = []
afterAll(() => reopened.forEach((directory) => rmSync(directory, { recursive: true, force: true })))

const open = (directory: string, pagesMax?: number) =>
  NodeRelayStore.make(pagesMax === undefined ? { directory } : { directory, pagesMax }, { sha256 })
const over = (directory: string) => Layer.effect(RelayStore, open(directory))

relayStoreConformance("SQLite", () => inTemporary(over), {
  reopen: () => {
    const directory = mkdtempSync(join(tmpdir(), "sotto-test-"))
    reopened.push(directory)
    return () => over(directory)
  }
})

type Store = RelayStore["Service"]

const NOW = 1_800_000_000_000
const named = (kind: string, n: number) => sha256(Uint8Array.from(`${kind}/${n}`, (letter) => letter.charCodeAt(0)))
const routeOf = (n: number) => RouteId.make(named("route", n))
const incoming = (n: number, sizeBytes = 500): Incoming => ({
  id: EnvelopeId.make(named("id", n)),
  lane: Lane.make(new Uint8Array(8)),
  bytes: new Uint8Array(sizeBytes).fill(n)
})

const openRoute = (store: Store, n: number) =>
  store.open({
    route: routeOf(n),
    epoch: Epoch.make(1),
    keys: {
      write: SigningKey.make(named("write", n)),
      read: SigningKey.make(named("read", n)),
      admin: SigningKey.make(named("admin", n)),
      recovery: SigningKey.make(named("recovery", n))
    },
    retention: { _tag: "Transit", ttl: { _tag: "Default" } },
    quotaBytes: 1e12
  })
const append = (store: Store, route: number, envelopes: ReadonlyArray<Incoming>, expiresMillis?: number) =>
  store.append({ route: routeOf(route), envelopes, nowMillis: NOW, expiresMillis })
const readAll = (store: Store, route: number) =>
  store.read({ route: routeOf(route), after: Position.make(0), lanes: [], limit: 1e6, bytesMax: 1e9 })
const sweep = (store: Store, nowMillis: number, limit: number) =>
  store.sweep({ nowMillis, activeSinceMillis: NOW - 1000, knownSinceMillis: NOW - 1000, limit })
const chainOf = (envelopes: ReadonlyArray<Incoming>) =>
  envelopes.reduce<Uint8Array>((chain, { id }) => sha256(Proof.chainLink(chain, id)), new Uint8Array(32))

describe("NodeRelayStore", () => {
  it.effect("the relay's key lies in files for their owner only", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* open(directory)
      yield* store.secret.set("key", named("secret", 1))
      for (const name of ["", "sotto.db", "sotto.db-wal", "sotto.db-shm", "lock"]) {
        assert.strictEqual(statSync(join(directory, name)).mode & 0o077, 0, name)
      }
    }))

  it.effect("a full disk refuses, forgets nothing, and takes more once there is room", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const store = yield* Scope.provide(open(directory, 80), scope)
      yield* openRoute(store, 1)
      const kept: Array<Incoming> = []
      let failure
      for (let n = 0; failure === undefined && n < 1000; n += 4) {
        const batch = [n, n + 1, n + 2, n + 3].map((each) => incoming(each))
        const results = yield* Effect.forEach(batch, (each) => Effect.result(append(store, 1, [each], NOW + 5)), {
          concurrency: "unbounded"
        })
        for (const [i, result] of results.entries()) {
          const each = batch[i]
          if (result._tag === "Success" && each !== undefined) kept.push(each)
          else if (result._tag === "Failure") failure = result.failure
        }
      }
      assert.strictEqual(failure?._tag === "RelayStoreFailed" ? failure.reason : failure, "full")
      assert.isAbove(kept.length, 100)
      const check = (store: Store) =>
        Effect.gen(function*() {
          const page = yield* readAll(store, 1)
          assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), kept.map(({ bytes }) => bytes))
          assert.deepStrictEqual([page.position, page.chain], [Position.make(kept.length), chainOf(kept)])
          assert.strictEqual((yield* store.route(routeOf(1))).usedBytes, kept.length * 500)
          assert.strictEqual((yield* store.totals).envelopes, kept.length)
        })
      yield* check(store)
      assert.isAbove((yield* sweep(store, NOW + 5, 1000)).expired, 100)
      const next = incoming(5000)
      assert.strictEqual((yield* append(store, 1, [next])).position, kept.length + 1)
      yield* Scope.close(scope, Exit.void)
      const again = yield* open(directory)
      const page = yield* readAll(again, 1)
      assert.deepStrictEqual([page.envelopes.length, page.chain], [1, chainOf([...kept, next])])
      const late = yield* append(again, 1, kept.slice(0, 3))
      assert.isTrue(late.stored.every((stored) => stored.duplicate))
    }))

  it.effect("a damaged page is found when the store opens", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* open(directory)
        yield* openRoute(store, 1)
        yield* append(store, 1, Array.from({ length: 500 }, (_, n) => incoming(n)))
      }))
      const size = statSync(join(directory, "sotto.db")).size
      const file = openSync(join(directory, "sotto.db"), "r+")
      for (let page = 12; page * 8192 < size; page += 5) {
        writeSync(file, new Uint8Array(64).fill(0xff), 0, 64, page * 8192)
      }
      closeSync(file)
      const failure = yield* Effect.flip(Effect.scoped(open(directory)))
      assert.strictEqual(failure.reason, "corrupt")
      assert.include(failure.message, "put a backup in its place")
    }))

  it.effect("a row of another shape is a failure, not a wrong answer", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(open(directory), (store) => openRoute(store, 1)))
      const database = new DatabaseSync(join(directory, "sotto.db"))
      database.exec("UPDATE route SET write_key = x'00'")
      database.close()
      const store = yield* open(directory)
      const failure = yield* Effect.flip(store.route(routeOf(1)))
      assert.strictEqual(failure._tag === "RelayStoreFailed" ? failure.reason : failure._tag, "corrupt")
    }))

  it.effect("ids that begin alike are told apart", () =>
    Effect.gen(function*() {
      const store = yield* open(yield* temporaryDirectory)
      yield* openRoute(store, 1)
      const alike = Array.from({ length: 40 }, (_, n) => {
        const id = new Uint8Array(32).fill(7)
        id[31] = n
        return { ...incoming(n), id: EnvelopeId.make(id) }
      })
      for (const each of alike) yield* append(store, 1, [each])
      const again = yield* append(store, 1, alike)
      assert.deepStrictEqual(
        again.stored,
        alike.map((_, n) => ({ position: Position.make(n + 1), duplicate: true }))
      )
      const ids = [alike[3], alike[5]].flatMap((each) => each?.id ?? [])
      assert.strictEqual(yield* store.prune({ route: routeOf(1), ids, nowMillis: NOW, expiresMillis: 0 }), 2)
      const left = (yield* readAll(store, 1)).envelopes.map(({ position }) => Number(position))
      assert.deepStrictEqual(left, alike.map((_, n) => n + 1).filter((at) => at !== 4 && at !== 6))
    }))

  it.effect("more routes than are kept in memory: each goes on where it was", () =>
    Effect.gen(function*() {
      const store = yield* open(yield* temporaryDirectory)
      const numbers = Array.from({ length: 10_500 }, (_, n) => n)
      yield* Effect.forEach(numbers, (n) => openRoute(store, n), { concurrency: "unbounded", discard: true })
      for (const round of [1, 2]) {
        const appended = yield* Effect.forEach(numbers, (n) => append(store, n, [incoming(n * 10 + round, 10)]), {
          concurrency: "unbounded"
        })
        assert.isTrue(appended.every(({ position }) => position === round))
      }
      for (const n of [0, 5000, 10_499]) {
        const state = yield* store.route(routeOf(n))
        assert.deepStrictEqual(state.chain, chainOf([incoming(n * 10 + 1), incoming(n * 10 + 2)]))
      }
      assert.deepStrictEqual(yield* store.totals, { routes: 10_500, envelopes: 21_000, bytes: 210_000 })
    }))

  it.effect("a sweep goes over many routes and rows, and others go on between its steps", () =>
    Effect.gen(function*() {
      const store = yield* open(yield* temporaryDirectory)
      const numbers = Array.from({ length: 1200 }, (_, n) => n)
      const tag = AckTag.make(new Uint8Array(16))
      yield* Effect.forEach(numbers, (n) =>
        Effect.gen(function*() {
          yield* openRoute(store, n)
          yield* append(store, n, [1, 2, 3].map((i) => incoming(n * 10 + i, 10)), NOW + 50)
          if (n % 2 === 0) yield* store.ack({ route: routeOf(n), tag, position: Position.make(2), nowMillis: NOW })
        }), { concurrency: "unbounded", discard: true })
      const [swept, appended] = yield* Effect.all([
        sweep(store, NOW, 10_000),
        append(store, 7, [incoming(99_999, 10)])
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(swept, { acknowledged: 1200, expired: 0, forgotten: 0 })
      assert.strictEqual(appended.position, 4)
      assert.deepStrictEqual(yield* sweep(store, NOW + 50, 10_000), { acknowledged: 0, expired: 2400, forgotten: 0 })
      assert.deepStrictEqual(yield* store.totals, { routes: 1200, envelopes: 1, bytes: 10 })
      const all = { nowMillis: NOW, activeSinceMillis: NOW, knownSinceMillis: NOW + 1, limit: 10_000 }
      assert.strictEqual((yield* store.sweep(all)).forgotten, 3600)
    }))
})
