import * as Transit from "@sotto/scenarios/node/Transit"
import { sync } from "@sotto/scenarios/simulation/Sync"
import { assert, it } from "vitest"

const FIRST = 300_000
const SEEDS = 20

it(`relays delete, and nobody misses anything, in ${FIRST} to ${FIRST + SEEDS - 1}`, { timeout: 300_000 }, () => {
  let deleting = 0
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const scenario = sync.expand(BigInt(seed))
    const knobs = { ...scenario.knobs, retention: "transit" }
    const { marks, violations } = sync.run(Transit.bound({ ...scenario, knobs }))
    assert.deepStrictEqual(violations, [], `seed ${seed}, in transit`)
    if (marks[Transit.DELETED] !== undefined) deleting++
  }
  assert.isAbove(deleting, SEEDS / 2)
})
