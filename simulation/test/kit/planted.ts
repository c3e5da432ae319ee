/**
 * A simulation without a world: it looks at the scenario alone, so a thousand runs cost nothing.
 *
 * `no-acked-loss` breaks when a crash of the relay comes between a write of one client and a later read of another, while
 * a `fog` (a fault of the author's own) is around. `slip` breaks whenever there is a write and no read: what a shrinker
 * that takes any failure would end with.
 */
import type { Fault } from "../../src/Fault.ts"
import type { Report, Violation } from "../../src/Report.ts"
import type { Command, Scenario } from "../../src/Scenario.ts"
import type * as Scheduler from "../../src/Scheduler.ts"
import * as Seed from "../../src/Seed.ts"
import type { Simulation } from "../../src/Simulation.ts"
import * as Trace from "../../src/Trace.ts"

const NODES = ["relay-1", "client-1", "client-2", "client-3", "client-4"]
const SAFETY_MICROS = 20_000_000

const faultOf = (draws: Seed.Draws): Fault => {
  const atMicros = draws.int(SAFETY_MICROS)
  const durationMicros = draws.between(100_000, 5_000_000)
  const node = draws.pick(NODES)
  switch (draws.int(5)) {
    case 0:
      return { kind: "pause", atMicros, durationMicros, node }
    case 1:
      return {
        kind: "partition",
        atMicros,
        durationMicros,
        between: { shape: "sets", side: NODES.filter((_, i) => i > draws.int(4)), direction: "both" }
      }
    case 2:
      return { kind: "crash", atMicros, node, downMicros: durationMicros, disk: { kind: "all" }, notice: "reset" }
    case 3:
      return { kind: "jump", atMicros, node, micros: draws.between(-60_000_000, 60_000_000) }
    default:
      return { kind: "custom", name: "rain", atMicros, durationMicros, input: { heavy: draws.chance(0.5) } }
  }
}

const commandOf = (draws: Seed.Draws): Command => ({
  atMicros: draws.int(SAFETY_MICROS),
  node: draws.pick(NODES.slice(1)),
  name: draws.pick(["write", "read", "list"]),
  input: { key: draws.int(100) }
})

const byTime = <A extends object>(items: ReadonlyArray<A>): ReadonlyArray<A> => {
  const time = (item: A) => "atMicros" in item && typeof item.atMicros === "number" ? item.atMicros : 0
  return items.toSorted((a, b) => time(a) - time(b))
}

export interface Options {
  /** Which seeds get what breaks: all unless given. */
  readonly breaks?: (seed: Seed.Seed) => boolean
  readonly faults?: number
  readonly commands?: number
  /** Something that is not in the scenario changes what happens. */
  readonly leak?: () => number
  /** It breaks only where the first client's schedule is not first-in-first-out at its third choice. */
  readonly race?: boolean
}

export const planted = (options: Options = {}): Simulation => ({
  name: "planted",
  strategies: ["swarm"],
  expand: (seed, strategy = "swarm") => {
    const draws = Seed.draws(seed, "planted")
    const breaks = options.breaks?.(seed) ?? true
    const faults = Array.from({ length: (options.faults ?? 30) - 2 }, () => faultOf(draws))
    const workload = Array.from({ length: (options.commands ?? 40) - 2 }, () => commandOf(draws))
    const base = draws.between(2_000_000, 10_000_000)
    const fatal: ReadonlyArray<Fault> = [
      { kind: "crash", atMicros: base, node: "relay-1", downMicros: 500_000, disk: { kind: "none" }, notice: "never" },
      { kind: "custom", name: "fog", atMicros: base - 1_000_000, durationMicros: 7_000_000, input: null }
    ]
    const asked: ReadonlyArray<Command> = [
      { atMicros: base - 700_001, node: "client-1", name: "write", input: { key: 777 } },
      { atMicros: base + 900_000, node: "client-2", name: "read", input: { key: 777 } }
    ]
    return {
      format: 1,
      simulation: "planted",
      seed: Seed.toText(seed),
      strategy,
      nodes: NODES.map((name) => ({
        name,
        kind: name.split("-")[0] ?? "",
        policy: draws.chance(0.5) ? { kind: "random" } : { kind: "fifo" },
        preemption: { p: draws.pick([0, 0.1]), delayMicros: { low: 1, high: 1000 } },
        clock: { skewMicros: draws.between(-1000, 1000), driftPpm: draws.between(-50, 50) }
      })),
      network: { queueBytesMax: 1_000 },
      link: { loss: draws.unit(), duplication: 0.1 },
      disk: { readError: 0.01 },
      knobs: { pageItems: draws.between(1, 10) },
      faults: byTime([...faults, ...(breaks ? fatal : [])]),
      workload: byTime([...workload, ...(breaks ? asked : [])]),
      phases: {
        safetyMicros: SAFETY_MICROS,
        livenessMicros: 30_000_000,
        heal: ["relay-1", "client-1"],
        coldRestart: true
      },
      tapes: {
        "client-2": { picks: [[3, 1], [9, 2]], asides: [[1, 40, 900]] },
        "client-4#1": { picks: [], asides: [[0, 7, 100]] }
      }
    }
  },
  run: (scenario, { record = false } = {}) => {
    const report = runPlanted(scenario, options.leak)
    const random = scenario.nodes.filter(({ policy }) => policy.kind === "random")
    const raced = random.some(({ name }) => name === "client-1") ||
      scenario.tapes?.["client-1"]?.picks.some(([choice]) => choice === 3) === true
    const violations = options.race === true && !raced ? [] : report.violations
    return {
      ...report,
      violations,
      ok: violations.length === 0,
      ...(record ? { tapes: Object.fromEntries(random.map(({ name }) => [name, TAPE])) } : {})
    }
  }
})

