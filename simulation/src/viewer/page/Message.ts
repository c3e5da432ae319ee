/**
 * Messages, from the rows and their causes: an arrow is a row that another node's row caused.
 *
 * 1. `sent` is never behind `end`. Messages come in the order of their ends.
 * 2. A drop is a message too: it ends where it was lost. What nobody took is open: it ends where it began.
 * 3. A message of a copy has its own arrow; that it shares its beginning with another is no fault.
 */
import { type Family, familyOf } from "./Kind.ts"
import type { Lanes } from "./Lane.ts"
import { type Run, timeOf } from "./Run.ts"

export const ARRIVED = 0
export const DROPPED = 1
export const OPEN = 2

export interface Messages {
  readonly size: number
  /** Position of the row that sent it, and of the one that ended it. */
  readonly sent: Int32Array
  readonly end: Int32Array
  /** Lanes. */
  readonly from: Uint16Array
  readonly to: Uint16Array
  readonly type: Uint16Array
  readonly fate: Uint8Array
  /** Names of types, the most frequent first. Without a classifier, a type is the kind of the row. */
  readonly types: ReadonlyArray<string>
}

/** What can come from another node. A fault that was aimed at something there did not travel. */
const travels: ReadonlySet<Family> = new Set<Family>(["message", "connection", "event"])

interface Draft {
  readonly sent: number
  readonly end: number
  readonly from: number
  readonly to: number
  readonly type: string
  readonly fate: number
}

export const messagesOf = (run: Run, lanes: Lanes): Messages => {
  const families = run.kinds.map(familyOf)
  const lane = (at: number) => lanes.byNode[run.node[at] ?? 0] ?? 0
  const isNode = (place: number) => lanes.lanes[place]?.kind !== ""
  const drafts: Array<Draft> = []
  const answered = new Uint8Array(run.size)
  for (let end = 0; end < run.size; end++) {
    const sent = run.cause[end] ?? -1
    if (sent < 0) continue
    const family = families[run.kind[end] ?? 0]
    const from = lane(sent)
    if (family === "drop") {
      answered[sent] = 1
      const to = lanes.byName.get(String(run.value(sent, "to"))) ?? lane(end)
      drafts.push({ sent, end, from, to, type: typeOf(run, sent), fate: DROPPED })
    } else if (travels.has(family ?? "event") && from !== lane(end) && isNode(from) && isNode(lane(end))) {
      answered[sent] = 1
      drafts.push({ sent, end, from, to: lane(end), type: typeOf(run, end), fate: ARRIVED })
    }
  }
  return columns(drafts.concat(open(run, lanes, answered)).sort((a, b) => a.end - b.end || a.sent - b.sent))
}

/** What was sent and neither came nor was dropped, as far as the rows tell. */
const open = (run: Run, lanes: Lanes, answered: Uint8Array): ReadonlyArray<Draft> => {
  const send = run.kinds.indexOf("send")
  const drafts: Array<Draft> = []
  for (let at = 0; at < run.size; at++) {
    if (run.kind[at] !== send || answered[at] === 1) continue
    const to = lanes.byName.get(String(run.value(at, "to")))
    if (to === undefined) continue
    const from = lanes.byNode[run.node[at] ?? 0] ?? 0
    drafts.push({ sent: at, end: at, from, to, type: typeOf(run, at), fate: OPEN })
  }
  return drafts
}

const typeOf = (run: Run, at: number): string => {
  const type = run.value(at, "type")
  if (type !== undefined && type !== null) return String(type)
  const kind = run.kinds[run.kind[at] ?? 0] ?? ""
  return kind === "send" || kind === "recv" ? "message" : kind
}

const columns = (drafts: ReadonlyArray<Draft>): Messages => {
  const counts = new Map<string, number>()
  for (const { type } of drafts) counts.set(type, (counts.get(type) ?? 0) + 1)
  const types = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1))
  const places = new Map(types.map((type, place) => [type, place] as const))
  return {
    size: drafts.length,
    sent: Int32Array.from(drafts, ({ sent }) => sent),
    end: Int32Array.from(drafts, ({ end }) => end),
    from: Uint16Array.from(drafts, ({ from }) => from),
    to: Uint16Array.from(drafts, ({ to }) => to),
    type: Uint16Array.from(drafts, ({ type }) => places.get(type) ?? 0),
    fate: Uint8Array.from(drafts, ({ fate }) => fate),
    types
  }
}

/** How long a message was on its way. */
export const wayMicros = (run: Run, messages: Messages, which: number): number =>
  timeOf(run, messages.end[which] ?? 0) - timeOf(run, messages.sent[which] ?? 0)
