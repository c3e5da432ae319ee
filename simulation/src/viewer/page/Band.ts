/**
 * What lasts: nodes that are down or stand still, and faults, each from a moment to a moment.
 *
 * 1. A band ends where it was lifted, and at the end of the run when nothing lifted it.
 * 2. Times of faults in a scenario count from the beginning of the safety phase; here they count like the rows.
 * 3. Faults that overlap lie in different tracks; a track is free again when its fault is over.
 */
import type { Scenario } from "../../Scenario.ts"
import { endOf } from "./Axis.ts"
import { isDown, isUpAgain } from "./Kind.ts"
import type { Lanes } from "./Lane.ts"
import { kindOf, type Run, timeOf } from "./Run.ts"

export type FaultPlan = Scenario["faults"][number]

export interface Standstill {
  readonly lane: number
  readonly from: number
  readonly to: number
  readonly kind: "down" | "paused"
  /** Position of the row that began it. */
  readonly row: number
}

export interface FaultBand {
  readonly fault: FaultPlan
  readonly from: number
  readonly to: number
  /** Lanes that it is about. Empty: everybody. */
  readonly lanes: ReadonlyArray<number>
  readonly track: number
  readonly row: number | undefined
}

export const standstills = (run: Run, lanes: Lanes): ReadonlyArray<Standstill> => {
  const out: Array<Standstill> = []
  const open = new Map<number, { readonly row: number; readonly kind: Standstill["kind"] }>()
  const close = (lane: number, to: number) => {
    const began = open.get(lane)
    open.delete(lane)
    if (began !== undefined) out.push({ lane, from: timeOf(run, began.row), to, ...began })
  }
  for (let row = 0; row < run.size; row++) {
    const turn = turnOf(kindOf(run, row))
    if (turn === undefined) continue
    const lane = lanes.byNode[run.node[row] ?? 0] ?? 0
    if (!matters(turn, open.get(lane)?.kind)) continue
    close(lane, timeOf(run, row))
    if (turn === "down" || turn === "paused") open.set(lane, { row, kind: turn })
  }
  for (const lane of lanes.lanes.keys()) close(lane, endOf(run))
  return out.sort((a, b) => a.from - b.from)
}

type Turn = "down" | "paused" | "resume" | "up"

/** Who is down neither dies again nor stands still or goes on; who stands still can only go on, or die. */
const matters = (turn: Turn, was: Standstill["kind"] | undefined): boolean =>
  turn === "up" || (turn === "down" ? was !== "down" : turn === "paused" ? was === undefined : was === "paused")

/** What a kind of row does to its node, as far as it stands still or goes on. */
const turnOf = (kind: string): Turn | undefined => {
  if (isDown(kind)) return "down"
  if (isUpAgain(kind)) return "up"
  return kind === "pause" ? "paused" : kind === "resume" ? "resume" : undefined
}

/** When the safety phase began, which the times of a scenario count from. */
const safetyBegan = (run: Run): number => {
  const phase = run.kinds.indexOf("phase")
  if (phase < 0) return 0
  for (let at = 0; at < run.size; at++) {
    if (run.kind[at] === phase && Object.values(run.payload(at)).includes("safety")) return timeOf(run, at)
  }
  return 0
}

export const faultBands = (run: Run, lanes: Lanes): ReadonlyArray<FaultBand> => {
  const rows = faultRows(run, "fault")
  const ends = faultRows(run, "fault.end")
  const start = safetyBegan(run)
  const end = endOf(run)
  const bands = run.packed.scenario.faults.flatMap((fault, index): ReadonlyArray<Omit<FaultBand, "track">> => {
    const row = rows.get(index) ?? rowOfKind(run, fault, start)
    const from = row === undefined ? atMicros(fault, start) : timeOf(run, row)
    if (from === undefined || from > end) return []
    const lifted = ends.get(index)
    const to = lifted === undefined ? Math.min(end, from + lasts(fault)) : timeOf(run, lifted)
    return [{ fault, from, to, lanes: nodesOf(fault, lanes), row }]
  })
  return tracks(bands)
}

