/**
 * Which part of the axis is to be seen.
 *
 * 1. It lies within the axis and is never shorter than `unitsMin`: zoom and move end at the borders.
 * 2. A zoom keeps what is under the pointer where it is.
 */
export interface Frame {
  readonly from: number
  readonly to: number
}

/** Room at both ends, as a share of the axis. */
const MARGIN = 0.015

/** Nothing is to be seen closer than this many units of an axis. */
const SHARE_MIN = 1e-7

export const whole = (length: number): Frame => ({ from: -length * MARGIN, to: length * (1 + MARGIN) })

export const clamp = (frame: Frame, length: number): Frame => {
  const { from: low, to: high } = whole(length)
  const size = Math.min(high - low, Math.max(length * SHARE_MIN, frame.to - frame.from))
  const from = Math.min(high - size, Math.max(low, frame.from))
  return { from, to: from + size }
}

export const zoom = (frame: Frame, factor: number, around: number, length: number): Frame => {
  const size = Math.min(length * (1 + 2 * MARGIN), Math.max(length * SHARE_MIN, (frame.to - frame.from) * factor))
  const share = (around - frame.from) / (frame.to - frame.from)
  return clamp({ from: around - share * size, to: around + (1 - share) * size }, length)
}

export const move = (frame: Frame, by: number, length: number): Frame =>
  clamp({ from: frame.from + by, to: frame.to + by }, length)

/** The frame, moved as little as it takes to have a place in its inner part. */
export const follow = (frame: Frame, place: number, length: number): Frame => {
  const margin = (frame.to - frame.from) * 0.12
  if (place < frame.from + margin) return move(frame, place - frame.from - margin, length)
  if (place > frame.to - margin) return move(frame, place - frame.to + margin, length)
  return frame
}

/** Around some places, with room on both sides. */
export const around = (places: ReadonlyArray<number>, length: number): Frame => {
  const low = Math.min(...places)
  const high = Math.max(...places)
  const room = Math.max((high - low) * 0.12, length * 0.01)
  return clamp({ from: low - room, to: high + room }, length)
}
