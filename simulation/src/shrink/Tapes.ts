/** A scenario whose tasks run first-in-first-out, except where that is what the failure needs. */
import type { Scenario } from "../Scenario.ts"
import type { Tape } from "../Scheduler.ts"
import { list, type Pass } from "./Pass.ts"

const tapeOf = (scenario: Scenario, node: string): Tape => scenario.tapes?.[node] ?? { picks: [], asides: [] }

const withTape = (scenario: Scenario, node: string, tape: Tape): Scenario => ({
  ...scenario,
  tapes: { ...scenario.tapes, [node]: tape }
})

/** Whole tapes; then, node by node, the entries of each. */
export const tapes = (scenario: Scenario): ReadonlyArray<Pass> => {
  const nodes = Object.keys(scenario.tapes ?? {})
  return [
    list("tapes", {
      get: (current) => Object.entries(current.tapes ?? {}),
      set: ({ tapes: _, ...current }, left) =>
        left.length === 0 ? current : { ...current, tapes: Object.fromEntries(left) }
    }),
    ...nodes.flatMap((node) => [
      list(`picks of ${node}`, {
        get: (current) => tapeOf(current, node).picks,
        set: (current, picks) => withTape(current, node, { ...tapeOf(current, node), picks })
      }),
      list(`asides of ${node}`, {
        get: (current) => tapeOf(current, node).asides,
        set: (current, asides) => withTape(current, node, { ...tapeOf(current, node), asides })
      })
    ])
  ]
}
