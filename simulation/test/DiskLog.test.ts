import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as DiskLog from "../src/DiskLog.ts"
import type { Files } from "../src/Files.ts"
import { readBytes } from "../src/Journal.ts"
import { crashes, smallDisk } from "./kit/SmallDisk.ts"

const records = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 8 })
const seeds = fc.bigInt({ min: 0n, max: 1000n })
const texts = (all: ReadonlyArray<Uint8Array>) => all.map((record) => record.join())

const recover = (files: Files) => Effect.map(DiskLog.open(files, "log"), (log) => texts(log.recovered))

const appendAll = (
  files: Files,
  all: ReadonlyArray<Uint8Array>,
  concurrency: number,
  onAnswered: (k: number) => void
) =>
  Effect.flatMap(
    DiskLog.open(files, "log"),
    (log) => Effect.forEach(all, (record, k) => Effect.map(log.append(record), () => onAnswered(k)), { concurrency })
  )

const valueOf = <A, E>(exit: Exit.Exit<A, E> | undefined): A => {
  if (exit === undefined || Exit.isFailure(exit)) throw new Error(`no value: ${String(exit)}`)
  return exit.value
}

describe("a log over a disk", () => {
  it("keeps what it answered for, in order and whole, at a crash at every operation, with every law", () => {
    fc.assert(
      fc.property(records, seeds, fc.constantFrom(1, 3, 8), (all, seed, concurrency) => {
        const whole = smallDisk(seed)
        whole.run((files) => appendAll(files, all, concurrency, () => undefined))
        for (const { law, place } of crashes(0, whole.operations())) {
          const small = smallDisk(seed)
          const answered: Array<number> = []
          small.run((files) => appendAll(files, all, concurrency, (k) => answered.push(k)), place)
          small.disk.crash(law)
          const recovered = valueOf(small.run(recover))
          assert.isAtLeast(recovered.length, answered.length)
          assert.deepStrictEqual(recovered, texts(all).slice(0, recovered.length))
        }
      }),
      { numRuns: 25 }
    )
  })

  it("shares syncs among those that come at the same time, and nobody waits for more than two", () => {
    const micros = 10_000
    const small = smallDisk(1n, { latency: { sync: { kind: "constant", micros } } })
    let syncs = 0
    small.disk.onOperation(({ kind, phase }) => {
      if (kind === "sync" && phase === "after") syncs++
      return undefined
    })
    let began = 0
    valueOf(small.run((files) =>
      Effect.gen(function*() {
        const log = yield* DiskLog.open(files, "log")
        began = syncs
        const one = (k: number) =>
          Effect.gen(function*() {
            yield* Effect.callback<void>((resume) => {
              small.timeline.schedule(k * 1_000, () => resume(Effect.void))
            })
            const before = small.timeline.nowMicros()
            yield* log.append(Uint8Array.of(k))
            assert.isAtMost(small.timeline.nowMicros() - before, 2 * micros)
          })
        yield* Effect.forEach(Array.from({ length: 50 }, (_, k) => k), one, { concurrency: "unbounded" })
      })
    ))
    assert.isAtMost(syncs - began, 7)
    assert.strictEqual(valueOf(small.run(recover)).length, 50)
  })

  it("answers all of a group with the failure of its sync, and goes on", () => {
    const small = smallDisk(1n, { latency: { sync: { kind: "constant", micros: 1_000 } } })
    let fail = false
    small.disk.onOperation(({ kind, phase }) => {
      if (!fail || kind !== "sync" || phase !== "before") return undefined
      fail = false
      return "unavailable"
    })
    const failed: Array<number> = []
    valueOf(small.run((files) =>
      Effect.gen(function*() {
        const log = yield* DiskLog.open(files, "log")
        const append = (k: number) =>
          Effect.match(log.append(Uint8Array.of(k)), { onFailure: () => failed.push(k), onSuccess: () => k })
        yield* append(0)
        fail = true
        yield* Effect.forEach([1, 2, 3], append, { concurrency: 3 })
        yield* append(4)
      })
    ))
    small.disk.crash({ kind: "all" })
    const recovered = valueOf(small.run(recover))
    assert.isNotEmpty(failed)
    assert.deepStrictEqual(recovered, ["0", "1", "2", "3", "4"].filter((k) => !failed.includes(Number(k))))
  })

  it("is written anew at once or not at all, with appends going on", () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(0, 0.3), (seed, preempt) => {
        const program = (done: Set<string>) => (files: Files) =>
          Effect.gen(function*() {
            const log = yield* DiskLog.open(files, "log")
            const durable: Array<Uint8Array> = []
            const append = (k: number) => {
              const record = Uint8Array.of(k)
              return Effect.map(log.append(record, () => durable.push(record)), () => done.add(String(k)))
            }
            for (const k of [1, 2, 3]) yield* append(k)
            const kept = () => [Uint8Array.of(9), ...durable.filter(([k = 0]) => k > 3)]
            const rewrite = Effect.map(log.rewrite(kept), () => {
              for (const k of ["1", "2", "3"]) done.delete(k)
              done.add("9")
            })
            yield* Effect.forEach([append(4), rewrite, append(5)], (effect) => effect, { concurrency: 3 })
          })
        const whole = smallDisk(seed, {}, preempt)
        whole.run(program(new Set()))
        for (const { law, place } of crashes(4, whole.operations())) {
          const small = smallDisk(seed, {}, preempt)
          const done = new Set<string>()
          small.run(program(done), place)
          small.disk.crash(law)
          const recovered = valueOf(small.run(recover))
          const rewritten = recovered.includes("9")
          for (const record of done) if (!rewritten || Number(record) > 3) assert.include(recovered, record)
          assert.isFalse(rewritten && recovered.includes("1"), "old and new records together")
          assert.strictEqual(new Set(recovered).size, recovered.length)
        }
      }),
      { numRuns: 20 }
    )
  })

  it("does not take a record for the next one that followed another", () => {
    const bytesOf = (all: ReadonlyArray<number>) => {
      const small = smallDisk(1n)
      valueOf(small.run((files) => appendAll(files, all.map((k) => Uint8Array.of(k)), 8, () => undefined)))
      const owner = small.process("n")
      const read = small.disk.read(owner, "log", 0, 1_000)
      assert.isTrue(read._tag === "Success")
      return read._tag === "Success" ? read.success : new Uint8Array(0)
    }
    const [one, other] = [bytesOf([1, 2]), bytesOf([3, 4])]
    const half = one.length / 2
    assert.deepStrictEqual(texts(readBytes(one).records), ["1", "2"])
    const mixed = new Uint8Array([...one.slice(0, half), ...other.slice(half)])
    assert.deepStrictEqual(texts(readBytes(mixed).records), ["1"])
  })
})
