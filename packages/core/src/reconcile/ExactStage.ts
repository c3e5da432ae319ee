/**
 * Id by id: the initiator names all its ids in a range of short ids, in full, and learns which of them the peer lacks and
 * which others it has. Nothing is pruned and nothing is keyed, so nobody who writes ids can hide one from it. 32 bytes for
 * each id of the range: it is for the few ranges whose sums and handles contradict each other, and the last resort when
 * the roots differ after everything else agreed.
 *
 * Who asks pays: the peer's work and its answer are bounded by the ids that are named and by one message.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import type * as Wire from "@sotto/schema/Reconcile"
import * as Found from "./Found.ts"
import * as Ordered from "./Ordered.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import { EXACT_IDS_MAX } from "./Responder.ts"
import * as ShortId from "./ShortId.ts"
import { type Context, type Move } from "./Stage.ts"

/** Short ids from `from` to `through`, both included. */
interface Range {
  readonly from: string
  readonly through: string
}

export interface ExactStage {
  readonly _tag: "Exact"
  /** Whether all there is gets compared, so that nothing can come after. */
  readonly isWhole: boolean
  /** What is still to be compared; the first is being asked for. */
  readonly ranges: ReadonlyArray<Range>
  /** What was named, and up to where. */
  readonly named: Ordered.Stretch
  readonly proof: Uint8Array | undefined
  readonly push: ReadonlyArray<Uint8Array>
  readonly need: ReadonlyArray<number>
}

type Asking = Omit<ExactStage, "_tag" | "named">

/** The short ids that begin with a prefix. */
export const rangeOf = (bits: number, node: number): Range => {
  const width = 2 ** (32 - bits)
  return {
    from: ShortId.toHex(node * width, 0),
    through: ShortId.toHex((node + 1) * width - 1, 0xffff_ffff)
  }
}

/** Begins with everything there is. */
export const beginWhole = (context: Context): Move<ExactStage> =>
  begin(context, {
    isWhole: true,
    ranges: [{ from: "0".repeat(16), through: ShortId.LAST }],
    proof: undefined,
    push: [],
    need: []
  })

/** Begins with the first range, after what other stages found. */
export const begin = (context: Context, asking: Asking): Move<ExactStage> => {
  const { nonce, replica } = context
  const [range] = asking.ranges
  if (range === undefined) return end(context, asking)
  const named = Ordered.stretch(replica, range.from, range.through, EXACT_IDS_MAX)
  // More ids with one short id than a message holds: nobody made these by accident, nor could he.
  if (named === undefined) return { _tag: "Failed", reason: "too-many-differences" }
  const ids = named.ids.map(({ id }) => id)
  return {
    _tag: "Ask",
    stage: { _tag: "Exact", ...asking, named },
    request: { _tag: "Exact", nonce, from: range.from, through: named.through, ids }
  }
}

const end = ({ replica }: Context, { need, proof, push }: Asking): Move<ExactStage> => {
  if (proof === undefined) return { _tag: "Failed", reason: "inconsistent" }
  const needed = Float64Array.from(new Set(need)).sort()
  const unique = [...new Map(push.map((id) => [id.join(), id])).values()]
  return { _tag: "Found", found: Found.make(replica, proof, { push: unique, need: needed, needsAll: false }) }
}

/** Takes an answer. */
export const take = (stage: ExactStage, context: Context, answer: Wire.Answer): Move<ExactStage> => {
  if (answer._tag !== "Difference") return { _tag: "Failed", reason: "unexpected" }
  if (stage.proof !== undefined && !Bytes.equals(stage.proof, answer.proof)) return { _tag: "Changed" }
  const [range, ...others] = stage.ranges
  if (range === undefined) return { _tag: "Failed", reason: "unexpected" }
  const compared = compare(stage, context, range, answer)
  if (compared === undefined) return { _tag: "Failed", reason: "inconsistent" }
  const push = [...stage.push, ...compared.push]
  const need = [...stage.need, ...compared.need]
  if (push.length + need.length > Limit.reconcileDifferencesMax) {
    return { _tag: "Failed", reason: "too-many-differences" }
  }
  const from = ShortId.next(answer.through)
  const ranges = from === undefined || answer.through >= range.through ? others : [{ ...range, from }, ...others]
  return begin(context, { isWhole: stage.isWhole, ranges, proof: answer.proof, push, need })
}

/** What an answer says, when it is one to what was named: in order, inside the range, and nothing that was named. */
const compare = (
  stage: ExactStage,
  { replica }: Context,
  range: Range,
  { ids, missing, through }: Extract<Wire.Answer, { _tag: "Difference" }>
): Pick<ExactStage, "push" | "need"> | undefined => {
  const named = stage.named.ids
  const mine = new Set(named.map(({ id }) => id.join()))
  const theirs = ids.map((id): Ordered.Named => ({ short: ShortId.toHex(...ReconcileSet.shortOf(replica, id)), id }))
  const isPlace = (place: number) => (named[place]?.short ?? ShortId.LAST + "g") <= through
  const isNew = ({ id, short }: Ordered.Named, i: number) => {
    const before = theirs[i - 1]
    const isNext = before === undefined || Ordered.compare(before, { id, short }) < 0
    return short >= range.from && short <= through && isNext && !mine.has(id.join())
  }
  // Less than what was named is covered only when other ids filled the answer.
  const isForward = through === stage.named.through ||
    (through >= range.from && through < stage.named.through && ids.length > 0)
  if (!isForward || !missing.every(isPlace) || !theirs.every(isNew)) return undefined
  return {
    push: Array.from(missing).flatMap((place) => named[place]?.id ?? []),
    need: theirs.map(({ short }) => Number.parseInt(short.slice(0, ShortId.HANDLE_BITS / 4), 16))
  }
}
