/** Random commands against the memory store, and a restart. */
import { assert, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as fc from "fast-check"
import {
  ack,
  append,
  chainOf,
  filled,
  hashOf,
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
  read,
  readAt,
  setEpoch,
  state,
  storedOf,
  sweep
} from "./operations.ts"

type Command =
  | { readonly _tag: "append"; readonly ids: ReadonlyArray<number>; readonly ttl: number }
  | { readonly _tag: "ack"; readonly tag: number; readonly at: number }
  | { readonly _tag: "prune"; readonly ids: ReadonlyArray<number>; readonly grace: number }
  | { readonly _tag: "sweep"; readonly limit: number }
  | { readonly _tag: "wait"; readonly millis: number }
  | { readonly _tag: "read"; readonly after: number; readonly limit: number; readonly lane: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    _tag: fc.constant("append" as const),
    ids: fc.array(fc.nat({ max: 40 }), { maxLength: 6 }),
    ttl: fc.integer({ min: -1, max: 60 })
  }),
  fc.record({ _tag: fc.constant("ack" as const), tag: fc.nat({ max: 2 }), at: fc.nat({ max: 30 }) }),
  fc.record({
    _tag: fc.constant("prune" as const),
    ids: fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
    grace: fc.nat({ max: 30 })
  }),
  fc.record({ _tag: fc.constant("sweep" as const), limit: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ _tag: fc.constant("wait" as const), millis: fc.nat({ max: 40 }) }),
  fc.record({
    _tag: fc.constant("read" as const),
    after: fc.nat({ max: 40 }),
    limit: fc.integer({ min: 1, max: 10 }),
    lane: fc.nat({ max: 3 })
  })
)

/** The same commands on both stores give the same answers and the same state after each. */
export const model = (makeLayer: () => Layer.Layer<RelayStore, unknown>) => {
  const enveloped = (n: number) => incoming(n, { lane: n % 3, bytes: 50 + n })
  const run = (commands: ReadonlyArray<Command>) =>
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 1500 })
      const seen: Array<unknown> = []
      let now = NOW
      for (const each of commands) {
        switch (each._tag) {
          case "append": {
            const options = { at: now, ...(each.ttl < 0 ? {} : { expires: now + each.ttl }) }
            seen.push(yield* Effect.result(append(each.ids.map(enveloped), options)))
            break
          }
          case "ack":
            seen.push(yield* ack(each.tag, each.at, now))
            break
          case "prune":
            seen.push(yield* prune(each.ids.map(enveloped), { at: now, expires: now + each.grace }))
            break
          case "sweep":
            seen.push(yield* sweep({ at: now, activeSince: now - 60, knownSince: now - 90, limit: each.limit }))
            break
          case "wait":
            now += each.millis
            break
          case "read": {
            const lanes = each.lane === 3 ? [] : [laneOf(each.lane)]
            seen.push(yield* read(each.after, { lanes, limit: each.limit, bytesMax: 400 }))
            seen.push(yield* ids(each.after, { lanes, limit: each.limit }))
            seen.push(yield* places([[each.after + 1, each.after + each.limit, each.limit]], lanes))
            seen.push(yield* readAt([each.after, each.after + 1, each.after + each.limit], { bytesMax: 200 }))
          }
        }
        seen.push(yield* state())
      }
      return seen
    })
  const runMemory = (commands: ReadonlyArray<Command>) =>
    Effect.provideService(run(commands), RelayStore, MemoryRelayStore.make({ sha256 }))
  it.effect("random commands answer as the memory store does", () =>
    Effect.gen(function*() {
      const samples = fc.sample(fc.array(command, { minLength: 5, maxLength: 60 }), { numRuns: 60, seed: 20_261_121 })
      for (const commands of samples) {
        const actual = yield* Effect.provide(run(commands), makeLayer(), { local: true })
        assert.deepStrictEqual(actual, yield* runMemory(commands), JSON.stringify(commands))
      }
    }))
}

export const restart = (reopen: () => () => Layer.Layer<RelayStore, unknown>) => {
  it.effect("everything that was answered is there after a restart", () =>
    Effect.gen(function*() {
      const again = reopen()
      const within = <A, E>(body: Effect.Effect<A, E, RelayStore>) => Effect.provide(body, again(), { local: true })
      yield* within(Effect.gen(function*() {
        yield* open(1, { quotaBytes: 2000 })
        yield* open(2, { retention: { _tag: "Vault" } })
        yield* append(incomings(1, 6), { expires: NOW + 1000 })
        yield* append(incomings(1, 3), { route: 2 })
        yield* setEpoch({ before: 1, epoch: 2, op: 2 })
        yield* append([incoming(7, { lane: 5 })])
        yield* ack(1, 2)
        assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
        yield* ack(1, 3)
        yield* RelayStore.use((store) => store.secret.set("key", filled(96, "secret", 1)))
      }))
      const before = yield* within(Effect.all([state(1), state(2), read(0), read(0, { route: 2 }), ids(2)]))
      yield* within(Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* Effect.all([state(1), state(2), read(0), read(0, { route: 2 }), ids(2)]),
          before
        )
        assert.deepStrictEqual(positionsOf(yield* read(0)), [3, 4, 5, 6, 7])
        assert.deepStrictEqual(positionsOf(yield* read(0, { lanes: [laneOf(5)] })), [7])
        const appended = yield* append([incoming(1), incoming(5), incoming(8)])
        assert.deepStrictEqual(storedOf(appended), [1, 5, 8])
        assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 8)))
        assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
        assert.deepStrictEqual(yield* sweep({ at: NOW + 1000 }), { ...NONE, expired: 3 })
        assert.isTrue(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(2), op: 3 }))
        assert.deepStrictEqual((yield* state(1)).past.map((past) => past.position), [position(6), position(8)])
        assert.deepStrictEqual(
          yield* RelayStore.use((store) => store.secret.get("key")),
          filled(96, "secret", 1)
        )
      }))
      yield* within(Effect.gen(function*() {
        assert.strictEqual((yield* state(1)).lowest, 7)
        assert.deepStrictEqual(storedOf(yield* append([incoming(2), incoming(9)])), [2, 9])
        assert.deepStrictEqual(yield* sweep({ knownSince: NOW + 1 }), { ...NONE, forgotten: 6 })
      }))
    }))
}
