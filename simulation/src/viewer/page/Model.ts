/**
 * What the page shows and where it is: one place that parts read, and that tells them once a frame that it changed.
 *
 * 1. The cursor is always on a row that is shown, as long as any is.
 * 2. A change of scale keeps the cursor where it is on the screen.
 */
import { type Axis, axisOf, type Scale } from "./Axis.ts"
import { type Cut, cutsOf, type FaultBand, faultBands, type Standstill, standstills } from "./Band.ts"
import { chain, type Cone, focusOf, past, sizeOf } from "./Cone.ts"
import * as Frame from "./Frame.ts"
import { type Lanes, lanesOf, untrusted } from "./Lane.ts"
import { type Messages, messagesOf } from "./Message.ts"
import { positionOf, type Run } from "./Run.ts"
import { type NodeState, stateReader } from "./State.ts"
import * as Step from "./Step.ts"

/** `all` rows, the `past` of the focus, or only the `chain` of its causes. */
export type Reach = "all" | "past" | "chain"
export const reaches: ReadonlyArray<Reach> = ["all", "past", "chain"]

export type Part = "cursor" | "frame" | "axis" | "mask" | "look" | "wire"

export class Model {
  readonly run: Run
  readonly lanes: Lanes
  readonly messages: Messages
  readonly standstills: ReadonlyArray<Standstill>
  readonly faults: ReadonlyArray<FaultBand>
  readonly cuts: ReadonlyArray<Cut>
  readonly stateOf: (node: string, row: number) => NodeState | undefined
  /** Positions of the violations, the first one first; undefined where the row is not here. */
  readonly violations: ReadonlyArray<number | undefined>
  axis: Axis
  frame: Frame.Frame
  cursor = 0
  reach: Reach = "all"
  mask: Cone | undefined
  /** The row that past and chain are of, unless another is chosen. */
  readonly focus: number | undefined
  /** The node whose wire is shown. */
  wireNode: string
  private readonly listeners: Array<(parts: ReadonlySet<Part>) => void> = []
  private readonly changed = new Set<Part>()
  private readonly soon: (run: () => void) => void

  constructor(run: Run, soon: (run: () => void) => void) {
    this.run = run
    this.soon = soon
    this.lanes = lanesOf(run)
    this.messages = messagesOf(run, this.lanes)
    this.standstills = standstills(run, this.lanes)
    this.faults = faultBands(run, this.lanes)
    this.cuts = cutsOf(run, this.lanes, this.faults)
    this.stateOf = stateReader(run.packed)
    const { violations } = run.packed
    this.violations = violations.map((violation) => positionOf(run, violation.row) ?? focusOf(run, violation))
    this.focus = violations[0] === undefined ? undefined : focusOf(run, violations[0])
    this.wireNode = untrusted(run, this.lanes)
    this.axis = axisOf(run, "even")
    this.frame = Frame.whole(this.axis.length)
    this.cursor = this.violation ?? Math.max(0, run.size - 1)
  }

  onChange(listener: (parts: ReadonlySet<Part>) => void): void {
    this.listeners.push(listener)
  }

  /** The place of a row on the axis. */
  place(at: number): number {
    return this.axis.place[at] ?? 0
  }

  moveTo(at: number, follow = true): void {
    if (this.run.size === 0) return
    this.cursor = Step.nearest(this.run, this.mask, at)
    this.tell("cursor")
    if (follow) this.show(Frame.follow(this.frame, this.place(this.cursor), this.axis.length))
  }

  show(wanted: Frame.Frame): void {
    const frame = Frame.clamp(wanted, this.axis.length)
    const least = (frame.to - frame.from) * 1e-9
    if (Math.abs(frame.from - this.frame.from) < least && Math.abs(frame.to - this.frame.to) < least) return
    this.frame = frame
    this.tell("frame")
  }

  zoom(factor: number, around = this.place(this.cursor)): void {
    this.show(Frame.zoom(this.frame, factor, around, this.axis.length))
  }

  showAll(): void {
    this.show(Frame.whole(this.axis.length))
  }

  setScale(scale: Scale): void {
    if (scale === this.axis.scale) return
    const span = this.frame.to - this.frame.from
    const wide = span >= this.axis.length
    const share = span / this.axis.length
    const screen = (this.place(this.cursor) - this.frame.from) / span
    this.axis = axisOf(this.run, scale)
    const size = share * this.axis.length
    const from = this.place(this.cursor) - screen * size
    const frame = { from, to: from + size }
    this.frame = wide ? Frame.whole(this.axis.length) : Frame.clamp(frame, this.axis.length)
    this.tell("axis", "frame", "cursor")
  }

  /** Shows only what led to the focus, or everything again. */
  setReach(reach: Reach, focus = this.focus ?? this.cursor): void {
    this.reach = reach
    this.mask = reach === "all" ? undefined : this.cone(reach, focus)
    this.tell("mask", "frame")
    if (reach !== "all") this.showCone()
    this.moveTo(this.cursor)
  }

  /** The cone of the violation ends at its row, wherever the chain of its causes does. */
  private cone(reach: "past" | "chain", focus: number): Cone {
    const { run, violation } = this
    const end = focus === this.focus ? violation ?? focus : focus
    const cone = reach === "past" ? past(run, end) : chain(run, focus)
    cone[end] = 1
    return cone
  }

  /** Where the violation is that the run is about. */
  get violation(): number | undefined {
    return this.violations[0]
  }

  /** How many rows are shown. */
  get shown(): number {
    return this.mask === undefined ? this.run.size : sizeOf(this.mask)
  }

  setWireNode(node: string): void {
    this.wireNode = node
    this.tell("wire")
  }

  /** Colours or sizes are others now. */
  redraw(): void {
    this.tell("look", "frame")
  }

  private showCone(): void {
    const { mask, run } = this
    if (mask === undefined) return
    const first = mask.indexOf(1)
    const last = mask.lastIndexOf(1)
    if (first < 0 || run.size === 0) return
    if (this.reach === "chain") this.show(Frame.around([this.place(first), this.place(last)], this.axis.length))
  }

  private tell(...parts: ReadonlyArray<Part>): void {
    const first = this.changed.size === 0
    for (const part of parts) this.changed.add(part)
    if (!first) return
    this.soon(() => {
      const told = new Set(this.changed)
      this.changed.clear()
      for (const listener of this.listeners) listener(told)
    })
  }
}
