import { Tally } from "@sotto/simulation/Tally"
import { expect, it } from "vitest"

it("counts each pair of names by itself", () => {
  const tally = new Tally()
  const pairs = [["a", "b"], ["a", "c"], ["ab", ""], ["a", "b"], ["b", "a"], ["a", "b"]] as const
  expect(pairs.map(([of, kind]) => tally.next(of, kind))).toEqual([0, 0, 0, 1, 0, 2])
})
