/**
 * The time-space diagram: a drawing below, the cursor above it, names of lanes beside. Moving the cursor redraws only
 * the upper sheet. The keys work on the whole page (`Keys.ts`); a pointer picks, pulls and zooms here.
 */
import { moment } from "./Axis.ts"
import { nodeCondition } from "./Condition.ts"
import * as Describe from "./Describe.ts"
import { pick, type Scene, x } from "./Detail.ts"
import { h, replace, Sheet } from "./Dom.ts"
import { type Grid, gridOf, laneAt, laneHeight, laneY, RULER, trackHeight } from "./Grid.ts"
import type { Look } from "./Look.ts"
import type { Model } from "./Model.ts"
import { arrowHead, type Hatches, hatchesOf, paint } from "./Paint.ts"
import { Ruler } from "./Ruler.ts"
import { causeOf, kindOf, nodeOf, timeOf } from "./Run.ts"

/** How many causes of the row at the cursor are marked backwards. */
const TRAIL = 40

export class Diagram {
  readonly element: HTMLElement
  private readonly model: Model
  private readonly base = new Sheet("base")
  private readonly top = new Sheet("top")
  private readonly ruler = new Ruler()
  private readonly stage: HTMLElement
  private readonly scroller: HTMLElement
  private readonly gutter = h("div", { class: "gutter" })
  private readonly tip = h("div", { class: "tip", hidden: true })
  private grid: Grid
  private look: Look
  private hatches: Hatches
  private pulled: { readonly x: number; readonly from: number; moved: boolean } | undefined

  constructor(model: Model, look: Look) {
    this.model = model
    this.look = look
    this.hatches = hatchesOf(this.base.context, look)
    this.grid = this.measure(400)
    this.stage = h("div", { class: "stage" }, this.ruler.canvas, this.base.canvas, this.top.canvas, this.tip)
    this.scroller = h("div", { class: "scroller" }, this.gutter, this.stage)
    this.element = h("div", {
      class: "diagram",
      tabindex: 0,
      role: "group",
      "aria-label": "Time-space diagram. Arrow keys step; the table of rows below says the same in text.",
      "aria-describedby": "at-cursor"
    }, this.scroller)
    this.listen()
  }

  setLook(look: Look): void {
    this.look = look
    this.hatches = hatchesOf(this.base.context, look)
  }

  update(parts: ReadonlySet<string>): void {
    if (["frame", "axis", "mask", "look"].some((part) => parts.has(part))) this.drawBase()
    this.drawTop()
    if (parts.has("cursor")) {
      this.names()
      this.reveal()
    }
  }

  /** Scrolls to the lane of the cursor when lanes are more than fit. */
  private reveal(): void {
    const { clientHeight, scrollHeight, scrollTop } = this.scroller
    const { cursor, lanes, run } = this.model
    const lane = this.grid.lanes[lanes.byNode[run.node[cursor] ?? 0] ?? 0]
    if (lane === undefined || scrollHeight <= clientHeight) return
    if (lane.top - RULER < scrollTop) this.scroller.scrollTop = lane.top - RULER
    else if (lane.top + lane.height > scrollTop + clientHeight) {
      this.scroller.scrollTop = lane.top + lane.height - clientHeight
    }
  }

  drawAll(): void {
    this.drawBase()
    this.drawTop()
    this.names()
  }

  private scene(): Scene {
    const { axis, frame, lanes, mask, run } = this.model
    return { run, axis, frame, mask, width: this.base.width, laneByNode: lanes.byNode, lanes: lanes.lanes.length }
  }

  private measure(room: number): Grid {
    const tracks = this.model.faults.reduce((most, { track }) => Math.max(most, track + 1), 0)
    return gridOf(this.model.lanes.lanes.map(({ kind }) => kind === ""), tracks, room)
  }

  private drawBase(): void {
    this.grid = this.measure(Math.max(120, this.scroller.clientHeight))
    const width = Math.max(100, this.scroller.clientWidth - this.gutter.offsetWidth)
    this.base.clear(width, this.grid.height)
    const { hatches, grid, look, model } = this
    paint({ context: this.base.context, model, scene: this.scene(), grid, look, hatches })
  }

  /** The cursor, the causes that led to its row, and its row. */
  private drawTop(): void {
    const { base, grid, look, model, top } = this
    top.clear(base.width, grid.height)
    const scene = this.scene()
    this.ruler.draw(model, scene, look)
    if (model.run.size === 0) return
    const { context } = top
    const at = x(scene, model.place(model.cursor))
    context.strokeStyle = context.fillStyle = look.cursor
    this.trail(scene)
    context.lineWidth = 1
    context.globalAlpha = 0.8
    context.beginPath()
    context.moveTo(Math.round(at) + 0.5, RULER)
    context.lineTo(Math.round(at) + 0.5, grid.height)
    context.stroke()
    context.globalAlpha = 1
    context.lineWidth = 2
    context.beginPath()
    context.arc(at, this.laneOf(model.cursor), 6.5, 0, 7)
    context.stroke()
  }