/** Gives each band the first track that is free. */
const tracks = (bands: ReadonlyArray<Omit<FaultBand, "track">>): ReadonlyArray<FaultBand> => {
  const free: Array<number> = []
  return [...bands].sort((a, b) => a.from - b.from).map((band) => {
    const found = free.findIndex((until) => until < band.from)
    const track = found < 0 ? free.length : found
    free[track] = band.to
    return { ...band, track }
  })
}

/** The first row of a kind for each fault, by the number that it has in the scenario. */
const faultRows = (run: Run, name: string): ReadonlyMap<number, number> => {
  const kind = run.kinds.indexOf(name)
  const out = new Map<number, number>()
  for (let row = 0; row < run.size && kind >= 0; row++) {
    const index = run.kind[row] === kind ? run.value(row, "fault") : undefined
    if (typeof index === "number" && !out.has(index)) out.set(index, row)
  }
  return out
}

/** The row of a fault that says no number: of its kind and at its time, or of its node when it was aimed. */
const rowOfKind = (run: Run, fault: FaultPlan, start: number): number | undefined => {
  const at = atMicros(fault, start)
  const node = "node" in fault ? fault.node : undefined
  for (let row = 0; row < run.size; row++) {
    const kind = kindOf(run, row)
    const says = kind === "fault" && run.value(row, "kind") === fault.kind
    const dies = fault.kind === "crashAt" && kind === "crash"
    if (!says && !dies) continue
    const there = at === undefined ? node === undefined || isAbout(run, row, node) : timeOf(run, row) === at
    if (there) return row
  }
  return undefined
}

const isAbout = (run: Run, row: number, node: string) =>
  run.nodes[run.node[row] ?? 0] === node || run.value(row, "node") === node

const atMicros = (fault: FaultPlan, start: number): number | undefined =>
  "atMicros" in fault ? start + fault.atMicros : undefined

/** How long it holds; 0 for what happens at once. */
export const lasts = (fault: FaultPlan): number => {
  if (fault.kind === "swizzle") return 2 * fault.nodes.length * fault.everyMicros
  if ("durationMicros" in fault) return fault.durationMicros ?? 0
  return "downMicros" in fault ? fault.downMicros : 0
}

/** A time in which what a lane sends or gets is lost, or waits. */
export interface Cut {
  readonly lane: number
  readonly from: number
  readonly to: number
  readonly how: "partition" | "clog"
}

/** From the faults, each on the lanes that it is about, or on all; and from rows that say so of their node. */
export const cutsOf = (run: Run, lanes: Lanes, bands: ReadonlyArray<FaultBand>): ReadonlyArray<Cut> => {
  const nodes = [...lanes.lanes.keys()].filter((lane) => lanes.lanes[lane]?.kind !== "")
  const out = bands.flatMap(({ fault, from, lanes: about, to }) => {
    const how = howCut(fault)
    return how === undefined ? [] : (about.length === 0 ? nodes : about).map((lane): Cut => ({ lane, from, to, how }))
  })
  const began = new Map<number, number>()
  const close = (lane: number, to: number) => {
    const from = began.get(lane)
    began.delete(lane)
    if (from !== undefined) out.push({ lane, from, to, how: "clog" })
  }
  for (let row = 0; row < run.size; row++) {
    const kind = kindOf(run, row)
    if (kind !== "clog" && kind !== "unclog") continue
    const lane = lanes.byNode[run.node[row] ?? 0] ?? 0
    close(lane, timeOf(run, row))
    if (kind === "clog") began.set(lane, timeOf(run, row))
  }
  for (const lane of nodes) close(lane, endOf(run))
  return out
}

const howCut = ({ kind }: FaultPlan): Cut["how"] | undefined =>
  kind === "partition" || kind === "offline" ? "partition" : kind === "clog" ? "clog" : undefined

/** The lanes whose names are somewhere in it. */
const nodesOf = (fault: unknown, lanes: Lanes): ReadonlyArray<number> => {
  const found = new Set<number>()
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      const lane = lanes.byName.get(value)
      if (lane !== undefined) found.add(lane)
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit)
  }
  visit(fault)
  return [...found].sort((a, b) => a - b)
}
