/**
 * A page of a relay's log as it comes in, before anything is opened: names, places and the running chain, held against
 * what the relay signs (protocol.md §2). Plain data in, plain data out.
 *
 * A place that is left out breaks the running chain: it is not known until a head meets the cursor again. The relay may
 * have had its reasons (expired, pruned) or not; that it happened is told.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Placed } from "@sotto/schema/Frame"
import { type Head, headCodec } from "@sotto/schema/Head"
import { type EnvelopeId, Position } from "@sotto/schema/Id"
import * as Result from "effect/Result"
import type { Crypto } from "../Crypto.ts"
import * as Evidence from "./Evidence.ts"
import type { MarkRow, PlacedRow } from "./Ledger.ts"
import { envelopeId } from "./Sealing.ts"

type CryptoService = Crypto["Service"]

/** An envelope that arrived. */
export interface Arrived {
  readonly id: EnvelopeId
  readonly position: Position
  readonly envelope: Uint8Array
}

/** Places that were not delivered, both ends included. */
export interface Missing {
  readonly from: Position
  readonly to: Position
  readonly expired: boolean
}

export interface Arrival {
  readonly arrived: ReadonlyArray<Arrived>
  /** What stands where, for `Ledger.placed`, in the order of `arrived`. */
  readonly placed: ReadonlyArray<PlacedRow>
  readonly missing: ReadonlyArray<Missing>
  readonly mark: MarkRow
}

/** What a page says. `head`: the relay has nothing else up to there. */
export interface Page {
  readonly placed: ReadonlyArray<Placed>
  readonly head: Head | null
}

/** Takes a page up. Envelopes at or below the cursor came before and are left out. */
export const take = (
  crypto: CryptoService,
  subject: Evidence.Subject,
  before: MarkRow,
  page: Page
): Result.Result<Arrival, Evidence.RelayMisbehaved> => {
  const fresh = page.placed.filter(({ position }) => position > before.cursor)
  const ordered = checkOrder(subject, before, fresh.map(({ position }) => position), page.head)
  if (Result.isFailure(ordered)) return Result.fail(ordered.failure)
  const lowest = (page.head ?? before.head)?.body.lowest ?? 1
  const walk = new Walk(before, lowest)
  const arrived: Array<Arrived> = []
  const placed: Array<PlacedRow> = []
  for (const { envelope, position } of fresh) {
    const id = envelopeId(crypto, envelope)
    walk.step(crypto, position, id)
    const contradicted = walk.meets(before.head)
      ? Evidence.check(crypto, subject, { previous: null, next: before.head, running: walk.running() })
      : undefined
    if (contradicted !== undefined && Result.isFailure(contradicted)) return Result.fail(contradicted.failure)
    arrived.push({ id, position, envelope })
    placed.push({ id, chain: walk.chain })
  }
  return Result.map(page.head === null ? Result.succeed(null) : close(crypto, subject, walk, page.head), (head) => ({
    arrived,
    placed,
    missing: walk.missing,
    mark: {
      ...before,
      cursor: walk.cursor,
      chain: walk.chain,
      head: head ?? before.head,
      gapped: before.gapped || walk.missing.length > 0
    }
  }))
}

/** Positions ascend. A page without a head may go beyond the last one that was seen: the log grows while it is read. */
const checkOrder = (
  subject: Evidence.Subject,
  { cursor, head: previous }: MarkRow,
  positions: ReadonlyArray<Position>,
  head: Head | null
): Result.Result<void, Evidence.RelayMisbehaved> => {
  if (head !== null) return Evidence.checkOrder(subject, { after: cursor, positions, head })
  const ascends = positions.every((position, at) => position > (positions[at - 1] ?? cursor))
  if (ascends) return Result.void
  const { relay, route } = subject
  const heads = previous === null ? [] : [previous]
  return Result.fail(new Evidence.RelayMisbehaved({ evidence: { reason: "order", relay, route, heads, own: null } }))
}

/** The end of a page that goes up to `head`: what is missing before it is missing, and the head is held against the count. */
const close = (
  crypto: CryptoService,
  subject: Evidence.Subject,
  walk: Walk,
  head: Head
): Result.Result<Head, Evidence.RelayMisbehaved> => {
  const { chain, position } = head.body
  if (walk.cursor < position) walk.skipTo(position)
  const checked = check(crypto, subject, walk.before.head, head, walk.running())
  if (Result.isSuccess(checked) && walk.chain === null && walk.cursor === position) walk.chain = chain
  return checked
}

/** A head often comes twice, with an acknowledgement and with the delivery: its signature is checked once. */
const check = (
  crypto: CryptoService,
  subject: Evidence.Subject,
  previous: Head | null,
  next: Head,
  running: Evidence.Running | null
): Result.Result<Head, Evidence.RelayMisbehaved> => {
  const isKnown = previous !== null && Bytes.equals(headCodec.encode(previous), headCodec.encode(next))
  const fits = running === null || running.position !== next.body.position ||
    Bytes.equals(running.chain, next.body.chain)
  return isKnown && fits ? Result.succeed(next) : Evidence.check(crypto, subject, { previous, next, running })
}

/** A head that came by itself: with an acknowledgement, or when a route was attached. The cursor stays where it is. */
export const checkHead = (
  crypto: CryptoService,
  subject: Evidence.Subject,
  { chain, cursor, head: previous }: MarkRow,
  next: Head
): Result.Result<Head, Evidence.RelayMisbehaved> =>
  check(crypto, subject, previous, next, chain === null ? null : { position: cursor, chain })

/** The cursor on its way through a page. Owned by `take`. */
class Walk {
  readonly before: MarkRow
  readonly lowest: number
  readonly missing: Array<Missing> = []
  cursor: Position
  chain: Uint8Array | null

  constructor(before: MarkRow, lowest: number) {
    this.before = before
    this.lowest = lowest
    this.cursor = before.cursor
    this.chain = before.chain
  }

  step(crypto: CryptoService, position: Position, id: EnvelopeId): void {
    if (position > this.cursor + 1) this.skipTo(Position.make(position - 1))
    if (this.chain !== null) {
      this.chain = Evidence.advance(crypto, { position: this.cursor, chain: this.chain }, [id]).chain
    }
    this.cursor = position
  }

  running(): Evidence.Running | null {
    return this.chain === null ? null : { position: this.cursor, chain: this.chain }
  }

  /** Whether the walk stands where a head that was seen earlier speaks of. */
  meets(head: Head | null): head is Head {
    return head !== null && head.body.position === this.cursor && this.chain !== null
  }

  /** Everything up to here is not there. */
  skipTo(position: Position): void {
    const from = this.cursor + 1
    const expiredTo = Math.min(position, this.lowest - 1)
    if (expiredTo >= from) this.missing.push({ from: Position.make(from), to: Position.make(expiredTo), expired: true })
    const prunedFrom = Math.max(from, this.lowest)
    if (prunedFrom <= position) {
      this.missing.push({ from: Position.make(prunedFrom), to: position, expired: false })
    }
    this.cursor = position
    this.chain = null
  }
}
