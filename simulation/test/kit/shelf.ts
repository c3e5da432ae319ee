/**
 * A protocol to look at: clients put notes on a shelf, which a relay keeps and hands to all. The relay answers at once,
 * and writes what came to its disk five times a second: a bug, which takes one crash to show.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DiskLog from "../../src/DiskLog.ts"
import type { Fault } from "../../src/Fault.ts"
import * as NoAckedLoss from "../../src/invariant/NoAckedLoss.ts"
import * as Node from "../../src/Node.ts"
import type { Report } from "../../src/Report.ts"
import type { Scenario } from "../../src/Scenario.ts"
import * as Simulation from "../../src/Simulation.ts"
import type * as Socket from "../../src/Socket.ts"
import * as Workload from "../../src/Workload.ts"

const Message = Schema.fromJsonString(
  Schema.Struct({ kind: Schema.Literals(["hello", "push", "ack", "note"]), ids: Schema.Array(Schema.String) })
)
type Message = typeof Message.Type

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const toMessage = Schema.decodeUnknownSync(Message)
const fromBytes = (bytes: Uint8Array) => toMessage(decoder.decode(bytes))

const tell = (socket: Socket.Socket, kind: Message["kind"], ids: ReadonlyArray<string>) =>
  Effect.ignore(socket.send(encoder.encode(JSON.stringify({ kind, ids }))))

const listen = (socket: Socket.Socket, hear: (message: Message) => Effect.Effect<void>) =>
  Effect.forever(Effect.flatMap(socket.receive, (all) => Effect.forEach(all, (bytes) => hear(fromBytes(bytes)))))

interface Held {
  readonly ids: Set<string>
}

const probe = ({ ids }: Held) => Effect.sync(() => ({ state: { count: ids.size, notes: [...ids] } }))

const relay = Node.make({
  trust: "untrusted",
  probe,
  program: (host: Node.Host<Held>) =>
    Effect.gen(function*() {
      const log = yield* DiskLog.open(host.files, "shelf")
      const ids = new Set(log.recovered.map((record) => decoder.decode(record)))
      const unwritten: Array<string> = []
      const clients = new Set<Socket.Socket>()
      const hear = (socket: Socket.Socket, { ids: told, kind }: Message) =>
        Effect.gen(function*() {
          if (kind === "hello") {
            clients.add(socket)
            return yield* tell(socket, "note", [...ids].filter((id) => !told.includes(id)))
          }
          for (const id of told) ids.add(id)
          unwritten.push(...told)
          yield* tell(socket, "ack", told)
          for (const other of clients) if (other !== socket) yield* tell(other, "note", told)
        })
      const serve = (socket: Socket.Socket) =>
        listen(socket, (message) => hear(socket, message)).pipe(
          Effect.ensuring(Effect.sync(() => clients.delete(socket))),
          Effect.ignore
        )
      const write = Effect.gen(function*() {
        yield* Effect.sleep("200 millis")
        for (const id of unwritten.splice(0)) yield* log.append(encoder.encode(id))
      })
      const listener = yield* host.network.listen(host.name)
      yield* Effect.forkScoped(Effect.forever(write))
      host.ready({ ids })
      return yield* Effect.forever(Effect.flatMap(listener.accept, (socket) => Effect.forkScoped(serve(socket))))
    })
})

interface Client extends Held {
  readonly put: Effect.Effect<string, unknown>
}

const client = Node.make({
  count: 3,
  probe,
  commands: {
    put: Workload.command({ input: Schema.Null, draw: () => null, run: ({ put }: Client) => put })
  },
  program: (host: Node.Host<Client>) =>
    Effect.gen(function*() {
      const ids = new Set<string>()
      const acked = new Set<string>()
      let socket: Socket.Socket | undefined
      let written = 0
      const attached = Effect.scoped(Effect.gen(function*() {
        socket = yield* host.network.connect("relay")
        yield* tell(socket, "hello", [...ids])
        return yield* listen(socket, (message) =>
          Effect.sync(() => {
            for (const id of message.ids) (message.kind === "ack" ? acked : ids).add(id)
          }))
      }))
      const put = Effect.gen(function*() {
        const id = `${host.name}:${++written}`
        for (let wait = 0; !acked.has(id); wait++) {
          if (socket !== undefined && wait % 20 === 0) yield* tell(socket, "push", [id])
          yield* Effect.sleep("25 millis")
        }
        ids.add(id)
        return id
      })
      const detached = Effect.sync(() => {
        socket = undefined
      })
      host.ready({ ids, put })
      return yield* Effect.forever(
        Effect.ignore(attached).pipe(Effect.andThen(detached), Effect.andThen(Effect.sleep("250 millis")))
      )
    })
})

const State = Schema.Struct({ notes: Schema.Array(Schema.String) })
const toState = Schema.decodeUnknownSync(State)

const simulation = Simulation.make({
  name: "a shelf of notes",
  nodes: { client, relay },
  invariants: [
    NoAckedLoss.make({
      made: ({ result }) => typeof result === "string" ? [result] : [],
      held: ({ state }) => state === undefined ? undefined : toState(state).notes
    })
  ],
  classify: ({ bytes }) => fromBytes(bytes).kind
})

const crash: Fault = {
  kind: "crash",
  node: "relay",
  atMicros: 3_330_000,
  downMicros: 600_000,
  disk: { kind: "none" },
  notice: "reset"
}

const faults: ReadonlyArray<Fault> = [
  {
    kind: "partition",
    atMicros: 1_000_000,
    durationMicros: 900_000,
    between: { shape: "isolate", node: "client-1", direction: "both" }
  },
  { kind: "pause", node: "client-2", atMicros: 1_500_000, durationMicros: 450_000 },
  {
    kind: "clog",
    atMicros: 2_300_000,
    durationMicros: 500_000,
    between: { shape: "link", from: "relay", to: "client-3" }
  },
  { kind: "jump", node: "client-2", atMicros: 2_700_000, micros: -3_600_000_000 },
  { kind: "offline", node: "client-3", atMicros: 3_100_000, durationMicros: 1_100_000 },
  crash
]

const scenario = (chosen: ReadonlyArray<Fault>): Scenario => {
  const drawn = simulation.expand(7n, "calm")
  const asked = [0.1, 0.5, 0.8, 1.2, 1.6, 2.1, 2.6, 3.2, 4.4].map((seconds, i) => ({
    atMicros: seconds * 1_000_000,
    node: `client-${1 + i % 2}`,
    name: "put",
    input: null
  }))
  return {
    ...drawn,
    strategy: "swarm",
    nodes: drawn.nodes.map((node) => ({
      ...node,
      policy: { kind: "fifo" },
      preemption: { p: 0, delayMicros: { low: 1, high: 1 } }
    })),
    network: {},
    link: { latency: { kind: "uniform", lowMicros: 15_000, highMicros: 70_000 }, loss: 0.04 },
    disk: {},
    faults: chosen,
    workload: asked,
    phases: { safetyMicros: 5_000_000, livenessMicros: 3_000_000, heal: "all", coldRestart: false }
  }
}

/** The run, and what is left of its scenario when what it does not take is taken away. */
export const shelf = (): { readonly report: Report; readonly shrunk: Scenario } => ({
  report: simulation.run(scenario(faults), { trace: true, states: true }),
  shrunk: scenario([crash])
})
