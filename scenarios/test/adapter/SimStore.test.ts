import { assert, describe, it } from "@effect/vitest"
import { Store } from "@sotto/core/Store"
import * as SimStore from "@sotto/scenarios/adapter/SimStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { storeConformance } from "../../../packages/core/test/kit/storeConformance.ts"
import { crashes, smallDisk } from "../../../simulation/test/kit/SmallDisk.ts"
import { fail, failings, openings, textOf } from "../kit/disks.ts"

storeConformance("simulated disk", () => Layer.effect(Store, SimStore.open(openings()())), {
  reopen: () => {
    const open = openings()
    return () => Layer.effect(Store, SimStore.open(open()))
  }
})

const key = (n: number) => Uint8Array.of(n)

describe("SimStore", () => {
  it("keeps every commit that it answered for, whole, wherever the process dies", () => {
    const program = (files: Parameters<typeof SimStore.open>[0], answered: Array<number>) =>
      Effect.gen(function*() {
        const store = yield* SimStore.open(files)
        for (let n = 1; n <= 4; n++) {
          yield* store.commit([{ key: key(n), value: key(n) }, { key: key(100 + n), value: key(n) }])
          answered.push(n)
        }
      })
    const calm = smallDisk(1n)
    calm.run((files) => program(files, []))
    for (const { law, place } of crashes(0, calm.operations())) {
      const world = smallDisk(1n)
      const answered: Array<number> = []
      world.run((files) => program(files, answered), place)
      world.disk.crash(law)
      const exit = world.run((files) =>
        Effect.flatMap(SimStore.open(files), (store) => store.scan({ from: key(0), to: key(255), limit: 100 }))
      )
      assert(exit?._tag === "Success", JSON.stringify({ place, law, exit }))
      const found = exit.value.map((pair) => pair.key[0] ?? 0)
      const half = found.length / 2
      assert.deepStrictEqual(found.slice(half), found.slice(0, half).map((n) => 100 + n))
      assert.isAtLeast(half, answered.length)
      assert.deepStrictEqual(found.slice(0, half), [1, 2, 3, 4].slice(0, half))
    }
  })

  it("opens its journal again when a disk broke it, wherever that is, and keeps what it answered for", () => {
    const law = {
      latency: { append: { kind: "constant", micros: 5 }, sync: { kind: "constant", micros: 100 } }
    } as const
    const all = { from: key(0), to: key(255), limit: 100 }
    const program = (files: Parameters<typeof SimStore.open>[0], answered: Set<number>) =>
      Effect.gen(function*() {
        const store = yield* SimStore.open(files)
        const commit = (n: number) =>
          Effect.map(store.commit([{ key: key(n), value: key(n) }]), () => {
            answered.add(n)
          })
        yield* Effect.forEach(
          [1, 4, 7, 10],
          (from) => Effect.forEach([0, 1, 2], (k) => Effect.exit(commit(from + k))),
          { concurrency: "unbounded" }
        )
        yield* Effect.retry(commit(13), { times: 4 })
        return yield* store.scan(all)
      })
    const opening = smallDisk(1n, law)
    opening.run(SimStore.open)
    const calm = smallDisk(1n, law)
    calm.run((files) => program(files, new Set()))
    let refused = 0
    for (const failing of failings(opening.operations(), calm.operations())) {
      const world = smallDisk(failing.seed, law, 0.2)
      const unhook = fail(world.disk, failing)
      const answered = new Set<number>()
      const exit = world.run((files) => program(files, answered))
      unhook()
      const again = world.run((files) => Effect.flatMap(SimStore.open(files), (store) => store.scan(all)))
      const place = textOf(failing)
      assert(exit?._tag === "Success" && again?._tag === "Success", place)
      assert.deepStrictEqual(again.value, exit.value, place)
      const kept = new Set(exit.value.map((pair) => pair.key[0]))
      for (const one of answered) assert.isTrue(kept.has(one), place)
      if (answered.size < 13) refused++
    }
    assert.isAbove(refused, 50)
  })
})
