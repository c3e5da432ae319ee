/** A run from its first process to its last, and what it says when it does not get on. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "vitest"
import * as Invariant from "../src/Invariant.ts"
import * as Convergence from "../src/invariant/Convergence.ts"
import * as NoDefect from "../src/invariant/NoDefect.ts"
import * as Node from "../src/Node.ts"
import type { Phase } from "../src/Report.ts"
import type * as Simulation from "../src/Simulation.ts"
import * as Workload from "../src/Workload.ts"
import { broken, tiny } from "./kit/tiny.ts"

const idle = (count: number, options: Partial<Node.Definition<void>> = {}) =>
  Node.make({
    count,
    program: (host: Node.Host) => Effect.andThen(Effect.sync(() => host.ready(undefined)), Effect.never),
    ...options
  })

describe("the phases of a run", () => {
  it("come in order, and the cold restart only when it is asked for", () => {
    const phases = (coldRestart: boolean) => {
      const seen: Array<Phase> = []
      const watch = Invariant.make("watch", (world) => ({
        isSettled: () => true,
        onPhase: (phase) => {
          assert.strictEqual(world.phase, phase)
          seen.push(phase)
        }
      }))
      tiny({
        nodes: { peer: idle(2) },
        invariants: [watch],
        edit: (scenario) => ({ ...scenario, phases: { ...scenario.phases, coldRestart } })
      })
      return seen
    }
    assert.deepStrictEqual(phases(false), ["boot", "safety", "heal", "liveness", "audit"])
    assert.deepStrictEqual(phases(true), ["boot", "safety", "heal", "liveness", "audit", "restart"])
  })

  it("end with the first violation", () => {
    const early = Invariant.make("never safe", (world) => ({
      onPhase: (phase) => {
        if (phase === "safety") world.violated("it is")
      }
    }))
    const report = tiny({ nodes: { peer: idle(1) }, invariants: [early] })
    assert.deepStrictEqual(report.violations.map(({ message, phase }) => [message, phase]), [["it is", "safety"]])
    assert.isBelow(report.simulatedMicros, 1_000_000)
  })

  it("heal a core only, when told: the others are dead for ever, and nobody waits for them", () => {
    const report = tiny({
      invariants: [Convergence.make()],
      nodes: {
        peer: Node.make({
          count: 3,
          program: (host: Node.Host<number>) => Effect.andThen(Effect.sync(() => host.ready(host.index)), Effect.never),
          probe: (index) => Effect.succeed({ digest: index === 2 ? "other" : "same" })
        })
      },
      scheduled: [{
        kind: "crash",
        node: "peer-1",
        atMicros: 4_900_000,
        downMicros: 60_000_000,
        disk: { kind: "all" },
        notice: "reset"
      }],
      edit: (scenario) => ({ ...scenario, phases: { ...scenario.phases, heal: ["peer-1", "peer-2"] } })
    })
    assert.isTrue(report.ok)
    assert.deepStrictEqual(report.stuck, [])
    const boots = report.rows.filter(({ kind }) => kind === "boot").map(({ node }) => node)
    assert.deepStrictEqual(boots, ["peer-1", "peer-2", "peer-3", "peer-1"])
  })
})

describe("a world that does not get on", () => {
  it("names who does not become ready, and the span that it waits in", () => {
    const stuck = Node.make({ program: () => Effect.never.pipe(Effect.withSpan("handshake")) })
    const report = tiny({ nodes: { peer: idle(1), stuck } })
    assert.deepStrictEqual(broken(report), ["boot"])
    assert.strictEqual(report.stuck[0]?.node, "stuck")
    assert.include(report.stuck[0]?.waits, "handshake")
  })

  it("names what a node says that it waits for, and commands that do not end", () => {
    const waiting = Node.make({
      program: (host: Node.Host) => Effect.andThen(Effect.sync(() => host.ready(undefined)), Effect.never),
      probe: () => Effect.succeed({ pending: "op 3:17, held only by n4" }),
      commands: { hang: Workload.command({ input: Schema.Null, draw: () => null, run: (_: void) => Effect.never }) }
    })
    const report = tiny({
      nodes: { waiting },
      commands: [{ atMicros: 0, node: "waiting", name: "hang", input: null }]
    })
    assert.deepStrictEqual(report.stuck, [
      { node: "waiting", waits: "op 3:17, held only by n4" },
      { node: "waiting", waits: "the end of command 0 (hang)" }
    ])
    assert.deepStrictEqual(broken(report), ["rest"])
  })

  it("names what a node died of that can not start again", () => {
    const failing = Node.make({
      program: (host: Node.Host) =>
        Effect.gen(function*() {
          host.ready(undefined)
          if (host.incarnation > 0) return yield* Effect.fail("the file is broken")
          return yield* Effect.never
        })
    })
    const crash = { kind: "crash", atMicros: 1, downMicros: 1, disk: { kind: "all" }, notice: "reset" } as const
    const report = tiny({ nodes: { failing }, scheduled: [{ ...crash, node: "failing" }] })
    assert.strictEqual(report.stuck[0]?.waits, "a start without \"the file is broken\"")
  })

  it("names a process that does not stop", () => {
    const stubborn = Node.make({
      program: (host: Node.Host) =>
        Effect.uninterruptible(Effect.andThen(Effect.sync(() => host.ready(undefined)), Effect.never))
    })
    assert.deepStrictEqual(broken(tiny({ nodes: { stubborn } })), ["stop"])
  })

  it("names a program that spins, and one that uses the machine's clock", () => {
    const spinning = Node.make({ program: () => Effect.forever(Effect.yieldNow) })
    const report = tiny({ nodes: { spinning }, run: { eventsMax: 10_000 } })
    assert.deepStrictEqual(broken(report), ["run ends (events)"])
    const ambient = Node.make({ program: () => Effect.sync(() => Date.now()) })
    const [violation] = tiny({ nodes: { ambient } }).violations
    assert.strictEqual(violation?.invariant, "run ends (ambient)")
    assert.strictEqual(violation?.node, "ambient")
  })

  it("is excused when data can not have survived, unless the author says otherwise", () => {
    const peers = Node.make({
      count: 2,
      program: (host: Node.Host<string>) =>
        Effect.gen(function*() {
          const before = yield* Effect.orDie(host.files.readAll("file"))
          yield* Effect.orDie(host.files.append("file", new Uint8Array(1)))
          yield* Effect.orDie(host.files.sync("file"))
          yield* Effect.orDie(host.files.syncDirectory)
          host.ready(host.incarnation > 0 ? `${before.length}` : "1")
          return yield* Effect.never
        }),
      probe: (digest) => Effect.succeed({ digest })
    })
    const evict = { kind: "evict", node: "peer-1", atMicros: 1_000_000, downMicros: 0 } as const
    const run = (options: Partial<Simulation.Definition> = {}) =>
      tiny({
        nodes: { peer: peers },
        invariants: [Convergence.make(), NoDefect.make()],
        scheduled: [evict],
        ...options
      })
    const excused = run()
    assert.deepStrictEqual([excused.ok, excused.lossExpected], [true, ["peer-1: eviction"]])
    const strict = run({
      lossExpected: (losses) => losses.filter(({ kind }) => kind === "rot").map(({ node }) => node)
    })
    assert.deepStrictEqual([broken(strict), strict.lossExpected], [["convergence"], []])
  })
})

describe("commands", () => {
  const recorded = (scheduled: Parameters<typeof tiny>[0]["scheduled"] = []) => {
    const ended: Array<readonly [string, string, unknown]> = []
    const outcomes = Invariant.make("outcomes", () => ({
      onCommand: ({ error, name, outcome, result }) => {
        ended.push([name, outcome, error ?? result])
      }
    }))
    const none = { input: Schema.Null, draw: () => null }
    const server = Node.make({
      program: (host: Node.Host<string>) => Effect.andThen(Effect.sync(() => host.ready(host.name)), Effect.never),
      commands: {
        echo: Workload.command({
          ...none,
          run: (name: string, _, { history }) => Effect.succeed([name, history.length])
        }),
        fail: Workload.command({ ...none, run: (_: string) => Effect.fail("no") }),
        wait: Workload.command({ ...none, run: (_: string) => Effect.sleep("2 seconds") })
      }
    })
    tiny({
      nodes: { server },
      scheduled,
      invariants: [outcomes],
      commands: (["echo", "fail", "wait", "echo"] as const).map((name, k) => (
        { atMicros: k * 1_000_000, node: "server", name, input: null }
      ))
    })
    return ended
  }

  it("answer, fail, are lost with their process, or reach nobody", () => {
    assert.deepStrictEqual(recorded(), [
      ["echo", "ok", ["server", 1]],
      ["fail", "failed", "no"],
      ["echo", "ok", ["server", 4]],
      ["wait", "ok", undefined]
    ])
    const crash = {
      kind: "crash",
      node: "server",
      atMicros: 2_500_000,
      disk: { kind: "all" },
      notice: "reset"
    } as const
    assert.deepStrictEqual(recorded([{ ...crash, downMicros: 1_000_000 }]).slice(2), [
      ["wait", "lost", undefined],
      ["echo", "unreached", undefined]
    ])
  })
})

describe("probes", () => {
  it("that have to wait answer, too, and marks are counted", () => {
    const slow = Node.make({
      count: 2,
      program: (host: Node.Host) =>
        Effect.gen(function*() {
          host.mark("seen")
          host.ready(undefined)
          return yield* Effect.never
        }),
      probe: () => Effect.as(Effect.sleep("1 second"), { digest: "slow", state: 1 })
    })
    const report = tiny({ nodes: { slow }, invariants: [Convergence.make()] })
    assert.isTrue(report.ok)
    assert.deepStrictEqual(report.marks, { seen: 2 })
    assert.deepStrictEqual(report.stuck, [])
  })

  it("that fail are something to wait for", () => {
    const failing = Node.make({
      program: (host: Node.Host) => Effect.andThen(Effect.sync(() => host.ready(undefined)), Effect.never),
      probe: () => Effect.fail("no")
    })
    const [stuck] = tiny({ nodes: { failing } }).stuck
    assert.strictEqual(stuck?.waits, "an answer of its probe, which fails")
  })

  it("facts outlive processes", () => {
    const seen: Array<unknown> = []
    const teller = Node.make({
      program: (host: Node.Host) =>
        Effect.gen(function*() {
          seen.push(host.facts.lookup("greeting") ?? null)
          host.facts.publish("greeting", "hello")
          host.ready(undefined)
          return yield* Effect.never
        })
    })
    const crash = { kind: "crash", atMicros: 1, downMicros: 1, disk: { kind: "all" }, notice: "reset" } as const
    tiny({ nodes: { teller }, scheduled: [{ ...crash, node: "teller" }] })
    assert.deepStrictEqual(seen, [null, "hello"])
  })
})
