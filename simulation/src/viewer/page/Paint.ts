/**
 * The drawing of a frame: ruler, faults, lanes, what stands still, messages, rows. Strokes of one look are one path, so
 * the number of calls depends on how many looks there are and on the size of the picture (`Detail.ts`).
 */
import { ticks } from "./Axis.ts"
import type { FaultBand } from "./Band.ts"
import * as Describe from "./Describe.ts"
import { type Line, lines, type Scene, x } from "./Detail.ts"
import { type Grid, laneHeight, lanesTop, laneY, trackHeight, trackY } from "./Grid.ts"
import { type Look, slotOf } from "./Look.ts"
import { ARRIVED, DROPPED, type Messages, OPEN } from "./Message.ts"
import type { Model } from "./Model.ts"
import { diamond, rows, violations } from "./PaintRows.ts"

/** Pixels between the marks of the ruler, at least. */
export const TICKS_APART = 96

export interface Painting {
  readonly context: CanvasRenderingContext2D
  readonly model: Model
  readonly scene: Scene
  readonly grid: Grid
  readonly look: Look
  readonly hatches: Hatches
}

export interface Hatches {
  readonly partition: CanvasPattern | string
  readonly clog: CanvasPattern | string
}

/** Patterns for what cuts and for what holds: lines and dots, so that they are told apart without colour. */
export const hatchesOf = (context: CanvasRenderingContext2D, look: Look): Hatches => {
  const tile = (draw: (pen: CanvasRenderingContext2D) => void): CanvasPattern | string => {
    const canvas = document.createElement("canvas")
    canvas.width = canvas.height = 16
    const pen = canvas.getContext("2d")
    if (pen === null) return look.faultSoft
    pen.strokeStyle = pen.fillStyle = look.fault
    pen.globalAlpha = 0.36
    draw(pen)
    const pattern = context.createPattern(canvas, "repeat")
    pattern?.setTransform(new DOMMatrix().scale(0.5))
    return pattern ?? look.faultSoft
  }
  return {
    partition: tile((pen) => {
      pen.lineWidth = 2
      pen.beginPath()
      for (const at of [-16, 0, 16]) {
        pen.moveTo(at - 2, 18)
        pen.lineTo(at + 18, -2)
      }
      pen.stroke()
    }),
    clog: tile((pen) => {
      pen.beginPath()
      pen.arc(4, 4, 2, 0, 7)
      pen.arc(12, 12, 2, 0, 7)
      pen.fill()
    })
  }
}

export const paint = (painting: Painting): void => {
  lanes(painting)
  cuts(painting)
  standing(painting)
  faults(painting)
  rulerLines(painting)
  messages(painting)
  rows(painting)
  violations(painting)
}

const lanes = ({ context, grid, look, scene }: Painting): void => {
  context.fillStyle = look.stripe
  grid.lanes.forEach(({ height, top }, lane) => {
    if (lane % 2 === 0) context.fillRect(0, top, scene.width, height)
  })
  context.strokeStyle = look.line
  context.lineWidth = 1
  context.beginPath()
  grid.lanes.forEach((_, lane) => {
    const y = Math.round(laneY(grid, lane)) + 0.5
    context.moveTo(0, y)
    context.lineTo(scene.width, y)
  })
  context.stroke()
}

/** Lines of the ruler, down through the lanes. */
const rulerLines = ({ context, grid, look, scene }: Painting): void => {
  context.strokeStyle = look.line
  context.lineWidth = 1
  context.globalAlpha = 0.7
  context.beginPath()
  for (const { place } of ticks(scene.axis, scene.frame, { width: scene.width, apart: TICKS_APART })) {
    const at = Math.round(x(scene, place)) + 0.5
    context.moveTo(at, lanesTop(grid))
    context.lineTo(at, grid.height)
  }
  context.stroke()
  context.globalAlpha = 1
}

/** Where something of a time to a time is, or undefined when it is not in the picture. */
const extent = ({ scene }: Painting, from: number, to: number): readonly [left: number, right: number] | undefined => {
  const left = x(scene, scene.axis.placeOfTime(from))
  const right = x(scene, scene.axis.placeOfTime(to))
  return right < 0 || left > scene.width ? undefined : [Math.max(-4, left), Math.min(scene.width + 4, right)]
}

/** Hatches over the lanes that are cut off or clogged. */
const cuts = (painting: Painting): void => {
  const { context, grid, hatches, model } = painting
  for (const { from, how, lane, to } of model.cuts) {
    const box = extent(painting, from, to)
    if (box === undefined) continue
    const high = laneHeight(grid, lane) * 0.84
    context.fillStyle = how === "partition" ? hatches.partition : hatches.clog
    context.fillRect(box[0], laneY(grid, lane) - high / 2, box[1] - box[0], high)
  }
}

const standing = (painting: Painting): void => {
  const { context, grid, look, model } = painting
  context.font = `11px ${look.font}`
  context.textBaseline = "middle"
  context.textAlign = "left"
  for (const { from, kind, lane, to } of model.standstills) {
    const box = extent(painting, from, to)
    if (box === undefined) continue
    const [left, right] = box
    const high = Math.min(34, laneHeight(grid, lane) * 0.56)
    context.fillStyle = look.down
    context.globalAlpha = kind === "down" ? 1 : 0.55
    context.beginPath()
    context.roundRect(left, laneY(grid, lane) - high / 2, Math.max(2, right - left), high, 3)
    context.fill()
    context.globalAlpha = 1
    if (right - left < 46) continue
    context.fillStyle = look.dim
    context.fillText(kind, Math.max(left, 0) + 12, laneY(grid, lane) + (high > 22 ? high / 2 - 7 : 0))
  }
}

