/**
 * Where things are from top to bottom: a ruler, the tracks of faults, then a lane for each node. Pure numbers.
 *
 * 1. Lanes follow each other without a gap. Those of nodes are between `LANE_MIN` and `LANE_MAX` high and fill the room
 *    that there is; whoever is no node (the world) gets a narrow one.
 * 2. There are at most `TRACKS_MAX` tracks: faults of later ones share the last.
 */
export const RULER = 26
const TRACK = 18
/** When there are many. */
const TRACK_NARROW = 14
const TRACKS_WIDE = 4
const TRACKS_MAX = 8
const LANE_MIN = 22
const LANE_MAX = 104
const LANE_NARROW = 30

export interface LaneBox {
  readonly top: number
  readonly height: number
}

export interface Grid {
  readonly height: number
  readonly lanes: ReadonlyArray<LaneBox>
  readonly tracks: number
}

/** `narrow` says of each lane whether it is one of nobody's. */
export const gridOf = (narrow: ReadonlyArray<boolean>, tracks: number, room: number): Grid => {
  const shown = Math.min(TRACKS_MAX, tracks)
  let top = RULER + (shown === 0 ? 4 : shown * heightOf(shown) + 10)
  const wide = narrow.filter((one) => !one).length
  const left = room - top - (narrow.length - wide) * LANE_NARROW
  const height = Math.min(LANE_MAX, Math.max(LANE_MIN, left / Math.max(1, wide)))
  const lanes = narrow.map((one) => {
    const lane = { top, height: one ? Math.min(LANE_NARROW, height) : height }
    top += lane.height
    return lane
  })
  return { height: Math.max(room, top), lanes, tracks: shown }
}

/** The middle of a lane. */
export const laneY = (grid: Grid, lane: number): number => {
  const box = grid.lanes[lane]
  return box === undefined ? grid.height : box.top + box.height / 2
}

export const laneHeight = (grid: Grid, lane: number): number => grid.lanes[lane]?.height ?? 0

/** Where the first lane begins. */
export const lanesTop = (grid: Grid): number => grid.lanes[0]?.top ?? grid.height

const heightOf = (tracks: number): number => tracks > TRACKS_WIDE ? TRACK_NARROW : TRACK

export const trackHeight = ({ tracks }: Grid): number => heightOf(tracks)

export const trackY = (grid: Grid, track: number): number =>
  RULER + 5 + Math.min(grid.tracks - 1, track) * trackHeight(grid)

/** The lane at a height, or undefined: above or below all of them. */
export const laneAt = (grid: Grid, y: number): number | undefined => {
  const lane = grid.lanes.findIndex(({ height, top }) => y >= top && y < top + height)
  return lane < 0 ? undefined : lane
}
