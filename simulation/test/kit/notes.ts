/**
 * A small protocol to try the simulator on: peers keep notes under keys, the last write wins, and gossip makes everybody
 * hold the same. With a `bug`, one of its lines is wrong.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as DiskLog from "../../src/DiskLog.ts"
import * as Node from "../../src/Node.ts"
import * as Simulation from "../../src/Simulation.ts"
import * as Workload from "../../src/Workload.ts"
import { invariants } from "./notesInvariants.ts"

export const bugs = [
  "answers before the sync",
  "sends before the sync",
  "applies twice",
  "counts what it has by the highest number",
  "lets whoever comes last win a tie",
  "forgets its clock in a restart",
  "orders by the wall clock",
  "stops to gossip after a failure",
  "numbers two writes alike",
  "sends one kind of message open",
  "forgets the last record in recovery",
  "answers every message",
  "uses a nonce again after a restart",
  "leaves a connection open"
] as const

export type Bug = typeof bugs[number]

const Op = Schema.Struct({
  author: Schema.String,
  number: Schema.Finite,
  clock: Schema.Finite,
  key: Schema.String,
  sealed: Schema.String
})
type Op = typeof Op.Type

const Message = Schema.fromJsonString(
  Schema.Struct({ kind: Schema.String, have: Schema.Record(Schema.String, Schema.Finite), ops: Schema.Array(Op) })
)
type Message = typeof Message.Type

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const toOp = Schema.decodeUnknownSync(Schema.fromJsonString(Op))
const toMessage = Schema.decodeUnknownSync(Message)

/** Stands for encryption. */
const seal = (text: string) => Array.from(encoder.encode(text), (byte) => (byte ^ 0x5a).toString(16)).join(".")

/** What a node keeps in memory. */
export class Table {
  readonly ops: Array<Op> = []
  readonly have: { [author: string]: number } = {}
  readonly winners = new Map<string, Op>()
  clock = 0

  apply(op: Op, bug: Bug | undefined) {
    this.ops.push(op)
    this.have[op.author] = op.number
    this.clock = Math.max(this.clock, op.clock)
    const winner = this.winners.get(op.key)
    const isLater = winner === undefined || op.clock > winner.clock ||
      (op.clock === winner.clock && (op.author > winner.author || bug === "lets whoever comes last win a tie"))
    if (isLater) this.winners.set(op.key, op)
  }
}

/** What a write answers: its id, and how much of everybody its author knew. */
export type Written = { readonly id: string; readonly knew: { readonly [author: string]: number } }

export interface Notes {
  readonly table: Table
  readonly write: (key: string, text: string) => Effect.Effect<Written, unknown>
}

export const peer = (bug: Bug | undefined) =>
  Node.make({
    count: [3, 5],
    program: (host: Node.Host<Notes>) => program(host, bug),
    probe: ({ table }) =>
      Effect.sync(() => {
        const shown = [...table.winners].toSorted(([a], [b]) => a < b ? -1 : 1)
        const state = {
          notes: Object.fromEntries(shown.map(([key, { author, number }]) => [key, `${author}:${number}`])),
          ops: table.ops.map(({ author, clock, key, number }) => ({ id: `${author}:${number}`, clock, key }))
        }
        return {
          digest: JSON.stringify([state.notes, Object.entries(table.have).toSorted(([a], [b]) => a < b ? -1 : 1)]),
          state
        }
      }),
    commands: {
      write: Workload.command({
        weight: 3,
        input: Schema.Struct({ key: Schema.String, text: Schema.String }),
        draw: (draws, { canary }) => ({ key: draws.pick(["a", "b", "c"]), text: canary }),
        run: (notes: Notes, { key, text }) => notes.write(key, text)
      }),
      read: Workload.command({
        input: Schema.Struct({ key: Schema.String }),
        draw: (draws) => ({ key: draws.pick(["a", "b", "c"]) }),
        run: ({ table }: Notes, { key }) =>
          Effect.sync(() => {
            const op = table.winners.get(key)
            return op === undefined ? null : `${op.author}:${op.number}`
          })
      })
    }
  })

