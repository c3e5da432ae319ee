/**
 * What a node sees of its connections, and nothing else: which connection, which way, how many bytes, and what the
 * author's classifier calls it. For a node that nobody should have to trust, this is all that it can learn.
 */
import { familyOf } from "./Kind.ts"
import { kindOf, type Run, type Value } from "./Run.ts"

export interface Seen {
  readonly at: number
  readonly connection: string
  readonly way: "in" | "out" | "event"
  readonly peer: string
  readonly bytes: number | undefined
  readonly type: string
}

export interface Totals {
  readonly in: { readonly messages: number; readonly bytes: number }
  readonly out: { readonly messages: number; readonly bytes: number }
  readonly connections: number
}

const way = (kind: string): Seen["way"] => kind === "recv" ? "in" : kind === "send" ? "out" : "event"

/** The last things that a node saw up to a row, latest first. */
export const seen = (run: Run, node: string, at: number, limit: number): ReadonlyArray<Seen> => {
  const index = run.nodes.indexOf(node)
  const wire = wireKinds(run)
  const out: Array<Seen> = []
  for (let next = at; next >= 0 && out.length < limit; next--) {
    if (run.node[next] !== index || wire[run.kind[next] ?? 0] !== true) continue
    const kind = kindOf(run, next)
    const { address, bytes, connection, datagram, from, other, to, type } = run.payload(next)
    out.push({
      at: next,
      connection: text(connection ?? datagram ?? address),
      way: way(kind),
      peer: text(from ?? to ?? other),
      bytes: typeof bytes === "number" ? bytes : undefined,
      type: way(kind) === "event" ? kind : text(type)
    })
  }
  return out
}

/** What it saw in all, up to a row. */
export const totals = (run: Run, node: string, at: number): Totals => {
  const index = run.nodes.indexOf(node)
  const sums = { in: { messages: 0, bytes: 0 }, out: { messages: 0, bytes: 0 } }
  const connections = new Set<string>()
  const recv = run.kinds.indexOf("recv")
  const send = run.kinds.indexOf("send")
  for (let next = 0; next <= at && next < run.size; next++) {
    if (run.node[next] !== index) continue
    const side = run.kind[next] === recv ? sums.in : run.kind[next] === send ? sums.out : undefined
    const connection = run.value(next, "connection")
    if (connection !== undefined) connections.add(text(connection))
    if (side === undefined) continue
    side.messages++
    side.bytes += Number(run.value(next, "bytes") ?? 0)
  }
  return { ...sums, connections: connections.size }
}

const wireKinds = (run: Run): ReadonlyArray<boolean> =>
  run.kinds.map((kind) => ["connection", "message"].includes(familyOf(kind)))

const text = (value: Value | undefined): string => value === undefined || value === null ? "" : String(value)
