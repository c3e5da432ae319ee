/** Ids without their envelopes, and envelopes by their positions: what reconciliation reads. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  ack,
  append,
  chainOf,
  ids,
  incoming,
  incomings,
  laneOf,
  NONE,
  NOW,
  open,
  places,
  position,
  positionsOf,
  prune,
  range,
  readAt,
  state,
  sweep,
  type Test
} from "./operations.ts"

type Ids = { readonly ids: ReadonlyArray<{ readonly position: number }> }
const placesOf = ({ ids }: Ids) => ids.map(({ position }) => Number(position))

export const idPages = (test: Test) => {
  test(
    "ids come in the order of positions, with the route as it is",
    Effect.gen(function*() {
      yield* open()
      yield* open(2)
      assert.deepStrictEqual(yield* ids(), {
        ids: [],
        more: false,
        position: position(0),
        chain: new Uint8Array(32),
        lowest: position(1),
        removed: 0
      })
      yield* append(incomings(1, 9))
      yield* append([incoming(20)], { route: 2 })
      assert.deepStrictEqual(yield* ids(), {
        ids: range(1, 9).map((n) => ({ position: position(n), id: incoming(n).id })),
        more: false,
        position: position(9),
        chain: chainOf(incomings(1, 9)),
        lowest: position(1),
        removed: 0
      })
      assert.deepStrictEqual(placesOf(yield* ids(7)), [8, 9])
      assert.deepStrictEqual(placesOf(yield* ids(9)), [])
      assert.deepStrictEqual(placesOf(yield* ids(99)), [])
      yield* append([incoming(3), incoming(10)])
      assert.deepStrictEqual((yield* ids(9)).ids, [{ position: position(10), id: incoming(10).id }])
    })
  )

  test(
    "pages of ids are bounded by count and say truly whether more follows",
    Effect.gen(function*() {
      yield* open()
      yield* append(range(1, 12).map((n) => incoming(n, { bytes: 5000, lane: n % 2 })))
      yield* prune([2, 3, 4, 6, 11, 12].map((n) => incoming(n)))
      const first = yield* ids(0, { limit: 2 })
      assert.deepStrictEqual([placesOf(first), first.more], [[1, 5], true])
      const second = yield* ids(5, { limit: 4 })
      assert.deepStrictEqual([placesOf(second), second.more], [[7, 8, 9, 10], false])
      const odd = yield* ids(0, { limit: 3, lanes: [laneOf(1)] })
      assert.deepStrictEqual([placesOf(odd), odd.more, odd.position], [[1, 5, 7], true, position(12)])
      const both = yield* ids(5, { lanes: [laneOf(1), laneOf(0)] })
      assert.deepStrictEqual([placesOf(both), both.more], [[7, 8, 9, 10], false])
      assert.deepStrictEqual(placesOf(yield* ids(0, { lanes: [laneOf(7)] })), [])
    })
  )

  test(
    "what was deleted is counted, for whatever reason, and never less than before",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 4))
      yield* append(incomings(5, 6), { expires: NOW + 10 })
      const removed = Effect.map(ids(), (page) => [page.removed, placesOf(page)])
      yield* prune([incoming(4)])
      assert.deepStrictEqual(yield* removed, [1, [1, 2, 3, 5, 6]])
      yield* ack(1, 2)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* removed, [3, [3, 5, 6]])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 10 }), { ...NONE, expired: 2 })
      assert.deepStrictEqual(yield* removed, [5, [3]])
      yield* append([incoming(1), incoming(7)])
      assert.deepStrictEqual(yield* removed, [5, [3, 7]])
      assert.isAbove((yield* sweep({ knownSince: NOW + 1 })).forgotten, 0)
      assert.deepStrictEqual(yield* removed, [5, [3, 7]])
      yield* append([incoming(1)])
      assert.deepStrictEqual(yield* removed, [5, [3, 7, 8]])
    })
  )

  test(
    "what is pruned for later is still there",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      yield* prune([incoming(1)], { expires: NOW + 1000 })
      const page = yield* ids()
      assert.deepStrictEqual([placesOf(page), page.removed], [[1, 2], 0])
    })
  )

  test(
    "bytes of ids are the caller's own",
    Effect.gen(function*() {
      yield* open()
      yield* append([incoming(1)])
      const page = yield* ids()
      page.chain.fill(0)
      for (const { id } of page.ids) id.fill(0)
      const again = yield* ids()
      assert.deepStrictEqual(again.ids.map(({ id }) => id), [incoming(1).id])
      assert.deepStrictEqual(again.chain, chainOf([incoming(1)]))
    })
  )
}

export const idPlaces = (test: Test) => {
  test(
    "of ranges that have fewer rows than there were, those that are left",
    Effect.gen(function*() {
      yield* open()
      yield* append(range(1, 12).map((n) => incoming(n, { lane: n % 2 })))
      const all = [[1, 4, 4], [5, 8, 4], [9, 12, 4]] as const
      assert.deepStrictEqual(yield* places(all), { places: [undefined, undefined, undefined], removed: 0 })
      yield* prune([incoming(1), incoming(6), incoming(7)])
      yield* prune([incoming(9)], { expires: NOW + 1000 })
      assert.deepStrictEqual(yield* places(all), { places: [[2, 3, 4], [5, 8], undefined], removed: 3 })
      const odd = [[1, 5, 3], [7, 11, 3]] as const
      assert.deepStrictEqual(yield* places(odd, [laneOf(1)]), { places: [[3, 5], [9, 11]], removed: 3 })
      assert.deepStrictEqual(yield* places([[1, 5, 2], [1, 5, 4]], [laneOf(1), laneOf(0)]), {
        places: [[2, 3, 4, 5], undefined],
        removed: 3
      })
      assert.deepStrictEqual(yield* places([[6, 7, 2]]), { places: [[]], removed: 3 })
      assert.deepStrictEqual(yield* places([]), { places: [], removed: 3 })
    })
  )
}

export const byPosition = (test: Test) => {
  test(
    "envelopes by position: those that are there, in order, with the route as it is",
    Effect.gen(function*() {
      yield* open()
      yield* append(range(1, 8).map((n) => incoming(n, { bytes: 100 * n })))
      yield* prune([incoming(1), incoming(4)])
      const page = yield* readAt([1, 3, 4, 7, 8, 9, 500])
      assert.deepStrictEqual(page, {
        envelopes: [3, 7, 8].map((n) => ({ position: position(n), bytes: incoming(n, { bytes: 100 * n }).bytes })),
        more: false,
        position: position(8),
        chain: (yield* state()).chain,
        lowest: position(2)
      })
      assert.deepStrictEqual(positionsOf(yield* readAt([])), [])
      assert.deepStrictEqual(positionsOf(yield* readAt([4])), [])
    })
  )

  test(
    "they are bounded by bytes, but one at least",
    Effect.gen(function*() {
      yield* open()
      yield* append([100, 200, 300, 5000, 100].map((bytes, i) => incoming(i + 1, { bytes })))
      const bounded = Effect.fnUntraced(function*(positions: ReadonlyArray<number>, bytesMax: number) {
        const page = yield* readAt(positions, { bytesMax })
        return [positionsOf(page), page.more]
      })
      assert.deepStrictEqual(yield* bounded([1, 2, 3, 4, 5], 299), [[1], true])
      assert.deepStrictEqual(yield* bounded([1, 3, 4], 400), [[1, 3], true])
      assert.deepStrictEqual(yield* bounded([4, 5], 1), [[4], true])
      assert.deepStrictEqual(yield* bounded([4, 9], 1), [[4], false])
      assert.deepStrictEqual(yield* bounded([1, 2, 3], 600), [[1, 2, 3], false])
    })
  )
}
