/**
 * The whole run in a strip, and the slider that moves the cursor: pull it, or use the keys of any slider. The frame of
 * the diagram is a window in it.
 */
import { moment } from "./Axis.ts"
import { bars, COLUMN, type Scene, x } from "./Detail.ts"
import { h, Sheet } from "./Dom.ts"
import { whole } from "./Frame.ts"
import type { Look } from "./Look.ts"
import type { Model } from "./Model.ts"
import { rowsUntil, timeOf } from "./Run.ts"

const HEIGHT = 52

export class Overview {
  readonly element: HTMLElement
  private readonly base = new Sheet("base")
  private readonly top = new Sheet("top")
  private readonly model: Model
  private look: Look

  constructor(model: Model, look: Look) {
    this.model = model
    this.look = look
    this.element = h(
      "div",
      {
        class: "overview",
        role: "slider",
        tabindex: 0,
        "aria-label": "Moment of the run",
        "aria-valuemin": 0,
        "aria-valuemax": Math.max(0, model.run.size - 1)
      },
      this.base.canvas,
      this.top.canvas
    )
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId)
      this.scrub(event)
    })
    this.element.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) this.scrub(event)
    })
  }

  setLook(look: Look): void {
    this.look = look
  }

  update(parts: ReadonlySet<string>): void {
    if (["axis", "mask", "look"].some((part) => parts.has(part))) this.drawBase()
    this.drawTop()
  }

  drawAll(): void {
    this.drawBase()
    this.drawTop()
  }

  private scene(): Scene {
    const { axis, mask, run } = this.model
    const laneByNode = new Int32Array(run.nodes.length)
    return { run, axis, frame: whole(axis.length), mask, width: this.base.width, laneByNode, lanes: 1 }
  }

  private drawBase(): void {
    this.base.clear(Math.max(60, this.element.clientWidth), HEIGHT)
    const { context } = this.base
    const { look, model } = this
    const scene = this.scene()
    const at = (micros: number) => x(scene, scene.axis.placeOfTime(micros))
    context.fillStyle = look.faultSoft
    for (const { from, to } of model.faults) context.fillRect(at(from), 0, Math.max(2, at(to) - at(from)), HEIGHT)
    const { columns, counts, most } = bars(scene)
    context.fillStyle = look.dim
    context.globalAlpha = 0.75
    context.beginPath()
    for (let column = 0; column < columns; column++) {
      const count = counts[column] ?? 0
      const high = count === 0 ? 0 : Math.max(2, (HEIGHT - 14) * Math.log2(1 + count) / Math.log2(1 + most))
      context.rect(column * COLUMN, HEIGHT - high, COLUMN - 1, high)
    }
    context.fill()
    context.globalAlpha = 1
    context.fillStyle = look.bad
    model.run.packed.violations.forEach(({ tMicros }, index) => {
      const row = model.violations[index]
      context.fillRect(row === undefined ? at(tMicros) : x(scene, model.place(row)) - 1, 0, 2.5, HEIGHT)
    })
  }

  private drawTop(): void {
    const { look, model } = this
    this.top.clear(this.base.width, HEIGHT)
    const { context } = this.top
    const scene = this.scene()
    const left = x(scene, model.frame.from)
    const right = x(scene, model.frame.to)
    context.fillStyle = look.panel
    context.globalAlpha = 0.66
    context.fillRect(0, 0, left, HEIGHT)
    context.fillRect(right, 0, this.base.width - right, HEIGHT)
    context.globalAlpha = 1
    context.strokeStyle = look.faint
    context.lineWidth = 1
    context.strokeRect(Math.max(0.5, left), 0.5, Math.min(this.base.width - 1, right - Math.max(0, left)), HEIGHT - 1)
    context.fillStyle = look.cursor
    const at = x(scene, model.place(model.cursor))
    context.fillRect(at - 1, 0, 2, HEIGHT)
    context.beginPath()
    context.arc(at, 5, 4, 0, 7)
    context.fill()
    this.element.setAttribute("aria-valuenow", String(model.cursor))
    const second = moment(timeOf(model.run, model.cursor))
    this.element.setAttribute("aria-valuetext", `row ${model.run.first + model.cursor}, ${second} seconds`)
  }

  private scrub(event: PointerEvent): void {
    const { axis, run } = this.model
    const { left } = this.element.getBoundingClientRect()
    const { from, to } = whole(axis.length)
    const place = from + (event.clientX - left) / this.base.width * (to - from)
    if (axis.scale === "time") return this.model.moveTo(rowsUntil(run, place) - 1)
    let [low, high] = [0, run.size]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.model.place(middle) <= place) low = middle + 1
      else high = middle
    }
    this.model.moveTo(Math.max(0, low - 1))
  }
}
