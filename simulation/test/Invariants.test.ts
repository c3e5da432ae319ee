/** Each invariant of the library: silent while it holds, and named when a program of a few lines breaks it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "vitest"
import type { Invariant } from "../src/Invariant.ts"
import * as AtMostOnce from "../src/invariant/AtMostOnce.ts"
import * as Authenticity from "../src/invariant/Authenticity.ts"
import * as Bounded from "../src/invariant/Bounded.ts"
import * as Convergence from "../src/invariant/Convergence.ts"
import * as MetadataBudget from "../src/invariant/MetadataBudget.ts"
import * as ModelAgreement from "../src/invariant/ModelAgreement.ts"
import * as MonotonicCursors from "../src/invariant/MonotonicCursors.ts"
import * as NoAckedLoss from "../src/invariant/NoAckedLoss.ts"
import * as NoNonceReuse from "../src/invariant/NoNonceReuse.ts"
import * as NoPlaintext from "../src/invariant/NoPlaintext.ts"
import * as NoSequenceReuse from "../src/invariant/NoSequenceReuse.ts"
import * as Quiescence from "../src/invariant/Quiescence.ts"
import * as ReadYourWrites from "../src/invariant/ReadYourWrites.ts"
import * as RecoveryTime from "../src/invariant/RecoveryTime.ts"
import * as UniqueIds from "../src/invariant/UniqueIds.ts"
import * as Node from "../src/Node.ts"
import type { Command, Json, Scenario } from "../src/Scenario.ts"
import * as Workload from "../src/Workload.ts"
import { broken, tiny } from "./kit/tiny.ts"

const encode = (text: string) => new TextEncoder().encode(text)

/** Two nodes that say something of themselves, and stay. */
const said = (invariant: Invariant, observations: ReadonlyArray<readonly [what: string, data: Json]>, each = false) =>
  tiny({
    invariants: [invariant],
    nodes: {
      peer: Node.make({
        count: 2,
        program: (host) =>
          Effect.gen(function*() {
            host.ready(undefined)
            if (each || host.index === 0) { for (const [what, data] of observations) host.observe(what, data) }
            return yield* Effect.never
          })
      })
    }
  })

const crashOf = (node: string) =>
  ({ kind: "crash", node, atMicros: 1_000_000, downMicros: 1_000, disk: { kind: "none" }, notice: "reset" }) as const

