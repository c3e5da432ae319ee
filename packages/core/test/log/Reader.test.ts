import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Reader from "../../src/log/Reader.ts"
import type { Store } from "../../src/Store.ts"
import * as JournalBench from "../kit/journalBench.ts"
import { hand, rekeyed } from "../kit/pen.ts"
import { control, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import * as World from "../kit/World.ts"

describe("entries that are read while storage has not answered yet", () => {
  it.effect("are those of the books, which have the keys to them", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(NOW)
      const space = makeSpace("read early")
      const { crypto, identity, state } = space
      const answer = Deferred.makeUnsafe<void>()
      let [holds, commits] = [false, 0]
      const slow = (store: Store["Service"]): Store["Service"] => ({
        ...store,
        commit: (writes) =>
          Effect.tap(store.commit(writes), () => {
            commits++
            return holds ? Deferred.await(answer) : Effect.void
          })
      })
      const bench = yield* JournalBench.make(crypto, space, slow)
      const pen = hand(crypto, state, identity)
      yield* bench.accept(bench.relay.place(pen.seal({ ops: [put("a", "", "before")] }).bytes))
      const { op, state: next } = rekeyed(crypto, { state, identity })
      const moved = hand(crypto, state, identity).seal({ ops: [control(op)] }).bytes
      const after = pen.seal({ ops: [put("a", "", "of its epoch")] })
      assert.strictEqual(after.opened.header.epoch, 1)
      const sealed = hand(crypto, next, identity).seal({ ops: [put("b", "", "of the next epoch")] }).bytes

      holds = true
      const before = commits
      const accepting = yield* Effect.forkChild(bench.accept(bench.relay.place(after.bytes, moved, sealed)))
      yield* World.until("the rows are there", () => commits > before)
      assert.deepStrictEqual(yield* bench.values, ["before"])
      assert.lengthOf(yield* Reader.log(bench.journal(), {}), 1)
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(accepting)
      assert.deepStrictEqual(yield* bench.values, ["before", "of its epoch", "of the next epoch"])
      assert.lengthOf(yield* Reader.log(bench.journal(), {}), 4)
    }))
})