const program = (host: Node.Host<Notes>, bug: Bug | undefined) =>
  Effect.gen(function*() {
    const { name } = host
    const log = yield* DiskLog.open(host.files, "log")
    const table = new Table()
    const records = bug === "forgets the last record in recovery" ? log.recovered.slice(0, -1) : log.recovered
    for (const record of records) table.apply(toOp(decoder.decode(record)), bug)
    if (bug === "forgets its clock in a restart") table.clock = 0
    let nonces = 0
    const socket = yield* host.network.bind(name)
    const send = (to: string, message: Message) => socket.send(to, encoder.encode(JSON.stringify(message)))
    const tellAll = (message: Message) => Effect.forEach(host.others("peer"), (to) => send(to, message))
    const keep = (op: Op) =>
      Effect.andThen(
        log.append(encoder.encode(JSON.stringify(op))),
        Effect.sync(() => {
          host.observe("apply", { id: `${op.author}:${op.number}` })
          host.observe("cursor", { name: op.author, value: op.number, durable: true })
          table.apply(op, bug)
        })
      )
    const lock = yield* Semaphore.make(bug === "numbers two writes alike" ? 2 : 1)
    const write = (key: string, text: string) =>
      lock.withPermit(Effect.gen(function*() {
        const clock = bug === "orders by the wall clock"
          ? yield* Effect.clockWith((service) => service.currentTimeMillis)
          : table.clock + 1
        const op = { author: name, number: (table.have[name] ?? 0) + 1, clock, key, sealed: seal(text) }
        const answer = { id: `${name}:${op.number}`, knew: { ...table.have } }
        const nonce = bug === "uses a nonce again after a restart" ? ++nonces : yield* Random.nextInt
        host.observe("nonce", { key: name, nonce, message: text })
        const spoken = bug === "sends one kind of message open" ? { ...op, sealed: text } : op
        const tell = Effect.suspend(() => {
          host.observe("sequence", { author: name, number: op.number, content: op.sealed })
          return tellAll({ kind: "op", have: {}, ops: [spoken] })
        })
        if (bug === "sends before the sync") yield* tell
        if (bug === "answers before the sync") {
          yield* Effect.forkDetach(Effect.andThen(Effect.sleep("20 millis"), keep(op)))
          return answer
        }
        yield* keep(op)
        yield* tell
        return answer
      }))
    const isNew = ({ author, number }: Op) => {
      const known = table.have[author] ?? 0
      if (bug === "applies twice") return number <= known + 1
      return bug === "counts what it has by the highest number" ? number > known : number === known + 1
    }
    const hear = (message: Message, from: string) =>
      Effect.gen(function*() {
        for (const op of message.ops) {
          if (op.author !== name && isNew(op)) yield* keep(op)
        }
        const missing = table.ops.filter(({ author, number }) => number > (message.have[author] ?? 0))
        const answers = message.kind === "have" ? missing.length > 0 : bug === "answers every message"
        if (answers) yield* send(from, { kind: "ops", have: table.have, ops: missing.slice(0, 20) })
      })
    const listen = Effect.forever(
      Effect.flatMap(socket.receive, ({ bytes, from }) => hear(toMessage(decoder.decode(bytes)), from))
    )
    const gossip = Effect.gen(function*() {
      yield* Effect.sleep("500 millis")
      const to = host.others("peer")[yield* Random.nextIntBetween(0, host.others("peer").length - 1)]
      if (to !== undefined) yield* send(to, { kind: "have", have: table.have, ops: [] })
      if (bug === "stops to gossip after a failure" && !host.attempt("gossip")) return yield* Effect.interrupt
    })
    yield* Effect.forkScoped(Effect.forever(gossip))
    if (bug === "leaves a connection open") yield* Effect.forkDetach(Effect.never.pipe(Effect.withSpan("left open")))
    host.ready({ table, write })
    return yield* listen
  })

export const simulation = (bug?: Bug, options: Partial<Simulation.Definition> = {}): Simulation.Simulation =>
  Simulation.make({
    name: "notes",
    nodes: { peer: peer(bug) },
    faults: { calls: ["gossip"] },
    invariants,
    link: { mtuBytes: 65_000 },
    phases: { offline: "20 minutes" },
    ...options
  })
