/** Rows on their lanes: marks from near, bars from far, names where there is room, and the lines of violations. */
import { bars, COLUMN, marks, type Scene, x } from "./Detail.ts"
import { laneHeight, laneY, RULER } from "./Grid.ts"
import { families, type Family, familyOf } from "./Kind.ts"
import type { Look } from "./Look.ts"
import type { Model } from "./Model.ts"
import type { Painting } from "./Paint.ts"
import { kindOf } from "./Run.ts"

/** No more names than that are drawn. */
const LABELS_MAX = 200

export const rows = (painting: Painting): void => {
  const near = marks(painting.scene)
  if (near === undefined) return density(painting)
  for (const family of families) markAll(painting, near, family)
  labels(painting, near)
}

const density = ({ context, grid, look, scene }: Painting): void => {
  const { columns, counts, most } = bars(scene)
  context.fillStyle = look.ink
  context.globalAlpha = 0.55
  context.beginPath()
  for (let lane = 0; lane < scene.lanes; lane++) {
    const high = Math.min(18, laneHeight(grid, lane) * 0.6)
    for (let column = 0; column < columns; column++) {
      const count = counts[lane * columns + column] ?? 0
      if (count === 0) continue
      const size = Math.max(2, high * Math.sqrt(count / most))
      context.rect(column * COLUMN, laneY(grid, lane) - size / 2, COLUMN, size)
    }
  }
  context.fill()
  context.globalAlpha = 1
}

const colourOf = (look: Look, family: Family): string => {
  if (family === "violation" || family === "death") return family === "death" ? look.ink : look.bad
  if (family === "fault") return look.fault
  if (family === "life" || family === "state") return look.good
  return family === "message" || family === "drop" ? look.ink : look.dim
}

const markAll = (painting: Painting, near: ReadonlyArray<number>, family: Family): void => {
  const { context, grid, look, model, scene } = painting
  context.fillStyle = context.strokeStyle = colourOf(look, family)
  context.lineWidth = 1.8
  context.beginPath()
  let any = false
  for (const at of near) {
    if (familyOf(kindOf(model.run, at)) !== family) continue
    any = true
    const lane = scene.laneByNode[scene.run.node[at] ?? 0] ?? 0
    shapes[family](context, x(scene, scene.axis.place[at] ?? 0), laneY(grid, lane))
  }
  if (!any) return
  if (family === "death" || family === "drop") context.stroke()
  else context.fill()
}

type Pen = CanvasRenderingContext2D

export const diamond = (context: CanvasRenderingContext2D, at: number, y: number, size: number): void => {
  context.moveTo(at, y - size)
  context.lineTo(at + size, y)
  context.lineTo(at, y + size)
  context.lineTo(at - size, y)
  context.closePath()
}

const tick = (pen: Pen, at: number, y: number): void => pen.rect(at - 0.75, y - 3.5, 1.5, 7)

const cross = (size: number) => (pen: Pen, at: number, y: number): void => {
  pen.moveTo(at - size, y - size)
  pen.lineTo(at + size, y + size)
  pen.moveTo(at + size, y - size)
  pen.lineTo(at - size, y + size)
}

/** The shape of each family of kinds. */
const shapes: { readonly [family in Family]: (pen: Pen, at: number, y: number) => void } = {
  message: (pen, at, y) => {
    pen.moveTo(at + 2.6, y)
    pen.arc(at, y, 2.6, 0, 7)
  },
  life: (pen, at, y) => {
    pen.moveTo(at - 4, y - 5.5)
    pen.lineTo(at + 5.5, y)
    pen.lineTo(at - 4, y + 5.5)
    pen.closePath()
  },
  violation: (pen, at, y) => {
    pen.moveTo(at, y - 8)
    pen.lineTo(at + 7, y + 5)
    pen.lineTo(at - 7, y + 5)
    pen.closePath()
  },
  death: cross(5),
  drop: cross(2.5),
  fault: (pen, at, y) => diamond(pen, at, y, 5),
  disk: (pen, at, y) => pen.rect(at - 2.2, y - 2.2, 4.4, 4.4),
  state: (pen, at, y) => pen.rect(at - 1, y - 6, 2, 12),
  connection: tick,
  code: tick,
  event: tick
}

/** What is named even where there is little room. */
const loud: ReadonlyArray<Family> = ["violation", "death", "life"]

/** Names beside the rows, where there is room: one of a lane does not touch the next. */
const labels = (painting: Painting, near: ReadonlyArray<number>): void => {
  const { context, grid, look, model, scene } = painting
  const roomy = near.length * 9 < scene.width * Math.max(1, scene.lanes) / 3
  context.font = `11px ${look.font}`
  context.textBaseline = "alphabetic"
  context.textAlign = "center"
  context.lineJoin = "round"
  context.lineWidth = 4
  context.strokeStyle = look.panel
  context.fillStyle = look.dim
  const until = new Float64Array(scene.lanes).fill(2)
  let drawn = 0
  for (const at of near) {
    const lane = scene.laneByNode[scene.run.node[at] ?? 0] ?? 0
    const family = familyOf(kindOf(model.run, at))
    if (laneHeight(grid, lane) < 26 || drawn >= LABELS_MAX || (!roomy && !loud.includes(family))) continue
    const text = nameOf(model, at)
    const place = x(scene, scene.axis.place[at] ?? 0)
    const half = context.measureText(text).width / 2
    if (place - half < (until[lane] ?? 0) || place + half > scene.width) continue
    until[lane] = place + half + 8
    drawn++
    context.strokeText(text, place, laneY(grid, lane) - 9)
    context.fillText(text, place, laneY(grid, lane) - 9)
  }
}

/** A message is called by its type, a fault by its kind, anything else by the kind of the row. */
const nameOf = (model: Model, at: number): string => {
  const kind = kindOf(model.run, at)
  const name = model.run.value(at, kind.startsWith("fault") ? "kind" : kind === "phase" ? "phase" : "type")
  if (typeof name !== "string") return kind
  return kind === "fault.end" ? `${name} ends` : name
}

/** Where the violations are from left to right, each place once. */
export const violationsAt = (model: Model, scene: Scene): ReadonlyArray<number> => {
  const places = model.run.packed.violations.map(({ tMicros }, index) => {
    const row = model.violations[index]
    return Math.round(x(scene, row === undefined ? scene.axis.placeOfTime(tMicros) : scene.axis.place[row] ?? 0))
  })
  return [...new Set(places)].filter((at) => at > -10 && at < scene.width + 10)
}

export const violations = ({ context, grid, look, model, scene }: Painting): void => {
  context.strokeStyle = look.bad
  context.lineWidth = 1.5
  context.beginPath()
  for (const at of violationsAt(model, scene)) {
    context.moveTo(at + 0.5, RULER)
    context.lineTo(at + 0.5, grid.height)
  }
  context.stroke()
}
