/** A report written by hand: a small sync of notes that loses one, as long as one likes, without running anything. */
import type { Fault } from "../../src/Fault.ts"
import type { Report } from "../../src/Report.ts"
import type { Scenario } from "../../src/Scenario.ts"
import { draws } from "../../src/Seed.ts"
import type { Payload, Row } from "../../src/Trace.ts"

export interface SampleOptions {
  /** No more rows than that: 600. */
  readonly rows?: number
  readonly clients?: number
  readonly violated?: boolean
}

const faults: ReadonlyArray<Fault> = [
  {
    kind: "partition",
    atMicros: 900_000,
    durationMicros: 1_400_000,
    between: { shape: "sets", side: ["client-1"], direction: "both" }
  },
  {
    kind: "clog",
    atMicros: 3_100_000,
    durationMicros: 700_000,
    between: { shape: "link", from: "client-2", to: "relay" }
  },
  { kind: "jump", atMicros: 1_600_000, node: "client-3", micros: -3_600_000_000 },
  { kind: "pause", atMicros: 2_100_000, durationMicros: 600_000, node: "client-3" },
  {
    kind: "loss",
    atMicros: 2_000_000,
    durationMicros: 1_500_000,
    between: { shape: "everywhere" },
    p: 0.2,
    onConnection: "retransmit"
  },
  { kind: "crash", atMicros: 4_300_000, node: "relay", downMicros: 600_000, disk: { kind: "none" }, notice: "reset" }
]

const scenario = (clients: number): Scenario => ({
  format: 1,
  simulation: "notes",
  seed: "0k3v9q2m7xwzt",
  strategy: "swarm",
  nodes: [...Array.from({ length: clients }, (_, i) => `client-${i + 1}`), "relay"].map((name) => ({
    name,
    kind: name.replace(/-\d+$/, ""),
    policy: { kind: "random" },
    preemption: { p: 0.02, delayMicros: { low: 1, high: 10_000 } },
    clock: { skewMicros: name === "client-2" ? -4_200_000 : 0, driftPpm: 12 }
  })),
  network: {},
  link: {},
  disk: {},
  knobs: { pageBytes: 4096, tier: "fake" },
  faults,
  workload: [{ atMicros: 100_000, node: "client-1", name: "write", input: { title: "milk" } }],
  phases: { safetyMicros: 5_000_000, livenessMicros: 4_000_000, heal: "all", coldRestart: false }
})

/** Rows as they come, in the order of time. */
class Story {
  readonly rows: Array<Row> = []
  readonly states: Array<Report["states"][number]> = []
  private readonly later: Array<{ readonly atMicros: number; readonly order: number; readonly run: () => void }> = []
  private order = 0
  now = 0

  note(node: string, kind: string, payload?: Payload, cause?: number): number {
    const i = this.rows.length
    this.rows.push({ i, tMicros: this.now, node, kind, cause, payload })
    return i
  }

  at(delayMicros: number, run: () => void): void {
    const event = { atMicros: this.now + delayMicros, order: this.order++, run }
    let place = this.later.length
    while (place > 0 && (this.later[place - 1]?.atMicros ?? 0) > event.atMicros) place--
    this.later.splice(place, 0, event)
  }

  run(rowsMax: number): void {
    while (this.rows.length < rowsMax) {
      const event = this.later.shift()
      if (event === undefined) return
      this.now = event.atMicros
      event.run()
    }
  }
}

export const sampleReport = (options: SampleOptions = {}): Report => {
  const { clients = 3, rows = 600, violated = true } = options
  const plan = scenario(clients)
  const story = new Story()
  const luck = draws(11n, "sample")
  tell(story, plan, luck)
  story.run(rows)
  const last = story.rows.length - 1
  const about = story.rows.findLast(({ kind, node }) => kind === "recv" && node === "client-3")
  story.now += 1_000
  const row = violated ? story.note("client-3", "violation", { invariant: "no-acked-loss" }, about?.i) : last
  return {
    scenario: plan,
    ok: !violated,
    violations: violated
      ? [{
        invariant: "no-acked-loss",
        message: "client-1 was told that note 7 is stored; after the relay's restart nobody has it",
        node: "client-3",
        row,
        tMicros: story.now,
        phase: "liveness"
      }]
      : [],
    events: 41_208,
    simulatedMicros: story.now,
    traceHash: "3f9c11ab04d2e67c",
    lossExpected: [],
    marks: { "resync after gap": 3, "relay restarted mid-push": 1 },
    situations: ["recv push x partition", "disk.sync x crash"],
    stuck: violated ? [{ node: "client-3", waits: "entry 7 of client-1, which nobody has" }] : [],
    rows: story.rows,
    states: story.states
  }
}

