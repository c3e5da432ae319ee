import { assert, describe, it } from "@effect/vitest"
import { Store } from "@sotto/core/Store"
import * as SimStore from "@sotto/scenarios/adapter/SimStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { storeConformance } from "../../../packages/core/test/kit/storeConformance.ts"
import { crashes, smallDisk } from "../../../simulation/test/kit/SmallDisk.ts"
import { openings } from "../kit/disks.ts"

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
})
