/** A scenario without what it planned for after its failure. */
import type { Violation } from "../Report.ts"
import type { Scenario } from "../Scenario.ts"

/** Undefined when there is nothing to cut. Times of a scenario begin later than the world, so nothing is cut too early. */
export const cut = (scenario: Scenario, { phase, tMicros }: Violation): Scenario | undefined => {
  const early = phase === "boot" || phase === "safety"
  const endMicros = early ? Math.min(tMicros + 1, scenario.phases.safetyMicros) : scenario.phases.safetyMicros
  const happens = (item: object) =>
    !("atMicros" in item) || typeof item.atMicros !== "number" || item.atMicros <= endMicros
  const faults = scenario.faults.filter(happens)
  const workload = scenario.workload.filter(happens)
  const same = faults.length === scenario.faults.length && workload.length === scenario.workload.length &&
    endMicros === scenario.phases.safetyMicros
  if (same) return undefined
  return { ...scenario, faults, workload, phases: { ...scenario.phases, safetyMicros: endMicros } }
}
