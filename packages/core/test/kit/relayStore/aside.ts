/** Rows beside a route's log. */
import { assert, it } from "@effect/vitest"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { filled, open, range, routeOf, type Test } from "./operations.ts"

const key = (...bytes: ReadonlyArray<number>) => Uint8Array.from(bytes)

const get = (route: number, ...bytes: ReadonlyArray<number>) =>
  RelayStore.use(({ aside }) => aside.get({ route: routeOf(route), key: key(...bytes) }))
const keys = (route: number, after?: Uint8Array, limit = 100) =>
  Effect.map(
    RelayStore.use(({ aside }) => aside.keys({ route: routeOf(route), after, limit })),
    (found) => found.map((each) => Array.from(each))
  )
const write = (route: number, ...writes: ReadonlyArray<{ readonly key: Uint8Array; readonly value?: Uint8Array }>) =>
  RelayStore.use(({ aside }) => aside.write({ route: routeOf(route), writes }))

export const aside = (test: Test) => {
  test(
    "rows are written, replaced and deleted together, each route for itself",
    Effect.gen(function*() {
      yield* open(1)
      yield* open(2)
      assert.deepStrictEqual([yield* keys(1), yield* get(1, 0)], [[], undefined])
      const large = filled(300_000, "large")
      yield* write(1, { key: key(1, 2), value: large }, { key: key(1), value: key(9) }, { key: key(255), value: key() })
      yield* write(2, { key: key(1), value: key(8) })
      assert.deepStrictEqual(yield* keys(1), [[1], [1, 2], [255]])
      assert.deepStrictEqual([yield* get(1, 1), yield* get(2, 1), yield* get(1, 255)], [key(9), key(8), key()])
      assert.deepStrictEqual(yield* get(1, 1, 2), large)
      yield* write(1, { key: key(1) }, { key: key(1, 2), value: key(1) }, { key: key(1, 2), value: key(2) }, {
        key: key(7)
      })
      assert.deepStrictEqual([yield* keys(1), yield* keys(2)], [[[1, 2], [255]], [[1]]])
      assert.deepStrictEqual(yield* get(1, 1, 2), key(2))
    })
  )

  test(
    "keys come in pages, in the order of their bytes",
    Effect.gen(function*() {
      yield* open(1)
      yield* write(1, ...range(0, 299).map((n) => ({ key: key(n >> 8, n & 255), value: key(1) })).reverse())
      const first = yield* keys(1, undefined, 256)
      assert.deepStrictEqual(first, range(0, 255).map((n) => [0, n]))
      assert.deepStrictEqual(yield* keys(1, key(0, 255), 256), range(0, 43).map((n) => [1, n]))
    })
  )

  test(
    "they are not for a route that is not there, and belong to who asks",
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(get(1, 0)))._tag, "UnknownRoute")
      assert.strictEqual((yield* Effect.flip(keys(1)))._tag, "UnknownRoute")
      assert.strictEqual((yield* Effect.flip(write(1, { key: key(0), value: key(0) })))._tag, "UnknownRoute")
      yield* open(1)
      const value = key(5)
      yield* write(1, { key: key(0), value })
      value[0] = 6
      const found = yield* get(1, 0)
      assert.deepStrictEqual(found, key(5))
      found?.fill(7)
      assert.deepStrictEqual(yield* get(1, 0), key(5))
    })
  )
}

export const asideRestart = (reopen: () => () => Layer.Layer<RelayStore, unknown>) => {
  it.effect("rows beside the log are there after a restart", () =>
    Effect.gen(function*() {
      const again = reopen()
      const within = <A, E>(body: Effect.Effect<A, E, RelayStore>) => Effect.provide(body, again(), { local: true })
      yield* within(Effect.andThen(open(1), write(1, { key: key(3), value: key(4) }, { key: key(5), value: key(6) })))
      yield* within(write(1, { key: key(3) }))
      assert.deepStrictEqual(yield* within(Effect.all([keys(1), get(1, 5)])), [[[5]], key(6)])
    }))
}
