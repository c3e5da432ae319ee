/** Each kind of fault does to two busy nodes what it says, while it lasts, and nothing once it is lifted. */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import type { Fault } from "../src/Fault.ts"
import * as Node from "../src/Node.ts"
import type { Report } from "../src/Report.ts"
import type { CustomFault } from "../src/Simulation.ts"
import type { Row } from "../src/Trace.ts"
import { tiny } from "./kit/tiny.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Every tenth of a second: a datagram, a message over a connection, a record on the disk, a reading of the clock. */
const busy = Node.make({
  count: 2,
  program: (host) =>
    Effect.gen(function*() {
      const { files, index, name, network } = host
      const [other = ""] = host.others("peer")
      const socket = yield* network.bind(name)
      const listener = yield* network.listen(`${name}/c`)
      const before = yield* Effect.ignore(files.readAll("file")).pipe(Effect.andThen(files.sizeOf("file")))
      host.observe("found", { size: before ?? -1 })
      host.ready(undefined)
      const every = <E>(what: string, effect: Effect.Effect<unknown, E>) =>
        Effect.forkScoped(Effect.forever(Effect.andThen(
          Effect.sleep("100 millis"),
          effect.pipe(Effect.catch((error) => Effect.sync(() => host.observe("failed", { what, why: String(error) }))))
        )))
      let n = 0
      yield* every("datagram", Effect.suspend(() => socket.send(other, encode(`${n++}`))))
      yield* Effect.forkScoped(Effect.forever(Effect.map(socket.receive, ({ bytes }) => {
        host.observe("heard", { text: decode(bytes) })
      })))
      yield* every(
        "disk",
        Effect.gen(function*() {
          if (!host.attempt("work")) return host.observe("failed", { what: "work", why: "" })
          yield* files.append("file", encode("record"))
          yield* files.sync("file")
          yield* files.syncDirectory
          const read = yield* files.read("file", 0, 6)
          host.observe("read", { bytes: read.length })
        })
      )
      yield* every(
        "clock",
        Effect.map(Effect.clockWith((clock) => clock.currentTimeMillis), (millis) => {
          host.observe("clock", { millis })
        })
      )
      const session = Effect.gen(function*() {
        const connection = yield* network.connect(`${other}/c`)
        host.observe("connected", {})
        for (;;) {
          yield* connection.send(encode("x".repeat(200)))
          yield* Effect.sleep("100 millis")
        }
      })
      if (index === 1) yield* Effect.forkScoped(every("connection", Effect.scoped(session)))
      for (;;) {
        const connection = yield* listener.accept
        yield* Effect.forkScoped(Effect.ignore(Effect.forever(Effect.map(connection.receive, (messages) => {
          host.observe("received", { messages: messages.length })
        }))))
      }
    })
})

const run = (scheduled: ReadonlyArray<Fault>, custom: ReadonlyArray<CustomFault> = []): Report =>
  tiny({ nodes: { peer: busy }, scheduled, faults: { custom } })

/** When the safety phase began. */
const begun = (report: Report) =>
  report.rows.find(({ kind, payload }) => kind === "phase" && payload?.["phase"] === "safety")?.tMicros ?? 0

/** The rows of a kind, and of a node, between two times of the safety phase. */
const rows = (
  report: Report,
  kind: string,
  options: { node?: string; from?: number; to?: number } = {}
): ReadonlyArray<Row> => {
  const zero = begun(report)
  const { from = -zero, node, to = 5_000_000 } = options
  return report.rows.filter((row) =>
    row.kind === kind && (node === undefined || row.node === node) && row.tMicros >= zero + from &&
    row.tMicros < zero + to
  )
}

const said = (report: Report, what: string, key: string, options: Parameters<typeof rows>[2] = {}) =>
  rows(report, `observe.${what}`, options).map(({ payload }) => payload?.[key])

const everywhere = { shape: "everywhere" } as const
const second = { atMicros: 1_000_000, durationMicros: 1_000_000 } as const
/** Within that second, with a margin for what was on its way. */
const inside = { from: 1_150_000, to: 2_000_000 } as const
const after = { from: 3_000_000, to: 5_000_000 } as const
const death = { downMicros: 300_000, disk: { kind: "all" }, notice: "reset" } as const

