import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { TABLE } from "../../src/item/durable/Layout.ts"
import * as DurableItemStore from "../../src/item/DurableItemStore.ts"
import * as Graph from "../../src/item/Graph.ts"
import type { ItemEntry } from "../../src/item/Item.ts"
import type { ItemStore } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import * as Keystore from "../../src/Keystore.ts"
import * as Secret from "../../src/Secret.ts"
import { makeMemory, type Pair, type Store, StoreFailed } from "../../src/Store.ts"
import { itemStoreConformance } from "../kit/itemStoreConformance.ts"
import { seededCrypto } from "../kit/seededSpace.ts"
import { applyAll, arrivals, copying, entry, histories, model, seen, value } from "./kit.ts"

type StoreService = Store["Service"]

const crypto = seededCrypto("items")
const keystoreOf = (seed: string) => Keystore.fromKey(crypto, Secret.make(seededCrypto(seed).random(32)))
const keystore = keystoreOf("the key")

/** The items of a device's store, as a process that starts over it has them. */
const open = (store: StoreService = makeMemory(), key = keystore) =>
  Effect.runSync(Effect.flatMap(
    Scope.make(),
    (scope) => Scope.provide(DurableItemStore.make({ crypto, store, keystore: key }), scope)
  ))

/** Where a failure is a bug of the test. */
const sure = (store: ItemStore<DurableItemStore.ItemStoreFailed>): ItemStore<never> => ({
  entries: (ids) => Effect.orDie(store.entries(ids)),
  ops: (refs) => Effect.orDie(store.ops(refs)),
  heads: (items) => Effect.orDie(store.heads(items)),
  waitingFor: (missing) => Effect.orDie(store.waitingFor(missing)),
  waiting: (page) => Effect.orDie(store.waiting(page)),
  scan: (range) => Effect.orDie(store.scan(range)),
  contested: (range) => Effect.orDie(store.contested(range)),
  mark: Effect.orDie(store.mark),
  commit: (writes) => Effect.orDie(store.commit(writes))
})

const EVERYTHING = { from: Uint8Array.of(0), to: Uint8Array.of(0xff), limit: Number.MAX_SAFE_INTEGER }
const rowsOf = (store: StoreService): ReadonlyArray<Pair> => Effect.runSync(Effect.orDie(store.scan(EVERYTHING)))
const copyOf = (store: StoreService): StoreService => {
  const copy = makeMemory()
  Effect.runSync(Effect.orDie(copy.commit(rowsOf(store))))
  return copy
}

itemStoreConformance("over a device's store", open, { runs: 60 })

/** Two versions of "k", one of "other", and an entry that waits for one that is not there. */
const FORKED: ReadonlyArray<ItemEntry> = [
  entry({ id: 1, action: value("first of all") }),
  entry({ id: 2, parents: [1], action: value("one side") }),
  entry({ id: 3, parents: [1], action: value("other side") }),
  entry({ id: 4, key: "other", collection: "b" }),
  entry({ id: 6, parents: [5] })
]

const forked = (): StoreService => {
  const store = makeMemory()
  applyAll(sure(open(store)), FORKED)
  return store
}