const TAPE: Scheduler.Tape = {
  picks: Array.from({ length: 40 }, (_, i) => [i, 1]),
  asides: [[1, 40, 900], [2, 50, 10]]
}

const label = (item: Fault | Command): string => "kind" in item ? `fault.${item.kind}` : `command.${item.name}`

const runPlanted = (scenario: Scenario, leak: () => number = () => 0): Report => {
  let now = 0
  const trace = Trace.make({ timeline: { nowMicros: () => now }, full: true })
  const rows = new Map<object, number>()
  for (const item of byTime<Fault | Command>([...scenario.faults, ...scenario.workload])) {
    if ("atMicros" in item) now = item.atMicros
    if (now > scenario.phases.safetyMicros) break
    const node = "node" in item && item.node !== undefined ? item.node : "world"
    rows.set(item, trace.note(node, label(item), { drift: leak() }))
  }
  const happened = <A extends object>(item: A) => rows.has(item)
  const violations: Array<Violation> = []
  const lost = lostBy(scenario, happened)
  if (lost !== undefined) {
    violations.push({
      invariant: "no-acked-loss",
      message: `key ${JSON.stringify(lost.input)} was acknowledged and is gone`,
      node: lost.node,
      ...(rows.get(lost) === undefined ? {} : { row: rows.get(lost) ?? 0 }),
      tMicros: lost.atMicros,
      phase: "safety"
    })
  }
  const names = scenario.workload.filter(happened).map(({ name }) => name)
  if (names.includes("write") && !names.includes("read")) {
    violations.push({ invariant: "slip", message: "nobody reads", tMicros: now, phase: "audit" })
  }
  return {
    scenario,
    ok: violations.length === 0,
    violations,
    events: trace.size,
    simulatedMicros: scenario.phases.safetyMicros,
    traceHash: trace.hash,
    lossExpected: [],
    marks: { read: names.filter((name) => name === "read").length },
    situations: scenario.faults.filter(happened).map(label),
    stuck: [],
    rows: trace.rows(),
    states: []
  }
}

/** The read that misses what was written before the crash. */
const lostBy = (scenario: Scenario, happened: (item: object) => boolean): Command | undefined => {
  const faults = scenario.faults.filter(happened)
  const commands = scenario.workload.filter(happened)
  const fog = faults.find((fault) => fault.kind === "custom" && fault.name === "fog")
  const crash = faults.find((fault) => fault.kind === "crash" && fault.node === "relay-1" && fault.notice === "never")
  if (fog === undefined || crash === undefined || !("atMicros" in crash)) return undefined
  const isWritten = (input: Command["input"]) =>
    commands.some((write) =>
      write.name === "write" && write.node === "client-1" && write.atMicros < crash.atMicros &&
      JSON.stringify(write.input) === JSON.stringify(input)
    )
  return commands.find(({ atMicros, input, name, node }) =>
    name === "read" && node === "client-2" && atMicros > crash.atMicros && isWritten(input)
  )
}
