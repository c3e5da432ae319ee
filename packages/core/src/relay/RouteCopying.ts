/**
 * Brings one route of a standby to where the relay has it (schema/Standby; `RelayCopy` says what is kept to).
 *
 * 1. The end of the log comes first: rows after the standby's own end, page by page, and with the last page the route's
 *    record, which moves the end in one transaction. A page before it is staged, so that a copy that is cut off goes on
 *    without sending an envelope twice.
 * 2. Rows that are there already are compared by the sums of ranges, and only ranges that differ are read.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Position, type RouteId } from "@sotto/schema/Id"
import { type CopiedRow, type PositionRange, RANGES_MAX, RouteRecord, type RowSum, SPAN } from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"
import { ChannelFailed } from "../channel/ChannelError.ts"
import type { CopyDiffers, CopyPage, RouteChange } from "./RelayCopy.ts"
import type { RelayStore, RelayStoreFailed } from "./RelayStore.ts"
import type { LineEnded, StandbyLine } from "./StandbyLine.ts"

/** Parts that a range which differs is cut into. */
const PARTS = 16

const recordCodec = Codec.make(RouteRecord, "RouteRecord")

/** Where from, where to. */
export interface Copying {
  readonly line: StandbyLine
  readonly store: RelayStore["Service"]
}

/** Why a route was not copied. */
export type CopyFailed = LineEnded | CopyDiffers | RelayStoreFailed

/** Brings the route up to date; `rows` says whether more than its end may have changed. */
export const copyRoute = Effect.fnUntraced(function*(copying: Copying, { route, rows }: Omit<RouteChange, "position">) {
  const position = yield* copyEnd(copying, route)
  if (rows && position > 0) yield* compare(copying, route, position)
})

const none = () => Effect.succeed(undefined)

/** The standby's own rows from there on, without envelopes; `undefined` for a route that it does not have. */
const own = (copying: Copying, route: RouteId, from: Position) =>
  copying.store.copy.rows({ route, from, has: () => true, bytesMax: Infinity, staged: true }).pipe(
    Effect.catchTag("UnknownRoute", none)
  )

const copyEnd = Effect.fnUntraced(function*(copying: Copying, route: RouteId) {
  const state = yield* Effect.catchTag(copying.store.route(route), "UnknownRoute", none)
  let from = Position.make((state?.position ?? 0) + 1)
  for (;;) {
    const mine = yield* own(copying, route, from)
    const page = yield* fetch(copying, route, from, mine)
    const same = page.rows.length === 0 && page.record !== null && sameRecord(mine?.record ?? null, page.record)
    if (!same) yield* copying.store.copy.apply({ route, from, page })
    if (page.record !== null) return page.position
    from = Position.make(page.through + 1)
  }
})

const sameRecord = (mine: RouteRecord | null, theirs: RouteRecord): boolean =>
  mine !== null && Bytes.equals(recordCodec.encode(mine), recordCodec.encode(theirs))

const fetch = Effect.fnUntraced(function*(
  { line }: Copying,
  route: RouteId,
  from: Position,
  mine: CopyPage | undefined
) {
  const have = new Uint8Array(SPAN / 8)
  for (const { _tag, position } of mine?.rows ?? []) {
    const i = position - from
    if (_tag === "Known") have[i >>> 3] = (have[i >>> 3] ?? 0) | (1 << (i & 7))
  }
  const page = yield* line.ask("RowPage", (request) => ({ _tag: "Rows", request, route, from, have }))
  const inOrder = page.rows.every(({ position }, i) => {
    const before: number = page.rows[i - 1]?.position ?? from - 1
    return position > before && position <= page.through
  })
  if (inOrder && (page.through >= from || page.record !== null)) return page
  return yield* new ChannelFailed({ reason: "control", detail: "a page of rows that is none" })
})

const compare = Effect.fnUntraced(function*(copying: Copying, route: RouteId, to: Position) {
  let ranges: ReadonlyArray<PositionRange> = [{ from: Position.make(1), to }]
  while (ranges.length > 0) {
    const asked = ranges.slice(0, RANGES_MAX)
    ranges = ranges.slice(RANGES_MAX)
    const { sums } = yield* copying.line.ask(
      "Measured",
      (request) => ({ _tag: "Measure", request, route, ranges: asked })
    )
    const mine = yield* Effect.catchTag(
      copying.store.copy.sums({ route, ranges: asked }),
      "UnknownRoute",
      () => Effect.succeed([])
    )
    const different = asked.filter((_, i) => !sameSum(mine[i], sums[i]))
    for (const range of different) if (range.to - range.from < SPAN) yield* copyRange(copying, route, range)
    ranges = [...ranges, ...different.filter(({ from, to }) => to - from >= SPAN).flatMap(cut)]
  }
})

const sameSum = (a: RowSum | undefined, b: RowSum | undefined): boolean =>
  a !== undefined && b !== undefined && a.kept === b.kept && a.expiring === b.expiring && a.gone === b.gone &&
  a.expiryHigh === b.expiryHigh && a.expiryLow === b.expiryLow

const cut = ({ from, to }: PositionRange): ReadonlyArray<PositionRange> => {
  const width = Math.max(SPAN, Math.ceil((to - from + 1) / PARTS))
  const parts: Array<PositionRange> = []
  for (let at: number = from; at <= to; at += width) {
    parts.push({ from: Position.make(at), to: Position.make(Math.min(to, at + width - 1)) })
  }
  return parts
}

const copyRange = Effect.fnUntraced(function*(copying: Copying, route: RouteId, range: PositionRange) {
  let { from } = range
  while (from <= range.to) {
    const page = yield* fetch(copying, route, from, yield* own(copying, route, from))
    const through = Position.make(Math.min(page.through, range.to))
    const rows = page.rows.filter(({ position }: CopiedRow) => position <= through)
    yield* copying.store.copy.apply({ route, from, page: { ...page, through, rows, record: null } })
    if (page.record !== null) return
    from = Position.make(page.through + 1)
  }
})
