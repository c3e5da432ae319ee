/** What a standby reads and writes. */
import { assert, it } from "@effect/vitest"
import type { CopyPage, RouteChange } from "@sotto/core/relay/RelayCopy"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import { Position } from "@sotto/schema/Id"
import { SPAN } from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { dump } from "../storeDump.ts"
import {
  ack,
  append,
  chainOf,
  DAY,
  hashOf,
  incoming,
  incomings,
  NOW,
  open,
  position,
  prune,
  range,
  read,
  routeOf,
  setEpoch,
  state,
  storedOf,
  sweep,
  type Test
} from "./operations.ts"

type Store = RelayStore["Service"]

const everything = { has: () => false, bytesMax: 1e9, staged: false }

const pageAt = (store: Store, from: number, options?: { readonly bytesMax?: number; readonly route?: number }) =>
  store.copy.rows({
    ...everything,
    bytesMax: options?.bytesMax ?? everything.bytesMax,
    route: routeOf(options?.route ?? 1),
    from: position(from)
  })

/** Copies all routes, whole, in pages of at most `bytesMax` bytes. */
const copyAll = Effect.fnUntraced(function*(source: Store, target: Store, bytesMax: number) {
  for (const { route } of yield* source.copy.routes({ after: null, limit: 1000 })) {
    let from = Position.make(1)
    for (;;) {
      const page: CopyPage = yield* source.copy.rows({ ...everything, route, from, bytesMax })
      yield* target.copy.apply({ route, from, page })
      if (page.record !== null) break
      from = Position.make(page.through + 1)
    }
  }
})

/** Takes note of what a sweep did. */
const note = (seen: Set<string>, swept: unknown): void => {
  for (const [why, count] of Object.entries(swept ?? {})) if (count > 0) seen.add(why)
}

const within = <A, E>(store: Store, body: Effect.Effect<A, E, RelayStore>) =>
  Effect.provideService(body, RelayStore, store)