describe("what programs say of themselves", () => {
  it("at most once: an id twice in one life", () => {
    const one = ["apply", { id: "x" }] as const
    assert.deepStrictEqual(broken(said(AtMostOnce.make(), [one, ["apply", { id: "y" }]], true)), [])
    assert.deepStrictEqual(broken(said(AtMostOnce.make(), [one, one])), ["at most once"])
  })

  it("unique ids: one id on two nodes", () => {
    assert.deepStrictEqual(broken(said(UniqueIds.make(), [["id", { id: "x" }], ["id", { id: "y" }]])), [])
    assert.deepStrictEqual(broken(said(UniqueIds.make(), [["id", { id: "x" }]], true)), ["unique ids"])
  })

  it("no sequence reuse: another content under the same number", () => {
    const give = (number: number, content: string) => ["sequence", { author: "a", number, content }] as const
    assert.deepStrictEqual(broken(said(NoSequenceReuse.make(), [give(1, "x"), give(2, "y")], true)), [])
    assert.deepStrictEqual(broken(said(NoSequenceReuse.make(), [give(1, "x"), give(1, "y")])), ["no sequence reuse"])
  })

  it("no nonce reuse: two messages with one nonce, under one key", () => {
    const use = (key: string, message: string) => ["nonce", { key, nonce: "n", message }] as const
    assert.deepStrictEqual(broken(said(NoNonceReuse.make(), [use("k", "x"), use("l", "y")], true)), [])
    assert.deepStrictEqual(broken(said(NoNonceReuse.make(), [use("k", "x"), use("k", "y")])), ["no nonce reuse"])
  })

  it("monotonic cursors: one that goes back", () => {
    const move = (value: number, durable = false) => ["cursor", { name: "c", value, durable }] as const
    assert.deepStrictEqual(broken(said(MonotonicCursors.make(), [move(1), move(1), move(3)], true)), [])
    assert.deepStrictEqual(broken(said(MonotonicCursors.make(), [move(2), move(1)])), ["monotonic cursors"])
  })

  it("authenticity: accepted, and not written so", () => {
    const note = (what: string, content: string) => [what, { id: "x", author: "a", content }] as const
    assert.deepStrictEqual(broken(said(Authenticity.make(), [note("author", "c"), note("accept", "c")])), [])
    assert.deepStrictEqual(broken(said(Authenticity.make(), [note("author", "c"), note("accept", "d")])), [
      "authenticity"
    ])
  })

  it("bounded inbox: more in it than may be", () => {
    const holds = (size: number) => ["inbox", { name: "i", size }] as const
    assert.deepStrictEqual(broken(said(Bounded.inbox({ size: 5 }), [holds(5)])), [])
    assert.deepStrictEqual(broken(said(Bounded.inbox({ size: 5 }), [holds(6)])), ["bounded inbox"])
  })

  it("what is durable does not go back or happen again in a restart, unless a fault destroyed it", () => {
    const invariants = [MonotonicCursors.make(), AtMostOnce.make()]
    const run = (durable: boolean, isDestroyed: boolean) =>
      broken(tiny({
        invariants,
        scheduled: [
          isDestroyed ? { kind: "evict", node: "peer", atMicros: 1_000_000, downMicros: 1_000 } : crashOf("peer")
        ],
        nodes: {
          peer: Node.make({
            program: (host) =>
              Effect.gen(function*() {
                host.ready(undefined)
                yield* Effect.orDie(host.files.append("log", encode("x")))
                yield* Effect.orDie(host.files.sync("log"))
                yield* Effect.orDie(host.files.syncDirectory)
                host.observe("cursor", { name: "c", value: 2 - host.incarnation, durable })
                host.observe("apply", { id: "x", durable })
                return yield* Effect.never
              })
          })
        }
      }))
    assert.deepStrictEqual(run(false, false), [])
    assert.deepStrictEqual(run(true, true), [])
    assert.deepStrictEqual(run(true, false), ["monotonic cursors", "at most once"])
  })
})

/** Two nodes with a shelf each, which commands put things on; `spread` puts them on both. */
const shelves = (options: {
  readonly spread: boolean
  readonly forgets?: boolean
  readonly shows?: (things: ReadonlyArray<string>) => Json
}) => {
  const shared = Workload.model(() => new Map<string, Set<string>>())
  return Node.make({
    count: 2,
    program: (host: Node.Host<Set<string>>) =>
      Effect.gen(function*() {
        host.ready(new Set(options.forgets === true ? [] : ["before"]))
        return yield* Effect.never
      }),
    probe: (shelf) =>
      Effect.sync(() => ({
        digest: [...shelf].toSorted().join(),
        state: { things: [...shelf], shown: options.shows?.([...shelf]) ?? [...shelf] }
      })),
    commands: {
      put: Workload.command({
        input: Schema.Struct({ thing: Schema.String }),
        draw: (_, { canary }) => ({ thing: canary }),
        run: (shelf: Set<string>, { thing }, { node, of }) =>
          Effect.sync(() => {
            const all = of(shared)
            all.set(node, shelf)
            if (options.forgets !== true) shelf.add(thing)
            if (options.spread) { for (const other of all.values()) other.add(thing) }
            return thing
          })
      }),
      look: Workload.command({
        input: Schema.Null,
        draw: () => null,
        run: (shelf: Set<string>) => Effect.sync(() => [...shelf])
      })
    }
  })
}

