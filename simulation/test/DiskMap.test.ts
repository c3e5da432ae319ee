import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { DiskFailed } from "../src/Disk.ts"
import * as DiskMap from "../src/DiskMap.ts"
import type { Files } from "../src/Files.ts"
import { crashes, crashLaws, smallDisk } from "./kit/SmallDisk.ts"

type Batch = ReadonlyArray<DiskMap.Write>
type State = ReadonlyArray<readonly [string, string]>

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** What a map holds after some batches. */
const fold = (batches: ReadonlyArray<Batch>): State => {
  const map = new Map<string, string>()
  for (const { key, value } of batches.flat()) {
    if (value === undefined) map.delete(hex(key))
    else map.set(hex(key), hex(value))
  }
  return [...map].toSorted(([x], [y]) => x < y ? -1 : 1)
}

const all: DiskMap.Range = { from: new Uint8Array(0), to: new Uint8Array(9).fill(255), limit: 1_000 }

const stateOf = (map: DiskMap.DiskMap) =>
  Effect.map(map.scan(all), (pairs): State => pairs.map(({ key, value }) => [hex(key), hex(value)]))

const options = { compactBytes: 150 }

const commitAll = (files: Files, batches: ReadonlyArray<Batch>, onAnswered: (k: number) => void, concurrency = 1) =>
  Effect.flatMap(
    DiskMap.open(files, options),
    (map) => Effect.forEach(batches, (batch, k) => Effect.map(map.commit(batch), () => onAnswered(k)), { concurrency })
  )

const reopen = (files: Files) => Effect.flatMap(DiskMap.open(files, options), stateOf)

const keys = fc.uint8Array({ minLength: 1, maxLength: 2, max: 2 })
const write: fc.Arbitrary<DiskMap.Write> = fc.record(
  { key: keys, value: fc.uint8Array({ maxLength: 12 }) },
  { requiredKeys: ["key"] }
)
const batches = fc.array(fc.array(write, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 })
const seeds = fc.bigInt({ min: 0n, max: 1000n })

const valueOf = <A, E>(exit: Exit.Exit<A, E> | undefined): A => {
  if (exit === undefined || Exit.isFailure(exit)) throw new Error(`no value: ${String(exit)}`)
  return exit.value
}

/** The state is that after some of the batches, in order, and at least so many. */
const assertPrefix = (state: State, all: ReadonlyArray<Batch>, answered: number, what: string) => {
  const text = JSON.stringify(state)
  const possible = all.slice(answered).map((_, more) => JSON.stringify(fold(all.slice(0, answered + more + 1))))
  assert.include([JSON.stringify(fold(all.slice(0, answered))), ...possible], text, what)
}

