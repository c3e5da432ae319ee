/**
 * What a standby asks of storage: the part of `RelayStore` that reads a log as it lies there, and writes one as another
 * store has it. Rows and records are those of `schema/Standby`.
 *
 * Invariants that every Layer keeps:
 * 1. `sums` and `rows` are of one moment, and see only what is durable.
 * 2. `apply` is one transaction. It goes forward only: what contradicts what is here is `CopyDiffers`, and nothing was
 *    changed.
 * 3. Rows beyond a route's end are staged: they are not part of its log until an `apply` with a record makes them so.
 *    `abandon` drops them, and routes that have nothing but staged rows.
 * 4. A watcher is told of a change after its commit, in the order of commits. While nobody watches this costs nothing.
 */
import type { Position, RouteId } from "@sotto/schema/Id"
import type { UnknownRoute } from "@sotto/schema/RelayError"
import type { CopiedRow, PositionRange, RouteRecord, RowSum } from "@sotto/schema/Standby"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RelayStoreFailed } from "./RelayStore.ts"

/** Two histories under one key. */
export class CopyDiffers extends Schema.TaggedError<CopyDiffers>()("CopyDiffers", { detail: Schema.String }) {
  override get message() {
    return `The relay that is followed and this copy of it have different histories (${this.detail}), so copying ended and ` +
      "nothing was changed here. If the relay was restored from an old backup, decide which one is to go on: this copy, by " +
      "starting it without --replicate in the relay's place, or the relay, by a new backup of it in this directory."
  }
}

/** What a route is opened with; a copy of one that is not there yet begins with it. */
export type Opened = Pick<RouteRecord, "epoch" | "keys" | "retention" | "quotaBytes">

/** Rows from somewhere up to `through`, where no row is missing that is known. */
export interface CopyPage extends Opened {
  readonly position: Position
  readonly through: Position
  readonly rows: ReadonlyArray<CopiedRow>
  /** There when `through` is the log's end, and `bytesMax` was kept to. */
  readonly record: RouteRecord | null
}

/** A route that was changed. `rows`: not only at its end. */
export interface RouteChange {
  readonly route: RouteId
  readonly position: Position
  readonly rows: boolean
}

export interface RelayCopy {
  /** Routes after `after`, or the first ones, in the order of their ids. */
  readonly routes: (page: {
    readonly after: RouteId | null
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<{ readonly route: RouteId; readonly position: Position }>, RelayStoreFailed>
  readonly sums: (asked: {
    readonly route: RouteId
    readonly ranges: ReadonlyArray<PositionRange>
  }) => Effect.Effect<ReadonlyArray<RowSum>, UnknownRoute | RelayStoreFailed>
  /**
   * The rows at `from` … `from + SPAN − 1`, at most `bytesMax` bytes (but one at least); those that `has` names without
   * envelope. Staged ones only when they are asked for.
   */
  readonly rows: (asked: {
    readonly route: RouteId
    readonly from: Position
    readonly has: (position: number) => boolean
    readonly bytesMax: number
    readonly staged: boolean
  }) => Effect.Effect<CopyPage, UnknownRoute | RelayStoreFailed>
  /** Makes `from` … `page.through` what the page says; and the route what its record says, when it has one. */
  readonly apply: (applied: {
    readonly route: RouteId
    readonly from: Position
    readonly page: CopyPage
  }) => Effect.Effect<void, CopyDiffers | RelayStoreFailed>
  readonly abandon: Effect.Effect<void, RelayStoreFailed>
  /** Until the answer is called. */
  readonly watch: (told: (change: RouteChange) => void) => () => void
}