const put = (node: string, thing: string, atMicros = 1_000): Command => ({
  atMicros,
  node,
  name: "put",
  input: { thing }
})
const look = (node: string, atMicros: number): Command => ({ atMicros, node, name: "look", input: null })

const things = (value: Json | undefined): ReadonlyArray<string> =>
  Schema.decodeUnknownSync(Schema.Struct({ things: Schema.Array(Schema.String) }))(value).things

describe("what nodes hold", () => {
  const commands = [put("peer-1", "a", 1_000), put("peer-2", "b", 2_000), put("peer-1", "c", 3_000)]

  it("convergence: names the first place where two nodes differ, and the command that explains it", () => {
    const invariants = [Convergence.make()]
    assert.deepStrictEqual(broken(tiny({ invariants, nodes: { peer: shelves({ spread: false }) } })), [])
    const [violation] = tiny({ invariants, commands, nodes: { peer: shelves({ spread: false }) } }).violations
    assert.strictEqual(violation?.invariant, "convergence")
    assert.include(
      violation?.message,
      "peer-1 and peer-2 do not come to hold the same: at shown.1 there is \"a\" and \"b\""
    )
  })

  it("convergence: those that need not hold what the others hold are left out, for as long as that is so", () => {
    const leavingOut = (name: string) =>
      broken(tiny({
        invariants: [Convergence.make({ except: (node, { phase }) => node.name === name && phase === "liveness" })],
        commands,
        nodes: { peer: shelves({ spread: false }) }
      }))
    assert.deepStrictEqual(leavingOut("nobody"), ["convergence"])
    assert.deepStrictEqual(leavingOut("peer-2"), [])
  })

  it("convergence: what is not there after a cold restart", () => {
    const report = tiny({
      invariants: [Convergence.make()],
      commands: [put("peer-1", "a"), put("peer-2", "a")],
      nodes: { peer: shelves({ spread: false }) },
      edit: (scenario) => ({ ...scenario, phases: { ...scenario.phases, coldRestart: true } })
    })
    assert.include(report.violations[0]?.message, "held a,before before all were restarted, and before after")
    assert.strictEqual(report.violations[0]?.phase, "restart")
  })

  it("convergence: where nodes are gone for good, what they sent last has its time to come", () => {
    const restedMicros = (heal: Scenario["phases"]["heal"], restSeconds?: number) => {
      const { rows } = tiny({
        invariants: [Convergence.make(restSeconds === undefined ? {} : { restSeconds })],
        nodes: { peer: shelves({ spread: false }) },
        edit: (scenario) => ({ ...scenario, phases: { ...scenario.phases, heal } })
      })
      const began = (name: string) =>
        rows.find(({ kind, payload }) => kind === "phase" && payload?.["phase"] === name)?.tMicros ?? Number.NaN
      return began("audit") - began("liveness")
    }
    assert.strictEqual(restedMicros("all", 7), 0)
    assert.strictEqual(restedMicros(["peer-1"]), 5_000_000)
    assert.strictEqual(restedMicros(["peer-1"], 7), 7_000_000)
  })

  it("no acked loss: what a node answered for, and does not hold", () => {
    const invariants = [
      NoAckedLoss.make({
        made: ({ result }) => typeof result === "string" ? [result] : [],
        held: ({ state }, { name }) => name === "peer-1" ? things(state) : undefined
      })
    ]
    const commandsOfOne = [put("peer-1", "a")]
    const holding = tiny({ invariants, commands: commandsOfOne, nodes: { peer: shelves({ spread: false }) } })
    assert.deepStrictEqual(broken(holding), [])
    const forgetting = tiny({
      invariants,
      commands: commandsOfOne,
      nodes: { peer: shelves({ spread: false, forgets: true }) }
    })
    assert.deepStrictEqual(broken(forgetting), ["no acked loss"])
  })

  it("read your writes: what was there before is read", () => {
    const invariants = [
      ReadYourWrites.make({
        writes: ({ name }) => name === "put" ? "shelf" : undefined,
        reads: ({ name }) => name === "look" ? "shelf" : undefined,
        sees: (read, write) => Array.isArray(read.result) && read.result.includes(write.result)
      })
    ]
    const asked = [put("peer-1", "a", 1_000), look("peer-1", 5_000)]
    assert.deepStrictEqual(
      broken(tiny({ invariants, commands: asked, nodes: { peer: shelves({ spread: false }) } })),
      []
    )
    const forgetting = shelves({ spread: false, forgets: true })
    assert.deepStrictEqual(broken(tiny({ invariants, commands: asked, nodes: { peer: forgetting } })), [
      "read your writes"
    ])
  })

  it("model agreement: shows something else than the model makes of what it holds", () => {
    const agreement = (objects?: () => string) =>
      ModelAgreement.make({
        held: ({ state }) => things(state ?? null),
        initial: (): ReadonlyArray<string> => [],
        apply: (all, thing) => [...all, thing],
        show: (all) => [...all],
        shown: ({ state }) =>
          Schema.decodeUnknownSync(Schema.Struct({ shown: Schema.Array(Schema.String) }))(state).shown,
        ...(objects === undefined ? {} : { objects })
      })
    const run = (invariant: Invariant, shows?: (all: ReadonlyArray<string>) => Json) =>
      tiny({
        invariants: [invariant],
        commands,
        nodes: { peer: shelves({ spread: true, ...(shows === undefined ? {} : { shows }) }) }
      })
    assert.deepStrictEqual(broken(run(agreement())), [])
    const [violation] = run(agreement(), (all) => all.slice(0, -1)).violations
    assert.strictEqual(violation?.message, "shows null at 3, the model \"c\"")
    assert.deepStrictEqual(broken(run(agreement(() => "nobody may put anything"))), ["model agreement"])
  })

  it("recovery time: at rest too late, or never", () => {
    const slow = Node.make({
      count: 2,
      program: (host: Node.Host<{ readonly since: number }>) =>
        Effect.gen(function*() {
          host.ready({ since: yield* Effect.clockWith((clock) => clock.currentTimeMillis) })
          return yield* Effect.never
        }),
      probe: ({ since }) =>
        Effect.map(
          Effect.clockWith((clock) => clock.currentTimeMillis),
          (now) => now - since < 9_000 ? { digest: "", pending: "the ninth second" } : { digest: "" }
        )
    })
    const run = (within: "3 seconds" | "5 seconds") =>
      tiny({ invariants: [Convergence.make(), RecoveryTime.make({ within })], nodes: { slow } })
    assert.deepStrictEqual(broken(run("5 seconds")), [])
    const [violation] = run("3 seconds").violations
    assert.include(violation?.message, "came to rest 4 s after it was healed")
  })
})

