/**
 * Where the cursor goes: by event, by message, on one node, along causes. With a mask, rows outside it are passed over.
 * Every step answers the place where it started when there is nothing further.
 */
import { type Family, familyOf } from "./Kind.ts"
import { causeOf, type Run } from "./Run.ts"

export type Mask = Uint8Array | undefined
export type Direction = 1 | -1

const shown = (mask: Mask, at: number): boolean => mask === undefined || mask[at] === 1

const seek = (run: Run, at: number, direction: Direction, wanted: (at: number) => boolean): number => {
  for (let next = at + direction; next >= 0 && next < run.size; next += direction) {
    if (wanted(next)) return next
  }
  return at
}

export const event = (run: Run, mask: Mask, at: number, direction: Direction): number =>
  seek(run, at, direction, (next) => shown(mask, next))

/** To the next row of one of these families. */
export const ofFamily = (
  run: Run,
  mask: Mask,
  at: number,
  direction: Direction,
  wanted: ReadonlyArray<Family>
): number => {
  const fits = run.kinds.map((kind) => wanted.includes(familyOf(kind)))
  return seek(run, at, direction, (next) => shown(mask, next) && fits[run.kind[next] ?? 0] === true)
}

/** To the next row of the same node. */
export const onNode = (run: Run, mask: Mask, at: number, direction: Direction): number => {
  const node = run.node[at]
  return seek(run, at, direction, (next) => shown(mask, next) && run.node[next] === node)
}

/** To the row of another node that is closest in the order of the trace. */
export const toNode = (run: Run, mask: Mask, at: number, node: number): number => {
  const wanted = (next: number) => shown(mask, next) && run.node[next] === node
  if (run.node[at] === node) return at
  const back = seek(run, at, -1, wanted)
  const ahead = seek(run, at, 1, wanted)
  if (back === at) return ahead
  if (ahead === at) return back
  return at - back <= ahead - at ? back : ahead
}

/** To its cause. */
export const cause = (run: Run, at: number): number => causeOf(run, at) >= 0 ? causeOf(run, at) : at

/** To the first row that it caused, with those of other nodes first. */
export const effect = (run: Run, at: number): number => {
  const caused = (next: number) => run.cause[next] === at
  const elsewhere = seek(run, at, 1, (next) => caused(next) && run.node[next] !== run.node[at])
  return elsewhere === at ? seek(run, at, 1, caused) : elsewhere
}

/** The shown row that is closest to a position. */
export const nearest = (run: Run, mask: Mask, at: number): number => {
  const start = Math.min(run.size - 1, Math.max(0, Math.round(at)))
  if (run.size === 0 || shown(mask, start)) return Math.max(0, start)
  const back = event(run, mask, start, -1)
  const ahead = event(run, mask, start, 1)
  if (back === start) return ahead
  if (ahead === start) return back
  return start - back <= ahead - start ? back : ahead
}
