/**
 * What a simulation can not do without. A scenario that lacks it fails for a reason that says nothing about the program:
 * where no relay is left, nothing comes to a relay.
 *
 * 1. Shrinking leaves it there, and a scenario that lacks it is not run.
 */
import type { Scenario } from "./Scenario.ts"

export interface Required {
  /** So many nodes of a kind, at least. */
  readonly nodes?: { readonly [kind: string]: number }
  /** Parts of `Scenario.phases` that stay as they are: how long faults may come, who is healed, whether all start again. */
  readonly phases?: ReadonlyArray<"safety" | "heal" | "restart">
  /** Knobs that stay: invariants, or faults that were put in on purpose, go by them. */
  readonly knobs?: ReadonlyArray<string>
}

/** What a scenario lacks, in words; undefined when it has everything. */
export const lacking = ({ nodes = {} }: Required, scenario: Scenario): string | undefined => {
  for (const [kind, least] of Object.entries(nodes)) {
    const count = scenario.nodes.filter((node) => node.kind === kind).length
    if (count < least) {
      return `a scenario of ${scenario.simulation} needs ${least} of the nodes "${kind}", and this one has ${count}: ` +
        `add to its nodes what is missing`
    }
  }
  return undefined
}

/** What is wrong with a requirement of kinds that come in such numbers, in words; undefined when it can be kept. */
export const fault = (
  { nodes = {} }: Required,
  leastByKind: { readonly [kind: string]: number }
): string | undefined => {
  for (const [kind, count] of Object.entries(nodes)) {
    const least = leastByKind[kind]
    if (least === undefined) return `\`required\` names the nodes "${kind}", and there is no such kind in \`nodes\``
    if (count > least) {
      return `\`required\` asks for ${count} of the nodes "${kind}", and a seed may draw ${least}: raise their \`count\``
    }
  }
  return undefined
}

/**
 * A smaller scenario with the phases and the knobs that must stay as they were before it was made smaller. Undefined when
 * it lacks a node, or when nothing is left that makes it smaller.
 */
export const keep = (required: Required, before: Scenario, smaller: Scenario): Scenario | undefined => {
  if (lacking(required, smaller) !== undefined) return undefined
  const { knobs = [], phases = [] } = required
  if (phases.length === 0 && knobs.length === 0) return smaller
  const names = new Set(smaller.nodes.map(({ name }) => name))
  const { coldRestart, heal, safetyMicros } = before.phases
  const keptKnobs = Object.entries(before.knobs).filter(([name]) => knobs.includes(name))
  const kept = {
    ...smaller,
    knobs: { ...smaller.knobs, ...Object.fromEntries(keptKnobs) },
    phases: {
      ...smaller.phases,
      ...(phases.includes("safety") ? { safetyMicros } : {}),
      ...(phases.includes("heal") ? { heal: heal === "all" ? heal : heal.filter((name) => names.has(name)) } : {}),
      ...(phases.includes("restart") ? { coldRestart } : {})
    }
  }
  return JSON.stringify(kept) === JSON.stringify(before) ? undefined : kept
}