describe("a map over a disk", () => {
  it("agrees with a model, after a restart too", () => {
    fc.assert(fc.property(batches, seeds, (all, seed) => {
      const small = smallDisk(seed, { shortRead: 0.5 })
      valueOf(small.run((files) => commitAll(files, all, () => undefined)))
      assert.deepStrictEqual(valueOf(small.run(reopen)), fold(all))
      small.disk.crash({ kind: "none" })
      assert.deepStrictEqual(valueOf(small.run(reopen)), fold(all))
    }))
  })

  it("scans like a model: order, borders, limit, reverse; and hands out copies", () => {
    const key = fc.uint8Array({ maxLength: 3 })
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { selector: hex, maxLength: 90 }),
        key,
        key,
        fc.nat(10),
        fc.boolean(),
        (own, from, to, limit, reverse) => {
          const small = smallDisk(1n)
          const inside = own.filter((k) => hex(k) >= hex(from) && hex(k) < hex(to)).map(hex).toSorted()
          const found = valueOf(small.run((files) =>
            Effect.gen(function*() {
              const map = yield* DiskMap.open(files)
              yield* map.commit(own.map((k) => ({ key: k, value: k })))
              for (const pair of yield* map.scan({ ...all, reverse: true })) pair.value.fill(9)
              const got = yield* map.get(own[0] ?? from)
              assert.strictEqual(
                got === undefined ? undefined : hex(got),
                own[0] === undefined ? undefined : hex(own[0])
              )
              return yield* map.scan({ from, to, limit, reverse })
            })
          ))
          assert.deepStrictEqual(
            found.map((pair) => hex(pair.value)),
            (reverse ? inside.toReversed() : inside).slice(0, limit)
          )
        }
      )
    )
  })

  it("keeps what it answered for and halves nothing, at a crash at every operation, with every law", () => {
    fc.assert(
      fc.property(batches, seeds, fc.constantFrom(1, 3), fc.constantFrom(0, 0.3), (all, seed, concurrency, preempt) => {
        const whole = smallDisk(seed, {}, preempt)
        whole.run((files) => commitAll(files, all, () => undefined, concurrency))
        for (const { law, place } of crashes(0, whole.operations())) {
          const what = `${place.phase} ${place.n}, ${law.kind}`
          const small = smallDisk(seed, {}, preempt)
          const answered: Array<number> = []
          assert.isUndefined(small.run((files) => commitAll(files, all, (k) => answered.push(k), concurrency), place))
          small.disk.crash(law)
          const state = valueOf(small.run(reopen))
          assert.deepStrictEqual(small.disk.losses, [])
          if (concurrency === 1 || preempt === 0) assertPrefix(state, all, answered.length, what)
          // What was read once stays, whatever the next crash does.
          small.disk.crash({ kind: "none" })
          assert.deepStrictEqual(valueOf(small.run(reopen)), state, what)
        }
      }),
      { numRuns: 12 }
    )
  })

  it("survives a crash during the recovery from a crash, and goes on from there", () => {
    fc.assert(
      fc.property(batches, seeds, fc.constantFrom(...crashLaws), fc.nat(), (all, seed, law, at) => {
        const whole = smallDisk(seed)
        whole.run((files) => commitAll(files, all, () => undefined))
        const n = at % whole.operations()
        for (const second of crashes(0, 7)) {
          const small = smallDisk(seed)
          const answered: Array<number> = []
          small.run((files) => commitAll(files, all, (k) => answered.push(k)), { n, phase: "after" })
          small.disk.crash(law)
          small.run(reopen, { n: small.operations() + second.place.n, phase: second.place.phase })
          small.disk.crash(second.law)
          const state = valueOf(small.run(reopen))
          assertPrefix(state, all, answered.length, second.law.kind)
          const last: Batch = [{ key: Uint8Array.of(7), value: Uint8Array.of(7) }]
          valueOf(small.run((files) => commitAll(files, [last], () => undefined)))
          small.disk.crash({ kind: "none" })
          assert.deepStrictEqual(valueOf(small.run(reopen)), [...state, ["07", "07"]])
        }
      }),
      { numRuns: 25 }
    )
  })

  it("has exactly what it answered for when any one operation fails", () => {
    fc.assert(
      fc.property(batches, seeds, fc.constantFrom("full" as const, "unavailable" as const), (all, seed, reason) => {
        const whole = smallDisk(seed)
        whole.run((files) => commitAll(files, all, () => undefined))
        for (let failing = 0; failing < whole.operations(); failing++) {
          const small = smallDisk(seed)
          small.disk.onOperation(({ n, phase }) => n === failing && phase === "before" ? reason : undefined)
          const done: Array<Batch> = []
          const failures: Array<DiskFailed> = []
          const exit = small.run((files) =>
            Effect.gen(function*() {
              const map = yield* Effect.retry(DiskMap.open(files, options), { times: 1 })
              for (const batch of all) {
                yield* Effect.match(map.commit(batch), {
                  onFailure: (failed) => failures.push(failed),
                  onSuccess: () => done.push(batch)
                })
                assert.deepStrictEqual(yield* stateOf(map), fold(done))
              }
            })
          )
          assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
          assert.isAtMost(failures.length, 1)
          for (const failed of failures) assert.strictEqual(failed.reason, reason)
          small.disk.crash(crashLaws[failing % crashLaws.length] ?? { kind: "all" })
          assert.deepStrictEqual(valueOf(small.run(reopen)), fold(done))
        }
      }),
      { numRuns: 30 }
    )
  })

  it("keeps what it had when the disk is full, and goes on when there is room again", () => {
    fc.assert(fc.property(batches, seeds, fc.integer({ min: 1, max: 300 }), (all, seed, quotaBytes) => {
      const small = smallDisk(seed, { quotaBytes })
      const done: Array<Batch> = []
      const commit = (files: Files) =>
        Effect.flatMap(
          DiskMap.open(files, options),
          (map) =>
            Effect.forEach(all, (batch) =>
              Effect.match(map.commit(batch), {
                onFailure: (failed) => assert.strictEqual(failed.reason, "full"),
                onSuccess: () => {
                  done.push(batch)
                }
              }))
        )
      valueOf(small.run(commit))
      small.disk.crash({ kind: "any" })
      assert.deepStrictEqual(valueOf(small.run(reopen)), fold(done))
      small.disk.law = { ...small.disk.law, quotaBytes: 0 }
      const before = done.length
      valueOf(small.run(commit))
      assert.strictEqual(done.length, before + all.length)
      assert.deepStrictEqual(valueOf(small.run(reopen)), fold(done))
    }))
  })

  it("loses what it answered for only when the disk says so", () => {
    let lost = 0
    fc.assert(
      fc.property(batches, seeds, fc.constantFrom(...crashLaws), fc.nat(5), (all, seed, law, from) => {
        const small = smallDisk(seed)
        let honest: (() => void) | undefined
        valueOf(small.run((files) =>
          commitAll(files, all, (k) => {
            if (k === from) honest = small.disk.lie()
          })
        ))
        honest?.()
        small.disk.crash(law)
        const exit = small.run(reopen)
        const same = exit !== undefined && Exit.isSuccess(exit) &&
          JSON.stringify(exit.value) === JSON.stringify(fold(all))
        if (!same) {
          lost++
          assert.isNotEmpty(small.disk.losses)
        }
      }),
      { numRuns: 200 }
    )
    assert.isAbove(lost, 10)
  })

  it("opens as corrupt, or without its last batches, when bits rot; the disk says so", () => {
    let corrupt = 0
    fc.assert(fc.property(batches, seeds, (all, seed) => {
      const small = smallDisk(seed)
      valueOf(small.run((files) => Effect.flatMap(DiskMap.open(files), (map) => Effect.forEach(all, map.commit))))
      assert.isTrue(small.disk.rot("map"))
      assert.strictEqual(small.disk.losses[0]?.kind, "rot")
      const exit = small.run(reopen)
      if (exit !== undefined && Exit.isSuccess(exit)) assertPrefix(exit.value, all, 0, "rot")
      else corrupt++
    }))
    assert.isAbove(corrupt, 10)
  })

  it("takes the time of the disk to commit, and none to read", () => {
    const small = smallDisk(1n, { latency: { sync: { kind: "constant", micros: 5_000 } } })
    valueOf(small.run((files) =>
      Effect.gen(function*() {
        const map = yield* DiskMap.open(files)
        const now = () => small.timeline.nowMicros()
        const before = now()
        yield* map.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }])
        assert.strictEqual(now() - before, 5_000)
        yield* map.get(Uint8Array.of(1))
        yield* map.scan(all)
        assert.strictEqual(now() - before, 5_000)
      })
    ))
  })

  it("takes a copy of what it is given", () => {
    const small = smallDisk(1n, { latency: { sync: { kind: "constant", micros: 5_000 } } })
    const [key, value] = [Uint8Array.of(1), Uint8Array.of(2)]
    small.timeline.schedule(7_000, () => {
      key.fill(9)
      value.fill(9)
    })
    const state = small.run((files) =>
      Effect.flatMap(DiskMap.open(files), (map) => Effect.andThen(map.commit([{ key, value }]), stateOf(map)))
    )
    assert.deepStrictEqual(valueOf(state), [["01", "02"]])
    assert.deepStrictEqual(valueOf(small.run(reopen)), [["01", "02"]])
  })
})
