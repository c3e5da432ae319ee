/** Many at once, and secrets. */
import { assert } from "@effect/vitest"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import type { Incoming } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import {
  append,
  chainOf,
  filled,
  incoming,
  incomings,
  open,
  position,
  positionsOf,
  range,
  read,
  state,
  storedOf,
  type Test
} from "./operations.ts"

export const concurrency = (test: Test) => {
  test(
    "many appends at once: contiguous, each answered for itself, one chain",
    Effect.gen(function*() {
      for (const route of [1, 2, 3]) yield* open(route)
      const jobs = range(0, 299).map((n) => ({ route: 1 + n % 3, envelopes: incomings(n * 10, n * 10 + n % 5) }))
      const answers = yield* Effect.forEach(jobs, (job) => append(job.envelopes, { route: job.route }), {
        concurrency: "unbounded"
      })
      for (const route of [1, 2, 3]) {
        const byPosition = new Map<number, Incoming>()
        for (const [i, job] of jobs.entries()) {
          if (job.route !== route) continue
          const answer = answers[i]
          assert.isDefined(answer)
          const positions = storedOf(answer)
          assert.deepStrictEqual(positions, range(positions[0] ?? 0, (positions[0] ?? 0) + job.envelopes.length - 1))
          assert.isAtLeast(answer.position, positions.at(-1) ?? Number.NaN)
          job.envelopes.forEach((envelope, k) => byPosition.set(positions[k] ?? -1, envelope))
        }
        const order = range(1, byPosition.size).flatMap((at) => byPosition.get(at) ?? [])
        assert.strictEqual(order.length, byPosition.size)
        const after = yield* state(route)
        assert.deepStrictEqual([after.position, after.chain], [position(order.length), chainOf(order)])
        const page = yield* read(0, { route })
        assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), order.map(({ bytes }) => bytes))
        for (const [i, job] of jobs.entries()) {
          const answer = answers[i]
          if (job.route !== route || answer === undefined) continue
          assert.deepStrictEqual(answer.chain, chainOf(order.slice(0, answer.position)))
        }
      }
    })
  )

  test(
    "one envelope from many at once is stored once",
    Effect.gen(function*() {
      yield* open()
      const answers = yield* Effect.forEach(range(1, 50), (n) => append([incoming(1000 + n), incoming(7)]), {
        concurrency: "unbounded"
      })
      const sevens = answers.map((answer) => answer.stored[1])
      assert.strictEqual(new Set(sevens.map((stored) => stored?.position)).size, 1)
      assert.strictEqual(sevens.filter((stored) => stored?.duplicate === false).length, 1)
      assert.deepStrictEqual(positionsOf(yield* read()), range(1, 51))
    })
  )

  test(
    "a quota is never overdrawn, and each is refused for itself",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 1000 })
      yield* open(2)
      const answers = yield* Effect.forEach(
        range(1, 60),
        (n) => Effect.result(append([incoming(n)], { route: 1 + n % 2 })),
        { concurrency: "unbounded" }
      )
      const first = answers.filter((_, i) => (i + 1) % 2 === 0)
      assert.strictEqual(first.filter(Result.isSuccess).length, 10)
      assert.isTrue(answers.filter((_, i) => (i + 1) % 2 === 1).every(Result.isSuccess))
      assert.strictEqual((yield* state(1)).usedBytes, 1000)
      assert.strictEqual((yield* state(2)).position, 30)
    })
  )

  test(
    "appends to an unknown route do not hurt those beside them",
    Effect.gen(function*() {
      yield* open(1)
      const answers = yield* Effect.forEach(
        range(1, 40),
        (n) => Effect.result(append([incoming(n)], { route: 1 + n % 2 })),
        { concurrency: "unbounded" }
      )
      answers.forEach((answer, i) => assert.strictEqual(Result.isSuccess(answer), (i + 1) % 2 === 0))
      assert.strictEqual((yield* state(1)).position, 20)
    })
  )

  test(
    "an interrupted append happened wholly or not at all",
    Effect.gen(function*() {
      yield* open()
      for (const n of range(1, 20)) {
        const fiber = yield* Effect.forkChild(append([incoming(n * 2), incoming(n * 2 + 1)]))
        if (n % 2 === 0) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      const settled = yield* append([incoming(1)])
      const page = yield* read()
      assert.deepStrictEqual(positionsOf(page), range(1, settled.position))
      assert.strictEqual(settled.position % 2, 1)
      assert.strictEqual((yield* state()).usedBytes, settled.position * 100)
      const again = yield* append(incomings(1, 41))
      assert.strictEqual(again.position, 41)
    })
  )
}

export const secrets = (test: Test) => {
  test(
    "a secret is written once",
    Effect.gen(function*() {
      const { secret } = yield* RelayStore
      assert.isUndefined(yield* secret.get("key"))
      const value = filled(96, "secret", 1)
      assert.deepStrictEqual(yield* secret.set("key", value), filled(96, "secret", 1))
      value.fill(0)
      assert.deepStrictEqual(yield* secret.set("key", filled(5, "secret", 2)), filled(96, "secret", 1))
      assert.deepStrictEqual(yield* secret.get("key"), filled(96, "secret", 1))
      assert.isUndefined(yield* secret.get("other"))
    })
  )
}