const whole = run([])

describe("faults of links", () => {
  it("without any, everything arrives and nothing fails", () => {
    assert.isTrue(whole.ok)
    assert.isEmpty(rows(whole, "observe.failed"))
    assert.isEmpty(rows(whole, "drop"))
    assert.isAbove(rows(whole, "observe.heard").length, 80)
    assert.deepStrictEqual(whole.lossExpected, [])
  })

  it("latency", () => {
    const late = run([{
      kind: "latency",
      between: everywhere,
      latency: { kind: "constant", micros: 700_000 },
      ...second
    }])
    assert.isEmpty(rows(late, "observe.heard", { from: 1_150_000, to: 1_650_000 }))
    assert.isAbove(rows(late, "observe.heard", after).length, 30)
  })

  it("loss", () => {
    const lossy = run([{ kind: "loss", between: everywhere, p: 1, onConnection: "reset", ...second }])
    assert.isEmpty(rows(lossy, "observe.heard", inside))
    assert.isAbove(rows(lossy, "drop", inside).length, 10)
    assert.isNotEmpty(rows(lossy, "reset", { from: 1_000_000, to: 2_000_000 }))
    assert.isAbove(rows(lossy, "observe.heard", after).length, 30)
  })

  it("duplication, reorder", () => {
    const doubled = run([{ kind: "duplication", between: everywhere, p: 1, lagMicros: 1_000, ...second }])
    assert.isAbove(rows(doubled, "duplicate", inside).length, 10)
    assert.isEmpty(rows(doubled, "duplicate", after))
    const mixed = run([{ kind: "reorder", between: everywhere, p: 0.5, lagMicros: 900_000, ...second }])
    const heard = (report: Report) => said(report, "heard", "text", { node: "peer-1" }).map(Number)
    const isSorted = (numbers: ReadonlyArray<number>) => numbers.every((n, at) => n >= (numbers[at - 1] ?? 0))
    assert.deepStrictEqual([isSorted(heard(whole)), isSorted(heard(mixed))], [true, false])
  })

  it("corruption", () => {
    const rotten = run([{ kind: "corruption", between: everywhere, p: 1, ...second }])
    const isClean = (report: Report) => said(report, "heard", "text").every((text) => /^\d+$/.test(String(text)))
    assert.deepStrictEqual([isClean(whole), isClean(rotten)], [true, false])
  })

  it("bandwidth, black hole: connections wait", () => {
    const slow = run([{ kind: "bandwidth", between: everywhere, bytesPerSecond: 300, ...second }])
    assert.isBelow(rows(slow, "observe.received", inside).length, 3)
    const hole = run([{ kind: "blackHole", between: everywhere, bytes: 100, ...second }])
    assert.isEmpty(rows(hole, "observe.received", inside))
    assert.isNotEmpty(rows(hole, "observe.heard", inside), "short datagrams pass")
  })

  it("partition: in one direction only, in the shapes there are", () => {
    const deaf = run([{
      kind: "partition",
      between: { shape: "isolate", node: "peer-1", direction: "in" },
      ...second
    }])
    assert.isEmpty(rows(deaf, "observe.heard", { ...inside, node: "peer-1" }))
    assert.isNotEmpty(rows(deaf, "observe.heard", { ...inside, node: "peer-2" }))
    assert.isNotEmpty(rows(deaf, "observe.heard", { ...after, node: "peer-1" }))
    const sides = [
      { shape: "sets", side: ["peer-1"], direction: "both" },
      { shape: "sets", side: ["peer-1"], other: ["peer-2"], direction: "both" },
      { shape: "isolate", node: "peer-2", direction: "both" },
      { shape: "bridge", left: ["peer-1"], middle: "nobody", right: ["peer-2"] }
    ] as const
    for (const between of sides) {
      assert.isEmpty(rows(run([{ kind: "partition", between, ...second }]), "observe.heard", inside), between.shape)
    }
    const link = run([{ kind: "partition", between: { shape: "link", from: "peer-1", to: "peer-2" }, ...second }])
    assert.isEmpty(rows(link, "observe.heard", { ...inside, node: "peer-2" }))
    assert.isNotEmpty(rows(link, "observe.heard", { ...inside, node: "peer-1" }))
    const ring = run([{ kind: "partition", between: { shape: "ring", nodes: ["peer-1", "peer-2"] }, ...second }])
    assert.isNotEmpty(rows(ring, "observe.heard", inside), "two of a ring are neighbours")
  })

  it("clog, swizzle: everything waits, and comes then", () => {
    const clogged = run([{ kind: "clog", between: everywhere, ...second }])
    assert.isEmpty(rows(clogged, "observe.heard", inside))
    assert.strictEqual(said(clogged, "heard", "text").length, said(whole, "heard", "text").length)
    const swizzled = run([{ kind: "swizzle", nodes: ["peer-1", "peer-2"], everyMicros: 200_000, atMicros: 1_000_000 }])
    assert.deepStrictEqual([rows(swizzled, "clog").length, rows(swizzled, "unclog").length], [2, 2])
    const healed = run([{ kind: "swizzle", nodes: ["peer-1", "peer-2"], everyMicros: 9_000_000, atMicros: 1_000_000 }])
    const last = healed.rows.findLast(({ kind }) => kind === "observe.heard")
    assert.isAbove(last?.tMicros ?? 0, 6_000_000, "healing lets go")
  })

  it("reset, offline", () => {
    const torn = run([{ kind: "reset", between: everywhere, atMicros: 1_000_000 }])
    assert.deepStrictEqual([rows(whole, "observe.connected").length, rows(torn, "observe.connected").length], [1, 2])
    const off = run([
      { kind: "offline", node: "peer-2", ...second },
      { kind: "reset", between: everywhere, atMicros: 1_100_000 }
    ])
    assert.isTrue(said(off, "failed", "why", inside).some((why) => String(why).includes("(network)")))
    assert.isNotEmpty(rows(off, "observe.received", after))
  })
})