const tell = (story: Story, plan: Scenario, luck: ReturnType<typeof draws>): void => {
  const names = plan.nodes.map(({ name }) => name)
  const down = new Set<string>()
  const stored = new Map<string, number>(names.map((name) => [name, 0]))
  const isCut = (name: string) => name === "client-1" && story.now > 900_000 && story.now < 2_300_000
  const probe = (node: string, row: number) =>
    story.states.push({
      row,
      tMicros: story.now,
      node,
      state: {
        cursor: stored.get(node) ?? 0,
        pending: luck.int(3),
        digest: (stored.get(node) ?? 0) * 7919 % 65536,
        peers: names.filter((name) => name !== node)
      }
    })
  const send = (from: string, to: string, type: string, bytes: number, cause: number, then: (row: number) => void) => {
    const connection = 1 + names.indexOf(from === "relay" ? to : from)
    const row = story.note(from, "send", { connection, to, bytes, type }, cause)
    if (isCut(from) || isCut(to)) return void story.note(to, "drop", { connection, bytes, reason: "partition" }, row)
    if (luck.chance(0.06)) story.note(to, "drop", { connection, bytes, reason: "loss, sent again" }, row)
    story.at(luck.between(8_000, 70_000), () => {
      if (down.has(to)) return void story.note(to, "drop", { connection, bytes, reason: "nobody is there" }, row)
      then(story.note(to, "recv", { connection, from, bytes, type }, row))
    })
  }
  const push = (client: string, cause: number) => {
    const written = story.note(client, "disk.append", { file: "log", bytes: luck.between(80, 900) }, cause)
    story.at(luck.between(300, 3_000), () => {
      const synced = story.note(client, "disk.sync", { file: "log", bytes: 0 }, written)
      stored.set(client, (stored.get(client) ?? 0) + 1)
      probe(client, synced)
      send(client, "relay", "push", luck.between(200, 1_400), synced, (got) => {
        const kept = story.note("relay", "disk.append", { file: "entries", bytes: 512 }, got)
        stored.set("relay", (stored.get("relay") ?? 0) + 1)
        probe("relay", kept)
        send(
          "relay",
          client,
          "ack",
          48,
          kept,
          (acked) => probe(client, story.note(client, "mark", { name: "stored" }, acked))
        )
        for (const other of names.filter((name) => name !== client && name !== "relay")) {
          send("relay", other, "entries", luck.between(300, 2_000), kept, (read) => {
            stored.set(other, (stored.get(other) ?? 0) + 1)
            probe(other, story.note(other, "disk.append", { file: "log", bytes: 512 }, read))
          })
        }
      })
    })
  }
  story.note("world", "phase", { phase: "boot" })
  for (const name of names) story.note(name, "boot", { incarnation: 0 })
  story.note("world", "phase", { phase: "safety" })
  for (const client of names.filter((name) => name !== "relay")) {
    const dial = story.note(client, "dial", { connection: 1 + names.indexOf(client), address: "relay:1" })
    story.at(
      20_000,
      () =>
        story.note(
          "relay",
          "accept",
          { connection: 1 + names.indexOf(client), address: "relay:1", other: client },
          dial
        )
    )
    const write = () => {
      if (!down.has(client)) push(client, story.note(client, "command", { name: "write" }))
      story.at(luck.between(250_000, 700_000), write)
    }
    story.at(luck.between(100_000, 400_000), write)
    const beat = () => {
      if (!down.has(client)) send(client, "relay", "beat", 16, story.rows.length - 1, () => undefined)
      story.at(luck.between(700_000, 900_000), beat)
    }
    story.at(500_000, beat)
  }
  plan.faults.forEach((fault, index) => {
    if (!("atMicros" in fault)) return
    story.at(fault.atMicros, () => {
      const row = story.note("world", "fault", { fault: index, kind: fault.kind })
      if (fault.kind === "pause") {
        story.note(fault.node, "pause", { micros: fault.durationMicros }, row)
        story.at(fault.durationMicros, () => story.note(fault.node, "resume"))
      }
      if (fault.kind !== "crash") return
      const crash = story.note(fault.node, "crash", { reason: "a fault" }, row)
      story.note(fault.node, "disk.crash", { law: "none", pending: 2, kept: 0 }, crash)
      down.add(fault.node)
      story.at(fault.downMicros, () => {
        down.delete(fault.node)
        story.note(fault.node, "boot", { incarnation: 1 }, crash)
      })
    })
  })
}
