import { assert, describe, it } from "@effect/vitest"
import { RelayStore, type RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as SimRelayStore from "@sotto/scenarios/adapter/SimRelayStore"
import type { Files } from "@sotto/simulation/Files"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { append, incomings, open, read, state } from "../../../packages/core/test/kit/relayStore/operations.ts"
import { relayStoreConformance } from "../../../packages/core/test/kit/relayStoreConformance.ts"
import { sha256 } from "../../../packages/runtime-node/test/kit/sha256.ts"
import { crashes, smallDisk } from "../../../simulation/test/kit/SmallDisk.ts"
import { openings } from "../kit/disks.ts"

const layer = (files: Files) => Layer.effect(RelayStore, SimRelayStore.open(files, { sha256 }))

relayStoreConformance("simulated disk", () => layer(openings()()), {
  reopen: () => {
    const again = openings()
    return () => layer(again())
  }
})

const within = <A, E>(files: Files, body: Effect.Effect<A, E, RelayStore>): Effect.Effect<A, E | RelayStoreFailed> =>
  Effect.provide(body, layer(files), { local: true })

describe("SimRelayStore", () => {
  it("lets appends that meet share a sync, and tells each where the last of them left the route", () => {
    const world = smallDisk(1n, { latency: { sync: { kind: "constant", micros: 1000 } } })
    let syncs = 0
    world.disk.onOperation(({ kind, phase }) => {
      if (kind === "sync" && phase === "before") syncs++
      return undefined
    })
    const exit = world.run((files) =>
      within(
        files,
        Effect.gen(function*() {
          yield* open(1)
          const before = syncs
          const answers = yield* Effect.forEach(
            Array.from({ length: 20 }, (_, n) => n),
            (n) => append(incomings(n, n)),
            {
              concurrency: "unbounded"
            }
          )
          return { syncs: syncs - before, positions: new Set(answers.map(({ position }) => position)) }
        })
      )
    )
    assert(exit?._tag === "Success")
    assert.deepStrictEqual(exit.value, { syncs: 2, positions: new Set([1, 20]) })
  })

  it("shows nothing that is not durable, and keeps all that it answered for, wherever the relay dies", () => {
    const program = (files: Files, answered: Array<number>) =>
      within(
        files,
        Effect.gen(function*() {
          yield* open(1)
          for (let n = 1; n <= 3; n++) {
            yield* append(incomings(2 * n - 1, 2 * n))
            answered.push(n)
          }
        })
      )
    const calm = smallDisk(1n)
    calm.run((files) => program(files, []))
    for (const { law, place } of crashes(0, calm.operations())) {
      const world = smallDisk(1n)
      const answered: Array<number> = []
      world.run((files) => program(files, answered), place)
      world.disk.crash(law)
      const exit = world.run((files) =>
        within(files, Effect.andThen(open(1), Effect.all({ page: read(0), route: state() })))
      )
      assert(exit?._tag === "Success", JSON.stringify({ place, law, exit }))
      const { page, route } = exit.value
      assert.isAtLeast(page.envelopes.length, 2 * answered.length)
      assert.strictEqual(page.envelopes.length % 2, 0)
      assert.strictEqual(route.position, page.envelopes.length)
    }
  })
})