describe("faults of processes", () => {
  it("crash: dead for a while, and started again", () => {
    const crashed = run([{ kind: "crash", node: "peer-1", atMicros: 1_000_000, ...death }])
    assert.isEmpty(rows(crashed, "observe.clock", { node: "peer-1", from: 1_000_000, to: 1_300_000 }))
    assert.deepStrictEqual(rows(crashed, "boot", { node: "peer-1" }).map(({ payload }) => payload?.["incarnation"]), [
      0,
      1
    ])
    assert.isEmpty(rows(crashed, "stop", { node: "peer-1" }))
  })

  it("crash at a point: of a disk, a send, a connect, a call, an event", () => {
    const points = [
      [{ at: "disk", operation: "append", phase: "before", k: 3 }, "disk.append", 3],
      [{ at: "disk", operation: "sync", phase: "after", k: 3 }, "disk.sync", 4],
      [{ at: "disk", operation: "any", phase: "before", k: 3 }, "disk.append", 1],
      [{ at: "connect", k: 0 }, "observe.connected", 0],
      [{ at: "call", name: "work", k: 4 }, "disk.append", 4],
      [{ at: "event", event: "observe.clock", k: 4 }, "observe.clock", 5]
    ] as const
    for (const [point, kind, count] of points) {
      const report = run([{ kind: "crashAt", node: "peer-2", point, ...death }])
      const crash = report.rows.find((row) => row.kind === "crash")
      const done = report.rows.filter((row) => row.node === "peer-2" && row.kind === kind && row.i < (crash?.i ?? 0))
      assert.strictEqual(done.length, count, JSON.stringify(point))
      assert.strictEqual(rows(report, "crash").length, 1)
    }
    const sending = run([{ kind: "crashAt", node: "peer-2", point: { at: "send", k: 5 }, ...death }])
    const dead = sending.rows.findIndex(({ kind }) => kind === "crash")
    assert.strictEqual(
      sending.rows.slice(0, dead).filter(({ kind, node }) => kind === "send" && node === "peer-2").length,
      5
    )
  })

  it("stop: ends in order, and is started again", () => {
    const stopped = run([{ kind: "stop", node: "peer-1", atMicros: 1_000_000, downMicros: 200_000 }])
    const [exit] = rows(stopped, "exit", { node: "peer-1" })
    assert.isNotNull(exit?.payload?.["failed"])
    assert.strictEqual(rows(stopped, "boot", { node: "peer-1" }).length, 2)
  })

  it("pause: nothing of it happens, and then all of it", () => {
    const paused = run([{ kind: "pause", node: "peer-1", ...second }])
    assert.isEmpty(rows(paused, "observe.clock", { node: "peer-1", from: 1_000_001, to: 2_000_000 }))
    assert.isNotEmpty(rows(paused, "observe.clock", { node: "peer-1", from: 2_000_000, to: 2_100_000 }))
  })
})

