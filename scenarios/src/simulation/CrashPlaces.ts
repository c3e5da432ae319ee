/**
 * Every place at which a scenario can be cut off, one after the other: a process dies before and after each operation that
 * changes its disk, and at each message that it sends. Up to its death it does what it does when it does not die, and the
 * trace of that run says which places there are.
 */
import type { DiskKind } from "@sotto/simulation/Disk"
import type { CrashLaw } from "@sotto/simulation/DiskImage"
import type { Fault, Point } from "@sotto/simulation/Fault"
import type { Report } from "@sotto/simulation/Report"
import type { Scenario } from "@sotto/simulation/Scenario"
import type { Simulation } from "@sotto/simulation/Simulation"

/** A place, and what the disk keeps of what was not synced. */
type Place = readonly [point: Point, law: CrashLaw]

/** What is tried at an operation of a disk, the k-th of its kind. */
type OnDisk = (operation: DiskKind, k: number) => ReadonlyArray<Place>

const place = (operation: DiskKind, k: number, phase: "before" | "after", kind: "none" | "torn"): Place => [
  { at: "disk", operation, phase, k },
  { kind }
]

/** Before and after, with what was not synced gone or torn. */
export const all: OnDisk = (operation, k) =>
  (["before", "after"] as const).flatMap((phase) =>
    (["none", "torn"] as const).map((law) => place(operation, k, phase, law))
  )

/** As few as bring about all states of a disk: after what is not durable yet it is as before what comes next. */
export const each: OnDisk = (operation, k) => [
  place(operation, k, "before", "torn"),
  ...(operation === "sync" || operation === "syncDirectory" ? [place(operation, k, "after", "none")] : [])
]

const DISK_KINDS: ReadonlyArray<DiskKind> = ["append", "write", "truncate", "rename", "remove", "sync", "syncDirectory"]

export interface Options {
  readonly simulation: Simulation
  /** What is done, and what goes wrong in any case. */
  readonly scenario: Scenario
  /** The nodes that die, each in worlds of its own; all unless given. */
  readonly nodes?: ReadonlyArray<string>
  readonly onDisk: OnDisk
  /** Where it becomes interesting, and where it ends: the whole safety phase unless given. */
  readonly betweenMicros?: readonly [from: number, to: number]
}

const crashAt = (node: string, [point, disk]: Place): Fault => ({
  kind: "crashAt",
  node,
  point,
  disk,
  downMicros: 200_000,
  notice: "reset"
})

/** The places of a run in which nobody died. */
const placesOf = ({ rows }: Report, { betweenMicros, nodes, onDisk, scenario }: Options): ReadonlyArray<Fault> => {
  const [from, to] = betweenMicros ?? [0, scenario.phases.safetyMicros]
  const countByName = new Map<string, number>()
  return rows.flatMap(({ kind, node, tMicros }) => {
    const name = `${node} ${kind}`
    const k = countByName.get(name) ?? 0
    countByName.set(name, k + 1)
    if (tMicros < from || tMicros >= to || nodes?.includes(node) === false) return []
    const operation = DISK_KINDS.find((one) => kind === `disk.${one}`)
    const places: ReadonlyArray<Place> = operation !== undefined
      ? onDisk(operation, k)
      : kind === "send"
      ? [[{ at: "send", k }, { kind: "none" }]]
      : []
    return places.map((one) => crashAt(node, one))
  })
}

/** Runs the world once for each place; answers a report for each, and before them that of the run in which nobody dies. */
export const runAll = (options: Options): ReadonlyArray<Report> => {
  const { scenario, simulation } = options
  const run = (faults: ReadonlyArray<Fault>) =>
    simulation.run({ ...scenario, faults: [...scenario.faults, ...faults] }, { trace: true })
  const calm = run([])
  return [calm, ...placesOf(calm, options).map((fault) => run([fault]))]
}
