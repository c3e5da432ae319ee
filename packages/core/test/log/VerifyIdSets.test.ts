import { assert, describe, it } from "@effect/vitest"
import { Ordinal } from "@sotto/core/log/Cursor"
import * as Ledger from "@sotto/core/log/Ledger"
import { Findings } from "@sotto/core/log/verify/Findings"
import * as IdSets from "@sotto/core/log/verify/IdSets"
import { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as IdBench from "../kit/idBench.ts"
import { rekeyed } from "../kit/pen.ts"
import { flipped } from "../kit/verifyScene.ts"
import { idsFrom } from "../reconcile/kit.ts"

const IDS = idsFrom(5, 64).map((bytes) => EnvelopeId.make(bytes))
const accepted: Ledger.KnownRow = { _tag: "Accepted", ordinal: Ordinal.make(1) }

const said = (from: number, to: number, row: Ledger.KnownRow | null): ReadonlyArray<IdBench.Said> =>
  IDS.slice(from, to).map((id) => [id, row])

/** Sets that were saved, and changed since: some came, one was refused, one left. */
const saved = Effect.fnUntraced(function*(seed: string) {
  const bench = yield* IdBench.make(seed)
  yield* bench.say(said(0, 30, accepted))
  yield* bench.say(said(30, 35, { _tag: "Refused" }))
  yield* bench.current
  yield* bench.save
  yield* bench.say([...said(40, 44, { _tag: "Waiting" }), ...said(1, 2, { _tag: "Refused" }), ...said(2, 3, null)])
  return bench
})

const verify = Effect.fnUntraced(function*({ journal, rows }: IdBench.IdBench) {
  const findings = new Findings()
  const { state } = journal().books()
  yield* IdSets.check({ findings, state, store: rows, progress: () => Effect.void })
  return findings.problems
})

const snapshotRows = ({ rows }: IdBench.IdBench) =>
  rows.scan({ from: Uint8Array.of(18), to: Uint8Array.of(21), limit: 100 })

describe("saved sets of ids that are looked through", () => {
  it.effect("are sound with what changed after them, without any, and under the key of an earlier epoch", () =>
    Effect.gen(function*() {
      const bench = yield* saved("sound")
      assert.isAbove((yield* snapshotRows(bench)).length, 4)
      assert.deepStrictEqual(yield* verify(bench), [])
      assert.deepStrictEqual(yield* verify(yield* IdBench.make("none")), [])
      yield* bench.setState(rekeyed(bench.space.crypto, bench.space).state)
      assert.deepStrictEqual(yield* verify(bench), [])
    }))

  it.effect("do not read when any row of them is damaged or gone, which is harmless", () =>
    Effect.gen(function*() {
      const bench = yield* saved("damaged")
      let looked = 0
      for (const { key, value } of yield* snapshotRows(bench)) {
        for (const damaged of [{ key, value: flipped(value, value.length - 1) }, { key }]) {
          // Without its state there is no snapshot, and the last change may be one that never was.
          if (damaged.value === undefined && key[0] !== 19) continue
          yield* bench.rows.commit([damaged])
          const problems = yield* verify(bench)
          assert.deepStrictEqual(problems.map(({ kind }) => kind), ["snapshot"], `${key.join()} ${looked}`)
          yield* bench.rows.commit([{ key, value }])
          looked++
        }
      }
      assert.isAbove(looked, 5)
      assert.deepStrictEqual(yield* verify(bench), [])
    }))

  it.effect("that are not those of the names are named, by what is missing and what is too much", () =>
    Effect.gen(function*() {
      const bench = yield* saved("other")
      const told = Effect.map(verify(bench), (problems) => problems.map(({ detail, kind }) => `${kind}: ${detail}`))
      const [id = IDS.at(-1)] = IDS
      if (id === undefined) return yield* Effect.die("no ids")
      yield* bench.rows.commit([Ledger.known.remove(id)])
      assert.deepStrictEqual(yield* told, ["index: 32 are saved, and there are 31"])
      yield* bench.rows.commit(IDS.slice(60, 61).map((other) => Ledger.known.put(other, accepted)))
      assert.deepStrictEqual(yield* told, [
        "index: their sum is not that of what is there",
        "index: 1 of the envelopes that are there are not among them"
      ])
    }))
})
