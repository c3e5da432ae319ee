import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { custom, UNRESOLVED } from "../../../src/item/merge/Custom.ts"
import type { Sides } from "../../../src/item/merge/Strategy.ts"
import { text } from "../kit.ts"
import { failureOf, fold, mergedOf } from "./kit.ts"

describe("an app's merge", () => {
  it("is given the key, the sides and the base, and its bytes are the value", () => {
    const given: Array<Sides> = []
    const strategy = custom("app", (sides) => {
      given.push(sides)
      return text("merged")
    })
    assert.deepStrictEqual(mergedOf(fold(strategy, text("l"), text("r"), text("b"))), text("merged"))
    assert.deepStrictEqual(given, [{
      key: "k",
      base: text("b"),
      bases: [text("b")],
      local: text("l"),
      remote: text("r")
    }])
  })

  it("may leave the decision to a person", () => {
    assert.strictEqual(failureOf(fold(custom("app", () => UNRESOLVED), text("l"), text("r"))), "unresolved")
  })

  it("that throws, or answers anything else, fails with a name and what was thrown", () => {
    const cause = new Error("a bug of the app")
    const thrown = fold(
      custom("app", () => {
        throw cause
      }),
      text("l"),
      text("r")
    )
    assert.isTrue(Result.isFailure(thrown))
    if (Result.isFailure(thrown)) {
      assert.strictEqual(thrown.failure.reason, "threw")
      assert.strictEqual(thrown.failure.strategy, "app")
      assert.strictEqual(thrown.failure.cause, cause)
      assert.include(thrown.failure.message, "app")
    }
    for (const garbage of [undefined, null, 7, "merged", [1], { value: text("x") }, Promise.resolve(text("x"))]) {
      const strategy = custom("app", () => JSON.parse("0") === 0 ? Object(garbage) : text(""))
      assert.strictEqual(failureOf(fold(strategy, text("l"), text("r"))), "returned")
    }
  })

  it("that writes into what it was given changes nothing outside", () => {
    const [local, remote, base] = [text("l"), text("r"), text("b")]
    const greedy = custom("app", (sides) => {
      for (const side of [sides.local, sides.remote, ...sides.bases]) side.fill(0)
      return sides.local
    })
    const value = mergedOf(fold(greedy, local, remote, base))
    assert.deepStrictEqual([local, remote, base], [text("l"), text("r"), text("b")])
    assert.deepStrictEqual(value, Uint8Array.of(0))
  })
})
