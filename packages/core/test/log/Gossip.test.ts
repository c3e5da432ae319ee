import { assert, describe, it } from "@effect/vitest"
import type { Head } from "@sotto/schema/Head"
import { Position, RelayKey, RouteId, Signature } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import { Ordinal } from "../../src/log/Cursor.ts"
import * as Directory from "../../src/log/Directory.ts"
import * as Gossip from "../../src/log/Gossip.ts"
import * as Ledger from "../../src/log/Ledger.ts"
import * as Store from "../../src/Store.ts"

const number = Ledger.RelayNumber.make(3)
const headAt = (position: number, history = 0): Head => ({
  body: {
    relay: RelayKey.make(new Uint8Array(32)),
    route: RouteId.make(new Uint8Array(32)),
    position: Position.make(position),
    chain: new Uint8Array(32).fill(history),
    lowest: Position.make(1),
    millis: position
  },
  signature: Signature.make(new Uint8Array(64).fill(history))
})

/** What is kept once each of these was the newest head, in turn, on a connection that the next one followed. */
const remembered = (cursor: number, heads: ReadonlyArray<Head>) =>
  Effect.gen(function*() {
    const store = yield* Store.Store
    for (const [at, next] of heads.entries()) {
      const head = heads[at - 1] ?? null
      const mark = { ...Directory.freshMark(Ordinal.make(0)), cursor: Position.make(cursor), head }
      const writes = yield* Gossip.remember({ store }, { number, mark }, next)
      if (writes.length > 0) yield* store.commit(writes)
    }
    return (yield* Ledger.witness.get(store, number)) ?? []
  }).pipe(Effect.provide(Store.layerMemory))

const positions = (heads: ReadonlyArray<Head>) => heads.map(({ body }) => Number(body.position))

describe("heads of this device's own", () => {
  it.effect("are kept when a later one takes their place before they are reached", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(positions(yield* remembered(6, [headAt(12, 1), headAt(14)])), [12])
      assert.deepStrictEqual(positions(yield* remembered(12, [headAt(12, 1), headAt(14)])), [])
      assert.deepStrictEqual(positions(yield* remembered(6, [headAt(12), headAt(12)])), [])
      assert.deepStrictEqual(positions(yield* remembered(0, [headAt(1), headAt(2), headAt(3), headAt(4)])), [1, 2, 3])
    }))

  it.effect("are bounded: the lowest are reached first, the highest says how far the relay must go", () =>
    Effect.gen(function*() {
      const all = Array.from({ length: 12 }, (_, at) => headAt(at + 1))
      assert.deepStrictEqual(positions(yield* remembered(0, all)), [1, 2, 3, 4, 5, 6, 7, 11])
    }))
})