describe("faults of disks", () => {
  it("those that destroy what was durable say so", () => {
    const crash = { kind: "crash", node: "peer-1", atMicros: 2_000_000, downMicros: 0, notice: "reset" } as const
    const destroyed: ReadonlyArray<readonly [Fault, string]> = [
      [{ kind: "rot", node: "peer-1", atMicros: 1_000_000 }, "peer-1: rot of file"],
      [{ kind: "rot", node: "peer-1", atMicros: 1_000_000, file: "file" }, "peer-1: rot of file"],
      [{ kind: "misdirected", node: "peer-1", p: 1, ...second }, "peer-1: misdirected of file"],
      [
        { kind: "restore", node: "peer-1", atMicros: 2_000_000, ageMicros: 1_000_000, downMicros: 0 },
        "peer-1: restore"
      ],
      [{ kind: "evict", node: "peer-1", atMicros: 1_000_000, downMicros: 0 }, "peer-1: eviction"]
    ]
    for (const [fault, why] of destroyed) assert.deepStrictEqual(run([fault]).lossExpected, [why])
    const lie: Fault = { kind: "lie", node: "peer-1", atMicros: 1_000_000, durationMicros: 3_000_000 }
    assert.deepStrictEqual(run([lie]).lossExpected, [])
    assert.deepStrictEqual(run([lie, { ...crash, disk: { kind: "none" } }]).lossExpected, ["peer-1: lie of file"])
    assert.deepStrictEqual(run([{ ...crash, disk: { kind: "none" } }]).lossExpected, [])
  })

  it("restore puts back what there was; evict leaves nothing", () => {
    const found = (fault: Fault) => said(run([fault]), "found", "size", { node: "peer-1" })
    assert.deepStrictEqual(found({ kind: "evict", node: "peer-1", atMicros: 1_050_000, downMicros: 0 }), [-1, -1])
    const restore = {
      kind: "restore",
      node: "peer-1",
      atMicros: 2_050_000,
      ageMicros: 1_000_000,
      downMicros: 0
    } as const
    assert.deepStrictEqual(found(restore), [-1, 60])
    assert.deepStrictEqual(found({ kind: "crash", node: "peer-1", atMicros: 2_050_000, ...death }), [-1, 120])
  })

  it("read error, short read, full: operations fail, or do less", () => {
    const failing = run([{ kind: "readError", node: "peer-1", p: 1, ...second }])
    assert.isNotEmpty(rows(failing, "observe.failed", inside))
    assert.isEmpty(rows(failing, "observe.failed", after))
    const short = run([{ kind: "shortRead", node: "peer-1", p: 1, ...second }])
    assert.isTrue(said(short, "read", "bytes", { ...inside, node: "peer-1" }).every((bytes) => Number(bytes) < 6))
    const full = run([{ kind: "full", node: "peer-1", freeBytes: 10, ...second }])
    assert.isTrue(said(full, "failed", "why", inside).every((why) => String(why).includes("(full")))
    assert.isEmpty(rows(full, "observe.failed", after))
  })

  it("slow disk: an operation takes its time", () => {
    const slow = run([{ kind: "slowDisk", node: "peer-1", latency: { kind: "constant", micros: 200_000 }, ...second }])
    assert.isBelow(rows(slow, "observe.read", { ...inside, node: "peer-1" }).length, 3)
    assert.isAbove(rows(slow, "observe.read", { ...inside, node: "peer-2" }).length, 6)
  })
})

