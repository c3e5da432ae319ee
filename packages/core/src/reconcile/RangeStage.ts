/**
 * Ranges: whoever asks learns count and sum of ever smaller ranges of short ids, goes on below those that differ from its
 * own, and compares the handles of what is small. Usable alone, and the fallback of the sketch: it needs no estimate, keeps
 * no state at the peer, and ends whatever the sets are.
 *
 * 1. Every answer shortens the work or makes it smaller: prefixes only get longer, to `NODE_BITS_MAX` at most.
 * 2. A range whose counts and sums agree is left out; that is a guess. Whether it was right is for the roots to say.
 * 3. A range whose sums differ though its handles agree holds two ids with one short id: it is compared id by id.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Wire from "@sotto/schema/Reconcile"
import * as ExactStage from "./ExactStage.ts"
import * as Found from "./Found.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"
import { type Context, type Move } from "./Stage.ts"

/** A range that differs, and what the peer said of it. */
interface Node {
  readonly bits: number
  readonly node: number
  /** −1 for the whole, of which the peer said nothing. */
  readonly count: number
  readonly sum: number
}

export interface RangeStage {
  readonly _tag: "Range"
  /** To be looked into, longest prefixes first: so there are never many. */
  readonly probes: ReadonlyArray<Node>
  /** To be listed. */
  readonly lists: ReadonlyArray<Node>
  /** What was asked last: the first of either, and how many. */
  readonly asked: { readonly kind: "Probe" | "Ask"; readonly count: number; readonly step: number }
  readonly proof: Uint8Array | undefined
  readonly push: ReadonlyArray<Uint8Array>
  readonly need: ReadonlyArray<number>
  /** Ranges to be compared id by id. */
  readonly suspects: ReadonlyArray<Node>
}

type Asking = Omit<RangeStage, "asked">

const UNTOLD = -1

/** Ranges up to so many ids are listed: about what a further step would cost. */
const LISTED_MAX = 24
/** Ranges to be listed that do not wait for others. */
const LISTS_WAITING_MAX = 8192
/** Bytes that one child takes in an answer, at most. */
const CHILD_BYTES = 14

/** Begins at the whole. */
export const begin = (context: Context): Move<RangeStage | ExactStage.ExactStage> =>
  next(context, {
    _tag: "Range",
    probes: [{ bits: 0, node: 0, count: UNTOLD, sum: 0 }],
    lists: [],
    proof: undefined,
    push: [],
    need: [],
    suspects: []
  })

/** How many bits to go down, so that a range of `count` ids falls into ranges that can be listed. */
const stepFor = (bits: number, count: number): number => {
  let step = 1
  while (step < 6 && count / 2 ** step > LISTED_MAX * 0.7) step++
  return Math.min(step, Wire.NODE_BITS_MAX - bits)
}

const next = (context: Context, stage: Asking): Move<RangeStage | ExactStage.ExactStage> => {
  const { nonce, replica } = context
  const [first] = stage.probes
  if (first !== undefined && stage.lists.length < LISTS_WAITING_MAX) {
    const level = stage.probes.slice(0, alike(stage.probes))
    const largest = level.reduce(
      (most, { bits, count, node }) => Math.max(most, count, ReconcileSet.rangeOf(replica, bits, node).count),
      0
    )
    const step = stepFor(first.bits, largest)
    const room = Math.floor(Limit.reconcileBytesMax / 2 / (CHILD_BYTES * 2 ** step))
    const nodes = level.slice(0, room)
    return {
      _tag: "Ask",
      stage: { ...stage, asked: { kind: "Probe", count: nodes.length, step } },
      request: { _tag: "Probe", nonce, bits: first.bits, step, nodes: Float64Array.from(nodes, ({ node }) => node) }
    }
  }
  const [listed] = stage.lists
  if (listed !== undefined) {
    const count = alike(stage.lists)
    const nodes = Float64Array.from(stage.lists.slice(0, count), ({ node }) => node)
    return {
      _tag: "Ask",
      stage: { ...stage, asked: { kind: "Ask", count, step: 0 } },
      request: { _tag: "Ask", nonce, bits: listed.bits, nodes }
    }
  }
  return end(context, stage)
}

/** How many ranges at the front can be asked for at once: as long as their prefixes, and in order. */
const alike = (nodes: ReadonlyArray<Node>): number => {
  let count = 1
  for (; count < nodes.length; count++) {
    const [before, node] = [nodes[count - 1], nodes[count]]
    if (before?.bits !== node?.bits || (before?.node ?? 0) >= (node?.node ?? 0)) break
  }
  return count
}

const end = (context: Context, stage: Asking): Move<RangeStage | ExactStage.ExactStage> => {
  const { replica } = context
  if (stage.proof === undefined) return { _tag: "Failed", reason: "inconsistent" }
  if (stage.suspects.length > 0) {
    const ranges = stage.suspects.map(({ bits, node }) => ExactStage.rangeOf(bits, node))
    const { need, proof, push } = stage
    return ExactStage.begin(context, { isWhole: false, ranges, proof, push, need })
  }
  const need = Float64Array.from(new Set(stage.need)).sort()
  return { _tag: "Found", found: Found.make(replica, stage.proof, { push: stage.push, need, needsAll: false }) }
}

