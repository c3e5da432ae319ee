/**
 * Situations that chance rarely makes, put into a scenario on purpose: each needs several things to go wrong in one order.
 *
 * - `ahead`: the clock of one device is more than ten minutes ahead of the others', and a device that keeps what it wrote,
 *   some things one after the other, waiting is killed meanwhile.
 * - `backup`: a device is put back to a copy that does not know its last entries, and writes at once; then it is started
 *   once more.
 * - `clogged`: nothing goes through between a device and the relay for a minute, and nothing breaks.
 * - `crossing`: two devices share a relay that the third does not know, and one of them reaches only that one for a while.
 * - `handedOn`: a relay was given what one device has that lacks much, and another one takes it on that has everything.
 * - `overtaken`: a member writes in the name of another one at the place where that one writes next, and devices that had
 *   compared themselves with the relay before do so again when the true entry has come.
 * - `setBack`: the clock of a device is set back by minutes while the relay is down, and later the relay's own.
 * - `uneven`: the processes are put aside for long at places that matter.
 */
import type { Fault } from "@sotto/simulation/Fault"
import type { Command, Json, NodePlan, Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"

export const AIMS = ["ahead", "backup", "clogged", "crossing", "setBack", "uneven"] as const

export type Aim = typeof AIMS[number] | typeof HANDED_ON | typeof OVERTAKEN

const HANDED_ON = "handedOn"
const OVERTAKEN = "overtaken"
/** Of the seeds that aim at nothing else. */
const HANDED_ON_SHARE = 0.3
/** Of those that are left then. */
const OVERTAKEN_SHARE = 0.2

/** What a seed aims at: nothing in many of them. */
export const draw = (draws: Seed.Draws): Aim | null => {
  const aim = draws.pick(AIMS)
  return draws.chance(0.6) ? aim : null
}

const SECOND = 1_000_000
const MINUTE = 60 * SECOND

/** More than `Limit.clockAheadMillisMax`, so that what is written is accepted before or after others looked again. */
const aheadMicros = (seed: Seed.Seed): number =>
  10 * MINUTE + Seed.draws(seed, "ahead").between(20 * SECOND, 60 * SECOND)

const plan = (scenario: Scenario, change: (plan: NodePlan) => NodePlan): Scenario => ({
  ...scenario,
  nodes: scenario.nodes.map(change)
})

const add = (scenario: Scenario, faults: ReadonlyArray<Fault>, commands: ReadonlyArray<Command> = []): Scenario => ({
  ...scenario,
  faults: [...scenario.faults, ...faults],
  workload: [...scenario.workload, ...commands].toSorted((a, b) => a.atMicros - b.atMicros)
})

const asked = (node: string, name: string, atMicros: number, input: Json = null): Command => ({
  node,
  name,
  atMicros,
  input
})

/** A push whose text is nowhere else in the scenario. */
const push = ({ seed }: Scenario, node: string, atMicros: number): Command =>
  asked(node, "push", atMicros, ["a", "", `kanari${seed.slice(-6)}${atMicros}${node.slice(-1)}#0 `.padEnd(40, "~")])

/** One after the other at the same place, at once: a batch, of which only the last entry is signed. */
const batch = ({ seed }: Scenario, node: string, atMicros: number): Command => {
  const canary = `kanari${seed.slice(-6)}${atMicros}${node.slice(-1)}`
  return asked(
    node,
    "burst",
    atMicros,
    [0, 1, 2].map((k) => ["a", `item ${canary}`, `${canary}#${k} `.padEnd(40, "~")])
  )
}

const aims: { readonly [aim in Aim]: (scenario: Scenario, seed: Seed.Seed) => Scenario } = {
  ahead: (scenario, seed) =>
    add(
      plan(
        // A clock that jumps back as well would have to go further than a run waits until it has come so far.
        { ...scenario, faults: scenario.faults.filter(({ kind }) => kind !== "jump") },
        (node) => node.name === "client-2" ? { ...node, clock: { ...node.clock, skewMicros: aheadMicros(seed) } } : node
      ),
      [{
        kind: "crash",
        node: "client-1",
        atMicros: 12 * SECOND,
        downMicros: SECOND / 2,
        disk: { kind: "all" },
        notice: "reset"
      }],
      // Their times come one after the other, and whoever waits for them looks now and then.
      [8, 12, 16].map((at) => push(scenario, "client-2", at * SECOND))
    ),
  backup: (scenario) => {
    const at = 9 * SECOND
    // Long enough for what the device had sent to arrive: what arrives after it has read the relay finds it unprepared.
    const down = 5 * SECOND
    return add(
      scenario,
      [
        { kind: "restore", node: "client-1", atMicros: at, ageMicros: 3 * SECOND, downMicros: down },
        { kind: "stop", node: "client-1", atMicros: at + down + 3 * SECOND, downMicros: SECOND / 2 }
      ],
      [
        ...[-2_000_000, down + 1000, down + 30_000, down + 200_000].map((after) =>
          push(scenario, "client-1", at + after)
        ),
        batch(scenario, "client-1", at - 1_000_000)
      ]
    )
  },
  clogged: (scenario) => {
    const between = { shape: "sets", side: ["client-2"], other: ["relay"], direction: "both" } as const
    const safetyMicros = Math.max(scenario.phases.safetyMicros, 75 * SECOND)
    const clog: Fault = { kind: "clog", between, atMicros: 5 * SECOND, durationMicros: MINUTE }
    return { ...add(scenario, [clog]), phases: { ...scenario.phases, safetyMicros } }
  },
  crossing: (scenario) => {
    const between = { shape: "sets", side: ["client-1"], other: ["relay"], direction: "both" } as const
    return add(
      scenario,
      [{ kind: "partition", between, atMicros: 4 * SECOND, durationMicros: 8 * SECOND }],
      [
        asked("client-1", "spare", SECOND),
        asked("client-2", "spare", SECOND),
        asked("client-1", "setRole", 5 * SECOND, { at: 1, role: 2 }),
        asked("client-2", "setRole", 8 * SECOND, { at: 1, role: 3 })
      ]
    )
  },
  handedOn: (scenario) => {
    const between = { shape: "sets", side: ["client-1"], other: ["relay"], direction: "both" } as const
    return add(
      scenario,
      [{ kind: "partition", between, atMicros: 3 * SECOND, durationMicros: 12 * SECOND }],
      [
        ...Array.from({ length: 20 }, (_, k) => push(scenario, "client-2", 3 * SECOND + k * SECOND / 5)),
        asked("client-1", "spare", 4 * SECOND),
        asked("client-2", "spare", 9 * SECOND)
      ]
    )
  },
  overtaken: (scenario) =>
    add(scenario, [], [
      asked("client-1", "reconcile", SECOND),
      asked("client-2", "reconcile", SECOND),
      push(scenario, "client-1", 6 * SECOND),
      asked("client-2", "lie", 8 * SECOND, { at: 0, how: "unsigned", value: "forged kanari", next: true }),
      push(scenario, "client-1", 10 * SECOND),
      asked("client-1", "reconcile", 13 * SECOND),
      asked("client-2", "reconcile", 13 * SECOND)
    ]),
  setBack: (scenario) =>
    add(
      scenario,
      [
        {
          kind: "crash",
          node: "relay",
          atMicros: 8 * SECOND,
          downMicros: 2 * SECOND,
          disk: { kind: "all" },
          notice: "reset"
        },
        { kind: "jump", node: "relay", micros: -6 * MINUTE, atMicros: 14 * SECOND },
        { kind: "jump", node: "client-1", micros: -6 * MINUTE, atMicros: 9 * SECOND }
      ],
      [push(scenario, "client-1", 15 * SECOND), push(scenario, "client-2", 15 * SECOND)]
    ),
  uneven: (scenario) =>
    add(
      plan(scenario, (node) => ({
        ...node,
        policy: { kind: "random" },
        preemption: { p: node.kind === "relay" ? 0.02 : 0.006, delayMicros: { low: 2000, high: 50_000 } }
      })),
      [],
      Array.from({ length: 20 }, (_, k) => 5 * SECOND + k * SECOND / 2).flatMap((at) => [
        push(scenario, "client-1", at),
        push(scenario, "client-2", at + 20_000)
      ])
    )
}

/** The scenario with what its knob `aim` says; some that say nothing aim at what they can after all. */
export const apply = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  const aim = AIMS.find((one) => one === scenario.knobs["aim"])
  if (aim !== undefined) return aims[aim](scenario, seed)
  const hasSpare = scenario.nodes.some(({ kind }) => kind === "spare")
  const aimAt = (late: Aim): Scenario => ({ ...aims[late](scenario, seed), knobs: { ...scenario.knobs, aim: late } })
  if (hasSpare && Seed.draws(seed, HANDED_ON).chance(HANDED_ON_SHARE)) return aimAt(HANDED_ON)
  return Seed.draws(seed, OVERTAKEN).chance(OVERTAKEN_SHARE) ? aimAt(OVERTAKEN) : scenario
}
