/** The planted bugs of Sotto: each applies to the code as it is, and what it makes still parses. */
import * as Mutant from "@sotto/simulation/mutant/Mutant"
import * as Result from "effect/Result"
import { stripTypeScriptTypes } from "node:module"
import { assert, describe, it } from "vitest"

const entries = Mutant.readFolder("scenarios/mutants")
const mutants = entries.flatMap((entry) => "mutant" in entry ? [entry.mutant] : [])

/** Ways to be wrong. Of each there are two mutants at least. */
const CLASSES = [
  "byzantine",
  "causality",
  "concurrency",
  "crypto",
  "cursors",
  "durability",
  "idempotence",
  "liveness",
  "order",
  "protocol",
  "relay"
]

describe("scenarios/mutants", () => {
  it("are mutants, enough of them, of every class, a third of them held out", () => {
    assert.deepStrictEqual(entries.filter((entry) => "error" in entry), [])
    assert.isAtLeast(mutants.length, 44)
    assert.deepStrictEqual([...new Set(mutants.map((mutant) => mutant.class))].sort(), CLASSES)
    for (const name of CLASSES) assert.isAtLeast(mutants.filter((mutant) => mutant.class === name).length, 2, name)
    assert.isAtLeast(mutants.filter(({ heldOut }) => heldOut).length, mutants.length / 4)
  })

  it.each(mutants)("$name applies, and parses", (mutant) => {
    assert.match(mutant.file, /^packages\/(core|schema)\/src\//)
    const patched = Mutant.patched(mutant, ".")
    if (Result.isFailure(patched)) throw new Error(patched.failure)
    stripTypeScriptTypes(patched.success)
  })
})
