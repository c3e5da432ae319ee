/** The ruler over the lanes: times, violations, and the moment of the cursor. It stays in sight when lanes are scrolled. */
import { duration, moment, ticks } from "./Axis.ts"
import { type Scene, x } from "./Detail.ts"
import { Sheet } from "./Dom.ts"
import { RULER } from "./Grid.ts"
import type { Look } from "./Look.ts"
import type { Model } from "./Model.ts"
import { TICKS_APART } from "./Paint.ts"
import { violationsAt } from "./PaintRows.ts"
import { timeOf } from "./Run.ts"

export class Ruler {
  private readonly sheet = new Sheet("ruler")
  readonly canvas = this.sheet.canvas

  draw(model: Model, scene: Scene, look: Look): void {
    this.sheet.clear(scene.width, RULER)
    const { context } = this.sheet
    context.fillStyle = look.panel
    context.fillRect(0, 0, scene.width, RULER)
    context.textBaseline = "middle"
    context.textAlign = "left"
    this.times(scene, look)
    context.fillStyle = look.bad
    context.beginPath()
    for (const at of violationsAt(model, scene)) {
      context.moveTo(at + 0.5, RULER - 1)
      context.lineTo(at + 7, RULER - 12)
      context.lineTo(at - 6, RULER - 12)
      context.closePath()
    }
    context.fill()
    if (model.run.size > 0) this.flag(model, scene, look)
  }

  private times(scene: Scene, look: Look): void {
    const { context } = this.sheet
    context.strokeStyle = look.line
    context.fillStyle = look.dim
    context.font = `11px ${look.font}`
    context.lineWidth = 1
    context.beginPath()
    context.moveTo(0, RULER - 0.5)
    context.lineTo(scene.width, RULER - 0.5)
    for (const { micros, place } of ticks(scene.axis, scene.frame, { width: scene.width, apart: TICKS_APART })) {
      const at = Math.round(x(scene, place)) + 0.5
      context.moveTo(at, RULER - 8)
      context.lineTo(at, RULER)
      context.fillText(duration(micros), at + 5, RULER / 2)
    }
    context.stroke()
  }

  private flag(model: Model, scene: Scene, look: Look): void {
    const { context } = this.sheet
    const text = `${moment(timeOf(model.run, model.cursor))} s`
    const at = x(scene, model.place(model.cursor))
    context.font = `600 11px ${look.font}`
    const wide = context.measureText(text).width + 14
    const left = Math.min(scene.width - wide - 2, Math.max(2, at - wide / 2))
    context.fillStyle = look.cursor
    context.beginPath()
    context.roundRect(left, 3, wide, 18, 4)
    context.fill()
    context.fillStyle = look.panel
    context.fillText(text, left + 7, 12.5)
  }
}