describe("faults of clocks and services", () => {
  const millis = (report: Report, options: Parameters<typeof rows>[2]) =>
    said(report, "clock", "millis", options).map(Number)

  it("jump, drift, freeze", () => {
    const node = "peer-1"
    const at = (report: Report, from: number) => millis(report, { node, from, to: from + 150_000 })[0] ?? 0
    const base = at(whole, 3_000_000)
    const jumped = run([{ kind: "jump", node, atMicros: 1_000_000, micros: -3_000_000 }])
    assert.approximately(at(jumped, 3_000_000) - base, -3_000, 100)
    const drifting = run([{ kind: "drift", node, ppm: 100_000, ...second }])
    assert.approximately(at(drifting, 3_000_000) - base, 100, 100)
    assert.isAbove(rows(drifting, "observe.clock", { ...second, node, from: 1_000_000, to: 2_000_000 }).length, 10)
    const frozen = run([{ kind: "freeze", node, ...second }])
    assert.strictEqual(new Set(millis(frozen, { ...inside, node })).size, 1)
    assert.approximately(at(frozen, 3_000_000) - base, 0, 100)
  })

  it("error: the k-th call fails, once", () => {
    const points = [
      [{ at: "disk", operation: "append", phase: "before", k: 5 }, "disk"],
      [{ at: "disk", operation: "sync", phase: "before", k: 5 }, "disk"],
      [{ at: "call", name: "work", k: 5 }, "work"],
      [{ at: "connect", k: 0 }, "connection"]
    ] as const
    for (const [point, what] of points) {
      const report = run([{ kind: "error", node: "peer-2", point, reason: "unavailable" }])
      assert.deepStrictEqual(said(report, "failed", "what", { node: "peer-2" }), [what], JSON.stringify(point))
    }
  })

  it("one of the author's own: applied, lifted after its time or by healing, with reasons to lose", () => {
    const log: Array<string> = []
    const custom: CustomFault = {
      name: "gremlin",
      draw: () => ({ atMicros: 0, input: null }),
      apply: ({ draws, expectLoss, network, nodes, recorder, timeline }, { input, node }) => {
        log.push(
          `${timeline.nowMicros()} ${JSON.stringify(input)} ${nodes().join()} ${nodes("none").length} ${draws.int(1)}`
        )
        recorder.note(node ?? "", "gremlin")
        if (input === "lose") return expectLoss("gremlins ate it")
        const lift = network.tap(() => true, () => [])
        return () => {
          log.push(`lifted ${timeline.nowMicros()}`)
          lift()
        }
      }
    }
    const gremlin = { kind: "custom", name: "gremlin", node: "peer-1" } as const
    const eaten = run([{ ...gremlin, ...second, input: 1 }], [custom])
    assert.isEmpty(rows(eaten, "observe.heard", inside))
    assert.isNotEmpty(rows(eaten, "observe.heard", after))
    run([{ ...gremlin, atMicros: 1_000_000, input: 2 }], [custom])
    const lost = run([{ ...gremlin, atMicros: 1_000_000, input: "lose" }], [custom])
    assert.deepStrictEqual(lost.lossExpected, ["gremlins ate it"])
    const zero = begun(whole)
    assert.deepStrictEqual(log, [
      `${zero + 1_000_000} 1 peer-1,peer-2 0 0`,
      `lifted ${zero + 2_000_000}`,
      `${zero + 1_000_000} 2 peer-1,peer-2 0 0`,
      `lifted ${zero + 5_000_000}`,
      `${zero + 1_000_000} "lose" peer-1,peer-2 0 0`
    ])
  })

  it("what is wrong, and for how long, is in the coverage", () => {
    const { situations } = run([{ kind: "clog", between: everywhere, ...second }])
    assert.includeMembers([...situations], ["send safety", "send safety clog", "send liveness"])
    assert.isFalse(situations.includes("observe.heard liveness clog"))
  })
})