  /** From the row at the cursor to its cause, and on. */
  private trail(scene: Scene): void {
    const { model } = this
    const { context } = this.top
    context.lineWidth = 2.4
    context.lineJoin = "round"
    const tips: Array<readonly [number, number, number, number]> = []
    context.beginPath()
    let at = model.cursor
    for (let n = 0; n < TRAIL && causeOf(model.run, at) >= 0; n++) {
      const cause = causeOf(model.run, at)
      const tip = [
        x(scene, model.place(cause)),
        this.laneOf(cause),
        x(scene, model.place(at)),
        this.laneOf(at)
      ] as const
      context.moveTo(tip[0], tip[1])
      context.lineTo(tip[2], tip[3])
      tips.push(tip)
      at = cause
    }
    context.globalAlpha = 0.75
    context.stroke()
    context.beginPath()
    for (const tip of tips) if (tip[1] !== tip[3]) arrowHead(context, ...tip)
    context.fill()
    context.globalAlpha = 1
  }

  private laneOf(at: number): number {
    const { lanes, run } = this.model
    return laneY(this.grid, lanes.byNode[run.node[at] ?? 0] ?? 0)
  }

  /** The names, each with how the node is at the cursor. */
  private names(): void {
    const { grid, model } = this
    this.gutter.style.height = `${grid.height}px`
    const here = model.lanes.byNode[model.run.node[model.cursor] ?? 0]
    replace(
      this.gutter,
      h("span", { class: "corner" }, grid.tracks > 0 ? "faults" : ""),
      ...model.lanes.lanes.map(({ kind, node }, lane) => {
        const condition = nodeCondition(model, lane, timeOf(model.run, model.cursor))
        const high = laneHeight(grid, lane)
        const style = `top:${grid.lanes[lane]?.top ?? 0}px;height:${high}px`
        return h(
          "div",
          { class: `name ${condition}${lane === here ? " here" : ""}`, style, title: `${node}: ${condition}` },
          h("b", {}, node),
          high < 34 ? undefined : h("span", {}, condition === "up" ? kind : condition)
        )
      })
    )
  }

  private listen(): void {
    const { stage } = this
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false })
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return
      stage.setPointerCapture(event.pointerId)
      this.pulled = { x: event.offsetX, from: this.model.frame.from, moved: false }
    })
    stage.addEventListener("pointermove", (event) => this.pull(event))
    stage.addEventListener("pointerup", (event) => {
      if (this.pulled?.moved === false) this.choose(event)
      this.pulled = undefined
    })
    stage.addEventListener("pointerleave", () => {
      this.tip.hidden = true
    })
    stage.addEventListener("dblclick", (event) => this.model.zoom(0.4, this.placeAt(event.offsetX)))
  }

  private placeAt(atX: number): number {
    const { from, to } = this.model.frame
    return from + atX / this.base.width * (to - from)
  }

  private wheel(event: WheelEvent): void {
    const scrolls = this.scroller.scrollHeight > this.scroller.clientHeight + 1 && !event.ctrlKey
    if (scrolls && Math.abs(event.deltaY) > Math.abs(event.deltaX)) return
    event.preventDefault()
    const { frame } = this.model
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      const by = (event.deltaX || event.deltaY) / this.base.width * (frame.to - frame.from)
      this.model.show({ from: frame.from + by, to: frame.to + by })
    } else this.model.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) / 300), this.placeAt(event.offsetX))
  }

  private pull(event: PointerEvent): void {
    const { model, pulled } = this
    if (pulled === undefined) return this.hover(event)
    if (Math.abs(event.offsetX - pulled.x) > 3) pulled.moved = true
    if (!pulled.moved) return
    const { from, to } = model.frame
    const start = pulled.from - (event.offsetX - pulled.x) / this.base.width * (to - from)
    model.show({ from: start, to: start + to - from })
  }

  private at(event: MouseEvent, reach: number): number | undefined {
    const lane = laneAt(this.grid, event.offsetY)
    return lane === undefined ? undefined : pick(this.scene(), lane, event.offsetX, reach)
  }

  private choose(event: MouseEvent): void {
    const found = this.at(event, 12)
    if (found !== undefined) return this.model.moveTo(found)
    const fault = this.model.faults.find(({ from, to, track }) => {
      const scene = this.scene()
      const [left, right] = [from, to].map((time) => x(scene, scene.axis.placeOfTime(time)))
      const inside = event.offsetX >= (left ?? 0) - 6 && event.offsetX <= (right ?? 0) + 6
      return inside && Math.floor((event.offsetY - RULER - 5) / trackHeight(this.grid)) === track
    })
    if (fault?.row !== undefined) this.model.moveTo(fault.row)
  }

  private hover(event: PointerEvent): void {
    const found = event.pointerType === "touch" ? undefined : this.at(event, 8)
    this.tip.hidden = found === undefined
    if (found === undefined) return
    const { run } = this.model
    replace(
      this.tip,
      h("b", {}, `${nodeOf(run, found)} · ${kindOf(run, found)}`),
      h("span", {}, Describe.brief(run.payload(found))),
      h("span", { class: "dim" }, `#${run.first + found} · ${moment(timeOf(run, found))} s`)
    )
    const right = event.offsetX > this.base.width / 2
    this.tip.style.left = `${event.offsetX + (right ? -14 : 14)}px`
    this.tip.style.top = `${event.offsetY + 14}px`
    this.tip.style.transform = right ? "translateX(-100%)" : ""
  }
}