/** Sends messages to itself: so many in each second, once it is ready. */
const talker = (text: string, perSecond: number, log = "", attribute = "") =>
  Node.make({
    count: 2,
    trust: "untrusted",
    program: (host) =>
      Effect.gen(function*() {
        const socket = yield* host.network.bind(host.name)
        host.ready(undefined)
        if (log !== "") yield* Effect.log(log)
        if (attribute !== "") {
          yield* Effect.annotateCurrentSpan("said", attribute).pipe(Effect.withSpan("talk"))
        }
        yield* Effect.orDie(host.files.append("file", encode(host.knobs["file"] === true ? text : "x")))
        for (;;) {
          yield* Effect.sleep("1 second")
          for (let k = 0; k < perSecond; k++) yield* socket.send(host.others("peer")[0] ?? "", encode(text))
        }
      })
  })

describe("what crosses the network, and what is written down", () => {
  const CANARY = "kanari0123456789"
  const hex = Array.from(encode(`id ${CANARY}`), (byte) => byte.toString(16)).join("")

  it("no plaintext: on the wire, in whatever form, in logs and spans, on a disk, in an error", () => {
    const run = (
      node: Node.Kind,
      options: { readonly knobs?: () => { readonly file: boolean } } = {},
      at?: NoPlaintext.Options["at"]
    ) => tiny({ invariants: [NoPlaintext.make(at === undefined ? {} : { at })], nodes: { peer: node }, ...options })
    assert.deepStrictEqual(broken(run(talker("sealed", 3, "nothing to see", "neither here"))), [])
    for (const leaking of [talker(CANARY, 1), talker(hex, 1), talker("x", 1, CANARY), talker("x", 1, "", CANARY)]) {
      assert.deepStrictEqual(broken(run(leaking)), ["no plaintext"])
    }
    assert.deepStrictEqual(broken(run(talker(CANARY, 1), {}, ["logs", "disks"])), [])
    const [onDisk] = run(talker(hex, 0), { knobs: () => ({ file: true }) }, ["disks"]).violations
    assert.strictEqual(onDisk?.message, "what a user wrote can be read on its disk, in file (hex)")
    const failing = Node.make({
      program: (host) =>
        Effect.gen(function*() {
          host.ready(undefined)
          return yield* Effect.fail(`can not open ${CANARY}`)
        })
    })
    assert.deepStrictEqual(broken(run(failing)), ["no plaintext"])
  })

  it("metadata budget: something else than declared, more than declared, of a telling size", () => {
    const run = (text: string) =>
      tiny({
        nodes: { peer: talker(text, 1) },
        invariants: [
          MetadataBudget.make({
            read: ({ bytes }) => {
              const [type = "", fields, sealed = ""] = new TextDecoder().decode(bytes).split("|")
              return fields === undefined
                ? undefined
                : { type, fields: fields.split(","), sealedBytes: [sealed.length] }
            },
            declared: { push: ["to", "from"] },
            isPadded: (size) => size % 4 === 0
          })
        ]
      }).violations[0]?.message
    assert.isUndefined(run("push|to,from|????"))
    assert.include(run("rubbish"), "no message of the protocol")
    assert.include(run("pull|to|????"), "not declared (pull)")
    assert.include(run("push|to,when|????"), "not declared (when of push)")
    assert.include(run("push|to|?????"), "a telling size (5 bytes")
  })

  it("bounded messages: more in a second than may be", () => {
    const run = (perSecond: number) =>
      tiny({ nodes: { peer: talker("x", perSecond) }, invariants: [Bounded.messages({ perNodePerSecond: 10 })] })
    assert.deepStrictEqual(broken(run(10)), [])
    assert.deepStrictEqual(broken(run(11)), ["bounded messages"])
  })

  it("quiescence: talks on although all is at rest", () => {
    const run = (perSecond: number) =>
      tiny({
        nodes: { peer: talker("x", perSecond) },
        // Others want more rest than it does: that counts for nothing.
        invariants: [Quiescence.make({ messagesPerNodePerSecond: 3 }), Convergence.make({ restSeconds: 9 })],
        edit: (scenario) => ({ ...scenario, phases: { ...scenario.phases, heal: ["peer-1", "peer-2"] } })
      })
    assert.deepStrictEqual(broken(run(3)), [])
    assert.deepStrictEqual(broken(run(5)), ["quiescence"])
  })

  it("bounded store: a disk that only grows", () => {
    const run = (times: number) =>
      tiny({
        invariants: [Bounded.store({ bytes: 1_000 })],
        nodes: {
          peer: Node.make({
            program: (host) =>
              Effect.gen(function*() {
                host.ready(undefined)
                for (let k = 0; k < times; k++) yield* Effect.orDie(host.files.append("file", new Uint8Array(20)))
              })
          })
        }
      })
    assert.deepStrictEqual(broken(run(50)), [])
    assert.deepStrictEqual(broken(run(100)), ["bounded store"])
  })
})