describe("items that were kept", () => {
  it("are the same when they are opened again: heads, conflicts, what waits", () => {
    const store = forked()
    const again = seen(sure(open(store)))
    assert.deepStrictEqual(again, model(FORKED))
    assert.isAbove(Math.min(again.heads.length, again.contested.length, again.waiting.length), 0)
  })

  it("come to the same as in memory, however often they are opened again and whichever commits fail", () => {
    let [opened, failedBefore, failedAfter] = [0, 0, 0]
    const steps = fc.array(fc.constantFrom("go on", "open again", "fail before", "fail after"), {
      minLength: 14,
      maxLength: 14
    })
    const cases = histories.chain((entries) => fc.tuple(fc.constant(entries), arrivals(entries), steps))
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 5 }), ([entries, pages, steps], opsMax) => {
        const rows = makeMemory()
        let fate = "go on"
        const failing: StoreService = {
          ...rows,
          commit: (writes) => {
            const failed = new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the test wants" })
            const now = fate
            fate = "go on"
            if (now === "fail before") return Effect.fail(failed)
            return now === "fail after" ? Effect.andThen(rows.commit(writes), Effect.fail(failed)) : rows.commit(writes)
          }
        }
        let store = open(failing)
        const take = (page: ReadonlyArray<ItemEntry>): boolean => {
          const exit = Effect.runSyncExit(
            Effect.flatMap(
              Graph.apply(store, page, { opsMax }),
              ({ more, writes }) => Effect.as(store.commit(writes), more)
            )
          )
          return Exit.isFailure(exit) || exit.value
        }
        for (const [at, page] of pages.entries()) {
          const step = steps[at % steps.length] ?? "go on"
          if (step === "open again") {
            store = open(failing)
            opened++
          } else fate = step
          if (step === "fail before") failedBefore++
          if (step === "fail after") failedAfter++
          for (let tries = 0; take(page); tries++) assert.isBelow(tries, 100)
        }
        const whole = copying(MemoryItemStore.make())
        applyAll(whole, entries)
        assert.deepStrictEqual(seen(sure(open(rows))), seen(whole))
        assert.deepStrictEqual(seen(sure(store)), seen(whole))
        const refs = entries.flatMap(({ id, ops }) =>
          ops.map(({ collection, key }) => ({ item: { collection, key }, id }))
        )
        assert.deepStrictEqual(Effect.runSync(store.ops(refs)), Effect.runSync(whole.ops(refs)))
      }),
      { numRuns: 60 }
    )
    assert.isAbove(Math.min(opened, failedBefore, failedAfter), 10)
  })

  it("show nothing of the app to who has the disk alone", () => {
    const store = makeMemory()
    const secrets = ["a collection", "a certain key", "a certain value"]
    const [collection, key, said] = secrets
    applyAll(sure(open(store)), [
      entry({
        id: 1,
        action: value(said ?? ""),
        ...collection === undefined ? {} : { collection },
        ...key === undefined ? {} : { key }
      }),
      entry({ id: 3, parents: [2], action: value(said ?? "") })
    ])
    const all = rowsOf(store).flatMap(({ key, value }) => [Bytes.toHex(key), Bytes.toHex(value)]).join(" ")
    const names = ["1", "2", "3"].map((id) => id.padStart(64, "0"))
    for (const secret of secrets) {
      assert.notInclude(all, Bytes.toHex(Utf8.encode(secret)))
      assert.notInclude(all, Bytes.toHex(Utf8.encode(secret.split("").join("\0"))))
    }
    for (const name of names) assert.notInclude(all, name, "names of entries are hashes of what they say")
    assert.isAbove(rowsOf(store).length, 4)
  })

  it("do not open under another key, and can be dropped", () => {
    const store = forked()
    const other = open(store, keystoreOf("another key"))
    const failure = Effect.runSync(Effect.flip(other.mark))
    assert.strictEqual(failure._tag, "ItemsDamaged")
    Effect.runSync(Effect.orDie(other.drop))
    assert.deepStrictEqual(rowsOf(store), [])
    applyAll(sure(other), FORKED)
    assert.deepStrictEqual(seen(sure(open(store, keystoreOf("another key")))), model(FORKED))
  })

  it("of another version are no guess: they are damaged", () => {
    const store = forked()
    const [layout] = rowsOf(store).filter(({ key }) => key[0] === TABLE.layout)
    if (layout === undefined) throw new Error("no layout")
    // An array of two: the version is the byte behind the count.
    const later = layout.value.slice()
    later[1] = 2
    Effect.runSync(Effect.orDie(store.commit([{ key: layout.key, value: later }])))
    assert.include(Effect.runSync(Effect.flip(open(store).mark)), { _tag: "ItemsDamaged", detail: "layout 2" })
  })

  it("are damaged without their layout, and dropping goes on where it ended", () => {
    const store = forked()
    Effect.runSync(Effect.orDie(store.commit([{ key: Uint8Array.of(TABLE.layout) }])))
    const items = open(store)
    assert.strictEqual(Effect.runSync(Effect.flip(items.mark))._tag, "ItemsDamaged")
    Effect.runSync(Effect.orDie(items.drop))
    assert.strictEqual(Effect.runSync(Effect.orDie(items.mark)), 0)
  })

  it("answer rightly or say that they are damaged, whichever row was changed, removed or put in another's place", () => {
    const whole = forked()
    const rows = rowsOf(whole)
    const expected = model(FORKED)
    let damaged = 0
    for (const [at, { key, value }] of rows.entries()) {
      const flipped = value.slice()
      flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
      const another = rows.find((other) => other.key[0] === key[0] && other.value.length > 1 && other.key !== key)
      for (const changed of [flipped, undefined, another?.value]) {
        if (key[0] === TABLE.entry && value.length === 1) continue
        const store = copyOf(whole)
        Effect.runSync(Effect.orDie(store.commit([changed === undefined ? { key } : { key, value: changed }])))
        const exit = Effect.runSyncExit(Effect.suspend(() => {
          const items = open(store)
          return Effect.flatMap(
            items.scan({ collection: "a", prefix: "", limit: 9 }),
            (a) =>
              Effect.flatMap(
                items.scan({ collection: "b", prefix: "", limit: 9 }),
                (b) => Effect.map(items.waiting({ limit: 9 }), (waiting) => ({ heads: [...a, ...b], waiting }))
              )
          )
        }))
        if (Exit.isFailure(exit)) {
          damaged++
          assert.include(JSON.stringify(exit.cause), "ItemsDamaged", `row ${at}`)
        } else {
          const heads = exit.value.heads.map((
            { collection, heads, key }
          ) => [collection, key, heads.map(({ id }) => id)])
          assert.deepStrictEqual(heads, expected.heads.map((one) => [...one]), `row ${at}`)
        }
      }
    }
    assert.isAbove(damaged, 10)
  })

  it("are asked about anything: also text that has no UTF-8 form, and text without end", () => {
    const items = sure(open(forked()))
    for (const key of ["\ud800", "k".repeat(100_000), ""]) {
      assert.deepStrictEqual(Effect.runSync(items.heads([{ collection: "a", key }])), [[]])
      assert.deepStrictEqual(Effect.runSync(items.scan({ collection: "\udc00", prefix: key, limit: 1 })), [])
    }
  })

  it("keep their keys no longer than their scope", () => {
    const scope = Effect.runSync(Scope.make())
    const items = Effect.runSync(
      Scope.provide(DurableItemStore.make({ crypto, keystore, store: forked() }), scope)
    )
    assert.strictEqual(Effect.runSync(Effect.orDie(items.mark)), 0)
    Effect.runSync(Scope.close(scope, Exit.void))
    assert.include(Effect.runSync(Effect.flip(items.mark)), { _tag: "StoreFailed", reason: "unavailable" })
  })
})