export const copying = (test: Test, makeLayer: () => Layer.Layer<RelayStore, unknown>): void => {
  test(
    "routes come in the order of their ids, in pages",
    Effect.gen(function*() {
      const { copy } = yield* RelayStore
      assert.deepStrictEqual(yield* copy.routes({ after: null, limit: 9 }), [])
      for (const n of [1, 2, 3, 4, 5]) yield* open(n)
      yield* append(incomings(1, 3), { route: 4 })
      const all = yield* copy.routes({ after: null, limit: 9 })
      const hexes = range(1, 5).map((n) => Buffer.from(routeOf(n)).toString("hex")).toSorted()
      assert.deepStrictEqual(all.map(({ route }) => Buffer.from(route).toString("hex")), hexes)
      assert.deepStrictEqual(all.filter((each) => each.position > 0).map((each) => Number(each.position)), [3])
      assert.deepStrictEqual(yield* copy.routes({ after: all[1]?.route ?? null, limit: 2 }), all.slice(2, 4))
    })
  )

  test(
    "a page has rows as they are, and the record when it is the last",
    Effect.gen(function*() {
      const store = yield* RelayStore
      yield* open()
      yield* append(incomings(1, 4), { expires: NOW + 9 })
      yield* prune([incoming(2)])
      yield* ack(1, 3)
      const page = yield* pageAt(store, 1)
      assert.deepStrictEqual(page.rows.map(({ _tag, position }) => [_tag, Number(position)]), [
        ["Kept", 1],
        ["Gone", 2],
        ["Kept", 3],
        ["Kept", 4]
      ])
      const [first] = page.rows
      assert.deepStrictEqual(first, {
        _tag: "Kept",
        position: position(1),
        id: incoming(1).id,
        lane: incoming(1).lane,
        appendedMillis: NOW,
        expiresMillis: NOW + 9,
        envelope: incoming(1).bytes
      })
      assert.deepStrictEqual([page.position, page.through], [position(4), position(4)])
      assert.deepStrictEqual([page.record?.chain, page.record?.lowest], [chainOf(incomings(1, 4)), position(1)])
      assert.deepStrictEqual(page.record?.tags.map(({ mark, seenMillis }) => [Number(mark), seenMillis]), [[3, NOW]])
      const rest = yield* pageAt(store, 5)
      assert.deepStrictEqual([rest.rows, rest.record], [[], page.record])
      const known = yield* store.copy.rows({
        ...everything,
        route: routeOf(1),
        from: position(3),
        has: (at) => at === 4
      })
      assert.deepStrictEqual(known.rows.map(({ _tag }) => _tag), ["Kept", "Known"])
    })
  )

  test(
    "pages are bounded by positions and by bytes, and one row always fits",
    Effect.gen(function*() {
      const store = yield* RelayStore
      yield* open()
      yield* append(range(1, SPAN + 10).map((n) => incoming(n, { bytes: 300 })))
      const first = yield* pageAt(store, 1)
      assert.deepStrictEqual([first.rows.length, first.through, first.record], [SPAN, position(SPAN), null])
      assert.strictEqual((yield* pageAt(store, SPAN + 1)).record?.position, SPAN + 10)
      const small = yield* pageAt(store, SPAN + 8, { bytesMax: 1000 })
      assert.deepStrictEqual([small.rows.length, small.through, small.record], [2, position(SPAN + 9), null])
      const one = yield* pageAt(store, SPAN + 10, { bytesMax: 10 })
      assert.deepStrictEqual([one.rows.length, one.through, one.record], [1, position(SPAN + 10), null])
      assert.strictEqual((yield* pageAt(store, SPAN + 11, { bytesMax: 10 })).record?.position, SPAN + 10)
    })
  )

  test(
    "sums tell rows that were deleted, that expire, and that were forgotten",
    Effect.gen(function*() {
      const store = yield* RelayStore
      yield* open(1, { retention: { _tag: "Durable" } })
      yield* append(incomings(1, 10))
      const sum = (from: number, to: number) =>
        Effect.map(
          store.copy.sums({ route: routeOf(1), ranges: [{ from: position(from), to: position(to) }] }),
          ([only]) => only
        )
      const whole = { kept: 10, expiring: 0, expiryHigh: 0, expiryLow: 0, gone: 0 }
      assert.deepStrictEqual(yield* sum(1, 10), whole)
      yield* prune([incoming(3)])
      assert.deepStrictEqual(yield* sum(1, 10), { ...whole, kept: 9, gone: 1 })
      yield* prune([incoming(5), incoming(6)], { expires: NOW + 7 })
      const expiring = {
        expiring: 2,
        expiryHigh: 2 * Math.floor((NOW + 7) / 2 ** 20),
        expiryLow: 2 * ((NOW + 7) % 2 ** 20)
      }
      assert.deepStrictEqual(yield* sum(1, 10), { ...whole, ...expiring, kept: 9, gone: 1 })
      assert.deepStrictEqual(yield* sum(4, 10), { ...whole, ...expiring, kept: 7 })
      yield* sweep({ at: NOW + DAY, knownSince: NOW + 1 })
      assert.deepStrictEqual(yield* sum(1, 10), { ...whole, kept: 7 })
      const { rows } = yield* pageAt(store, 1)
      assert.deepStrictEqual(rows.map((row) => Number(row.position)), [1, 2, 4, 7, 8, 9, 10])
    })
  )

  test(
    "a watcher is told of each change, and not any more when it stopped",
    Effect.gen(function*() {
      const store = yield* RelayStore
      const told: Array<RouteChange> = []
      const since = () => {
        const rows = told.map((change) => [Number(change.position), change.rows])
        told.length = 0
        return rows
      }
      yield* open()
      const stop = store.copy.watch((change) => told.push(change))
      yield* append(incomings(1, 3), { expires: NOW + 5 })
      assert.deepStrictEqual(since(), [[3, false]])
      yield* ack(1, 1)
      assert.deepStrictEqual(since(), [[3, false]])
      yield* setEpoch({ before: 1, epoch: 2, op: 2 })
      assert.deepStrictEqual(since(), [[3, false]])
      yield* prune([incoming(3)])
      assert.deepStrictEqual(since(), [[3, true]])
      yield* sweep()
      assert.deepStrictEqual(since(), [[3, true]])
      yield* sweep({ knownSince: NOW + 1 })
      assert.deepStrictEqual(since(), [[3, true]])
      yield* open(2)
      assert.deepStrictEqual(since(), [[0, false]])
      yield* sweep()
      yield* open(2)
      assert.deepStrictEqual(since(), [])
      stop()
      yield* append([incoming(9)])
      assert.deepStrictEqual(told, [])
    })
  )

  it.effect("what is staged is not part of a log, until its record comes", () =>
    Effect.gen(function*() {
      const source = yield* RelayStore
      yield* Effect.gen(function*() {
        const target = yield* RelayStore
        yield* within(source, Effect.andThen(open(), append(incomings(1, 10))))
        yield* copyAll(source, target, 1e9)
        yield* within(source, append(incomings(11, 20)))
        const page = yield* pageAt(source, 11, { bytesMax: 700 })
        assert.isNull(page.record)
        yield* target.copy.apply({ route: routeOf(1), from: position(11), page })
        assert.strictEqual((yield* state()).position, 10)
        const staged = yield* target.copy.rows({
          ...everything,
          route: routeOf(1),
          from: position(11),
          has: () => true,
          staged: true
        })
        assert.deepStrictEqual(staged.rows.map(({ _tag }) => _tag), page.rows.map(() => "Known"))
        assert.isAbove(page.rows.length, 1)
        yield* copyAll(source, target, 1e9)
        assert.deepStrictEqual(yield* dump(target), yield* dump(source))
        yield* within(source, append(incomings(21, 30)))
        const more = yield* pageAt(source, 21, { bytesMax: 700 })
        yield* target.copy.apply({ route: routeOf(1), from: position(21), page: more })
        yield* within(source, Effect.andThen(open(2), append(incomings(1, 30), { route: 2 })))
        const begun = yield* pageAt(source, 1, { bytesMax: 700, route: 2 })
        yield* target.copy.apply({ route: routeOf(2), from: position(1), page: begun })
        yield* target.copy.abandon
        assert.deepStrictEqual((yield* read()).envelopes.length, 20)
        assert.deepStrictEqual(yield* target.totals, { routes: 1, envelopes: 20, bytes: 2000 })
        assert.strictEqual((yield* Effect.flip(state(2)))._tag, "UnknownRoute")
        assert.deepStrictEqual((yield* append([incoming(5), incoming(15)])).stored, [
          { position: position(5), duplicate: true },
          { position: position(15), duplicate: true }
        ])
        const appended = yield* append([incoming(25)])
        assert.deepStrictEqual([storedOf(appended), appended.chain], [
          [21],
          chainOf([...incomings(1, 20), incoming(25)])
        ])
      }).pipe(Effect.provide(makeLayer(), { local: true }))
    }).pipe(Effect.provide(makeLayer(), { local: true })))

  it.effect("another history is refused, and nothing is changed", () =>
    Effect.gen(function*() {
      const source = yield* RelayStore
      yield* Effect.gen(function*() {
        const target = yield* RelayStore
        yield* Effect.andThen(open(), append(incomings(1, 5)))
        const refused = Effect.fnUntraced(function*(from: number, page: CopyPage) {
          const before = yield* dump(target)
          const failure = yield* Effect.flip(target.copy.apply({ route: routeOf(1), from: position(from), page }))
          assert.deepStrictEqual(yield* dump(target), before)
          return failure._tag === "CopyDiffers" ? failure.detail : failure._tag
        })
        yield* within(source, Effect.andThen(open(), append(incomings(1, 4))))
        assert.include(yield* refused(6, yield* pageAt(source, 6)), "ends before")
        yield* within(source, append([incoming(6)]))
        assert.include(yield* refused(6, yield* pageAt(source, 6)), "different ways")
        yield* within(source, append([incoming(7)]))
        assert.include(yield* refused(6, yield* pageAt(source, 6)), "different ways")
        assert.include(yield* refused(1, yield* pageAt(source, 1)), "another entry")
        yield* prune([incoming(2)])
        assert.include(yield* refused(1, { ...yield* pageAt(source, 1), record: null }), "deleted here")
        yield* sweep({ knownSince: NOW + 1 })
        assert.include(yield* refused(1, { ...yield* pageAt(source, 1), record: null }), "forgotten here")
      }).pipe(Effect.provide(makeLayer(), { local: true }))
    }).pipe(Effect.provide(makeLayer(), { local: true })))

  it.effect("a copy of a random history, taken again and again, is equal", () =>
    Effect.gen(function*() {
      const seen = new Set<string>()
      const samples = fc.sample(
        fc.array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 30 })), { minLength: 20, maxLength: 60 }),
        {
          numRuns: 12,
          seed: 20_261_127
        }
      )
      for (const steps of samples) {
        yield* Effect.gen(function*() {
          const source = yield* RelayStore
          yield* Effect.gen(function*() {
            const target = yield* RelayStore
            yield* within(source, Effect.andThen(open(), open(2)))
            let epoch = 1
            let now = NOW
            for (const [kind, n] of steps) {
              now += n
              const kinds: ReadonlyArray<Effect.Effect<unknown, unknown, RelayStore>> = [
                append([incoming(n), incoming(n + 1)], { at: now, ...(n % 2 === 0 ? { expires: now + 40 } : {}) }),
                append(incomings(n, n + 3), { at: now, route: 2 }),
                ack(n % 3, n, now),
                prune([incoming(n), incoming(n + 2)], { at: now, expires: now + (n % 2) * 50 }),
                sweep({ at: now, activeSince: now - 200, knownSince: now - 150, limit: 1 + n }),
                setEpoch({
                  before: epoch,
                  epoch: epoch + 1,
                  previous: epoch === 1 ? new Uint8Array(32) : hashOf(epoch),
                  op: epoch + 1,
                  at: now
                })
              ]
              const step = kinds[kind]
              if (step === undefined) {
                yield* copyAll(source, target, 150 + n * 40)
                assert.deepStrictEqual(yield* dump(target), yield* dump(source))
                assert.deepStrictEqual(yield* target.totals, yield* source.totals)
              } else {
                const answer = yield* within(source, step)
                if (kind === 5) epoch++
                if (kind === 4) note(seen, answer)
              }
            }
          }).pipe(Effect.provide(makeLayer(), { local: true }))
        }).pipe(Effect.provide(makeLayer(), { local: true }))
      }
      assert.deepStrictEqual([...seen].toSorted(), ["acknowledged", "expired", "forgotten"])
    }))
}