const faults = (painting: Painting): void => {
  const { context, grid, look, model } = painting
  context.font = `${grid.tracks > 4 ? 10 : 11}px ${look.font}`
  context.textBaseline = "middle"
  context.textAlign = "left"
  for (const band of model.faults) {
    const box = extent(painting, band.from, band.to)
    if (box !== undefined && grid.tracks > 0) fault(painting, band, box)
  }
}

const fault = ({ context, grid, look, model }: Painting, band: FaultBand, box: readonly [number, number]): void => {
  const [left, right] = box
  const high = trackHeight(grid)
  const y = trackY(grid, band.track)
  const wide = Math.max(right - left, 0)
  const isInstant = wide < 5
  context.fillStyle = look.faultSoft
  context.strokeStyle = look.fault
  context.lineWidth = 1
  context.beginPath()
  if (isInstant) diamond(context, left, y + high / 2 - 1, 4.5)
  else context.roundRect(left + 0.5, y + 0.5, wide - 1, high - 4, 3)
  context.fill()
  context.stroke()
  const text = Describe.faultName(band.fault)
  const room = isInstant ? nextOnTrack(model, band, left) - 12 : wide - 8
  if (band.track >= grid.tracks || context.measureText(text).width > room) return
  context.fillStyle = look.ink
  context.fillText(text, left + (isInstant ? 9 : 6), y + high / 2 - 1)
}

/** What is drawn for one instant is named when nothing comes after it on its track. */
const nextOnTrack = (model: Model, band: FaultBand, left: number): number =>
  left < 0 || model.faults.some(({ from, track }) => track === band.track && from > band.from) ? 0 : 140

/** Lines by look: each is one path. */
const messages = (painting: Painting): void => {
  const { model, scene } = painting
  const drawn = lines(scene, model.messages)
  const groups = new Map<number, Array<Line>>()
  for (const line of drawn.lines) {
    const look = slotOf(model.messages.type[line.message] ?? 0) * 3 + (model.messages.fate[line.message] ?? 0)
    const group = groups.get(look)
    if (group === undefined) groups.set(look, [line])
    else group.push(line)
  }
  const style = { dense: drawn.dense, heads: !drawn.dense && drawn.lines.length < 500 }
  for (const [look, group] of groups) stroke(painting, group, { ...style, slot: Math.floor(look / 3), fate: look % 3 })
}

interface Stroke {
  readonly slot: number
  readonly fate: number
  readonly dense: boolean
  readonly heads: boolean
}

const dashes: { readonly [fate: number]: ReadonlyArray<number> } = {
  [ARRIVED]: [],
  [DROPPED]: [5, 4],
  [OPEN]: [1.5, 3.5]
}

const stroke = (painting: Painting, group: ReadonlyArray<Line>, style: Stroke): void => {
  const { context, look, model } = painting
  context.strokeStyle = context.fillStyle = look.types[style.slot] ?? look.dim
  context.lineWidth = style.dense ? 1 : 1.35
  context.globalAlpha = !style.dense ? 0.92 : style.fate === ARRIVED ? 0.4 : 0.22
  context.setLineDash(style.dense ? [] : [...dashes[style.fate] ?? []])
  context.beginPath()
  for (const line of group) {
    const [x0, y0, x1, y1] = ends(painting, model.messages, line)
    context.moveTo(x0, y0)
    context.lineTo(x1, y1)
  }
  context.stroke()
  context.setLineDash([])
  if (style.fate === ARRIVED && style.heads) heads(painting, group)
  if (style.fate === DROPPED && !style.dense) crosses(painting, group)
  context.globalAlpha = 1
}

/** Both ends of a line. What was lost at once is a short way towards where it should have gone. */
const ends = (
  { grid }: { readonly grid: Grid },
  messages: Messages,
  { message, x0, x1 }: Line
): readonly [x0: number, y0: number, x1: number, y1: number] => {
  const y0 = laneY(grid, messages.from[message] ?? 0)
  const y1 = laneY(grid, messages.to[message] ?? 0)
  if (messages.fate[message] === ARRIVED) return [x0, y0, x1, y1]
  const share = x1 - x0 > 14 ? 0.72 : 0.36
  return [x0, y0, x1 - x0 > 14 ? x0 + (x1 - x0) * share : x0 + 9, y0 + (y1 - y0) * share]
}

const heads = (painting: Painting, group: ReadonlyArray<Line>): void => {
  const { context, model } = painting
  context.beginPath()
  for (const line of group) {
    const [x0, y0, x1, y1] = ends(painting, model.messages, line)
    arrowHead(context, x0, y0, x1, y1)
  }
  context.fill()
}

export const arrowHead = (context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void => {
  const long = Math.hypot(x1 - x0, y1 - y0)
  if (long < 10) return
  const [dx, dy] = [(x1 - x0) / long, (y1 - y0) / long]
  const [tipX, tipY] = [x1 - dx * 3, y1 - dy * 3]
  context.moveTo(tipX, tipY)
  context.lineTo(tipX - dx * 8 - dy * 3.2, tipY - dy * 8 + dx * 3.2)
  context.lineTo(tipX - dx * 8 + dy * 3.2, tipY - dy * 8 - dx * 3.2)
  context.closePath()
}

const crosses = (painting: Painting, group: ReadonlyArray<Line>): void => {
  const { context, model } = painting
  context.lineWidth = 1.6
  context.beginPath()
  for (const line of group) {
    const [, , x1, y1] = ends(painting, model.messages, line)
    context.moveTo(x1 - 3.5, y1 - 3.5)
    context.lineTo(x1 + 3.5, y1 + 3.5)
    context.moveTo(x1 + 3.5, y1 - 3.5)
    context.lineTo(x1 - 3.5, y1 + 3.5)
  }
  context.stroke()
}