/** Takes an answer. */
export const take = (
  stage: RangeStage,
  context: Context,
  answer: Wire.Answer
): Move<RangeStage | ExactStage.ExactStage> => {
  if (answer._tag !== "Sums" && answer._tag !== "Lists") return { _tag: "Failed", reason: "unexpected" }
  const isDue = answer._tag === (stage.asked.kind === "Probe" ? "Sums" : "Lists")
  if (!isDue) return { _tag: "Failed", reason: "unexpected" }
  if (stage.proof !== undefined && !Bytes.equals(stage.proof, answer.proof)) return { _tag: "Changed" }
  const proven = { ...stage, proof: answer.proof }
  const after = answer._tag === "Sums" ? sums(proven, context, answer) : lists(proven, context, answer)
  if (after === undefined) return { _tag: "Failed", reason: "inconsistent" }
  return differences(after) > Limit.reconcileDifferencesMax
    ? { _tag: "Failed", reason: "too-many-differences" }
    : next(context, after)
}

/** What was found, and what the peer claims of what is still to be looked into. */
const differences = ({ lists, need, push }: Asking): number =>
  lists.reduce((sum, { count }) => sum + count, push.length + need.length)

/** Takes counts and sums of children; undefined when they contradict what was said of their parents. */
const sums = (
  stage: RangeStage,
  { replica }: Context,
  answer: Extract<Wire.Answer, { _tag: "Sums" }>
): Asking | undefined => {
  const children = 2 ** stage.asked.step
  const answered = answer.counts.length / children
  if (!Number.isInteger(answered) || answered < 1 || answered > stage.asked.count) return undefined
  const probes: Array<Node> = []
  const lists = [...stage.lists]
  const gone: Array<Node> = []
  for (const [i, parent] of stage.probes.slice(0, answered).entries()) {
    const found = childrenOf(parent, stage.asked.step, answer, i * children)
    if (found === undefined) return undefined
    for (const child of found) {
      const mine = ReconcileSet.rangeOf(replica, child.bits, child.node)
      if (mine.count === child.count && mine.sum === child.sum) continue
      if (child.count === 0) gone.push(child)
      else if (isListed(child, mine.count)) lists.push(child)
      else probes.push(child)
    }
  }
  const push = gone.flatMap(({ bits, node }) => ReconcileSet.idsBelow(replica, bits, node))
  return { ...stage, probes: [...probes, ...stage.probes.slice(answered)], lists, push: [...stage.push, ...push] }
}

const isListed = (child: Node, mineCount: number): boolean =>
  child.count <= LISTED_MAX || mineCount === 0 || child.bits >= Wire.NODE_BITS_MAX

/** The children of a range, when their counts and sums add up to what was said of it. */
const childrenOf = (
  parent: Node,
  step: number,
  answer: Extract<Wire.Answer, { _tag: "Sums" }>,
  from: number
): ReadonlyArray<Node> | undefined => {
  const found: Array<Node> = []
  let [count, sum] = [0, 0]
  for (let i = 0; i < 2 ** step; i++) {
    const child = { count: answer.counts[from + i] ?? 0, sum: answer.sums[from + i] ?? 0 }
    count += child.count
    sum = (sum + child.sum) % 2 ** 48
    found.push({ bits: parent.bits + step, node: parent.node * 2 ** step + i, ...child })
  }
  return parent.count === UNTOLD || (parent.count === count && parent.sum === sum) ? found : undefined
}

/** Takes lists of handles; undefined when they are not as long as the peer said. */
const lists = (
  stage: RangeStage,
  { replica }: Context,
  answer: Extract<Wire.Answer, { _tag: "Lists" }>
): Asking | undefined => {
  const asked = stage.lists.slice(0, stage.asked.count)
  const [first] = asked
  if (first === undefined || answer.bits !== first.bits || answer.lists.length > asked.length) return undefined
  // The first range alone is too long for a message.
  if (answer.lists.length === 0) return deeper(stage, first)
  const need = [...stage.need]
  const push = [...stage.push]
  const suspects = [...stage.suspects]
  for (const [i, list] of answer.lists.entries()) {
    const node = asked[i]
    if (node === undefined || list.length !== node.count) return undefined
    const base = node.node * 2 ** (ShortId.HANDLE_BITS - node.bits)
    const theirs = list.map((handle) => handle + base)
    const compared = Found.difference(ReconcileSet.handlesBelow(replica, node.bits, node.node), theirs)
    if (compared.need.length + compared.push.length === 0) suspects.push(node)
    for (const handle of compared.need) need.push(handle)
    for (const id of ReconcileSet.idsOf(replica, compared.push)) push.push(id)
  }
  return { ...stage, lists: stage.lists.slice(answer.lists.length), need, push, suspects }
}

/** A range that cannot be listed is looked into, or, when its prefix cannot be longer, compared id by id. */
const deeper = (stage: RangeStage, node: Node): Asking => {
  const lists = stage.lists.slice(1)
  return node.bits < Wire.NODE_BITS_MAX
    ? { ...stage, lists, probes: [node, ...stage.probes] }
    : { ...stage, lists, suspects: [...stage.suspects, node] }
}
