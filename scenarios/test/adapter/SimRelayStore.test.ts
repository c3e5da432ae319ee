import { assert, describe, it } from "@effect/vitest"
import { RelayStore, type RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as SimRelayStore from "@sotto/scenarios/adapter/SimRelayStore"
import type { Files } from "@sotto/simulation/Files"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  append,
  hashOf,
  incomings,
  open,
  read,
  setEpoch,
  state
} from "../../../packages/core/test/kit/relayStore/operations.ts"
import { relayStoreConformance } from "../../../packages/core/test/kit/relayStoreConformance.ts"
import { sha256 } from "../../../packages/runtime-node/test/kit/sha256.ts"
import { crashes, smallDisk } from "../../../simulation/test/kit/SmallDisk.ts"
import { fail, failings, openings, textOf } from "../kit/disks.ts"

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

  it("opens its journal again when a disk broke it, wherever that is, and keeps what it answered for", () => {
    const law = {
      latency: { append: { kind: "constant", micros: 5 }, sync: { kind: "constant", micros: 100 } }
    } as const
    /** Appends of two, some of which meet, so that those that share a sync fail together. */
    const program = (files: Files, answered: Map<number, Uint8Array>, onOpen: () => void = () => undefined) =>
      within(
        files,
        Effect.gen(function*() {
          yield* open(1)
          // Done a second time, they would look as if they came later.
          yield* setEpoch({ before: 1, epoch: 2, op: 1, force: true })
          yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(1), op: 2, force: true })
          yield* Effect.sync(onOpen)
          const pair = (n: number) => {
            const envelopes = incomings(2 * n + 1, 2 * n + 2)
            return Effect.map(append(envelopes), ({ stored }) => {
              envelopes.forEach(({ bytes }, i) => answered.set(stored[i]?.position ?? -1, bytes))
            })
          }
          // Each of four goes on by itself, so that some meet and some do not.
          yield* Effect.forEach(
            [0, 3, 6, 9],
            (from) => Effect.forEach([0, 1, 2], (k) => Effect.exit(pair(from + k))),
            { concurrency: "unbounded" }
          )
          const before = answered.size
          yield* Effect.retry(pair(12), { times: 4 })
          return { accepts: answered.size - before, page: yield* read(0), route: yield* state() }
        })
      )
    const calm = smallDisk(1n, law)
    let first = 0
    calm.run((files) =>
      program(files, new Map(), () => {
        first = calm.operations()
      })
    )
    let refused = 0
    let found = 0
    for (const failing of failings(first, calm.operations())) {
      const world = smallDisk(failing.seed, law, 0.2)
      const unhook = fail(world.disk, failing)
      const answered = new Map<number, Uint8Array>()
      const exit = world.run((files) => program(files, answered))
      unhook()
      const again = world.run((files) => within(files, Effect.all({ page: read(0), route: state() })))
      const place = textOf(failing)
      assert(exit?._tag === "Success" && again?._tag === "Success", place)
      const { accepts, page, route } = exit.value
      assert.strictEqual(accepts, 2, place)
      assert.strictEqual(route.position, page.envelopes.length, place)
      assert.deepStrictEqual(again.value.page, page, place)
      assert.deepStrictEqual(again.value.route.chain, route.chain, place)
      assert.deepStrictEqual(again.value.route.past, route.past, place)
      for (const [position, bytes] of answered) {
        assert.deepStrictEqual(page.envelopes[position - 1]?.bytes, bytes, place)
      }
      if (answered.size < 26) refused++
      if (answered.size < page.envelopes.length) found++
    }
    assert.isAbove(refused, 50)
    assert.isAbove(found, 5, "what was said to have failed is there when the journal is opened again")
  })
})
