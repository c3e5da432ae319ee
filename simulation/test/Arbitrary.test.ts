import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { arbitrary, fromCommands, type ModelCommand } from "../src/Arbitrary.ts"
import * as Node from "../src/Node.ts"
import type { Json, Scenario } from "../src/Scenario.ts"
import * as Seed from "../src/Seed.ts"
import * as Shrink from "../src/Shrink.ts"
import * as Simulation from "../src/Simulation.ts"
import type * as Workload from "../src/Workload.ts"
import { planted } from "./kit/planted.ts"

const simulation = planted()
const holds = (scenario: Scenario) =>
  simulation.run(scenario).violations.every(({ invariant }) => invariant !== "no-acked-loss")

describe("scenarios as an arbitrary", () => {
  it("are shrunk by the simulator's own shrinker", () => {
    const details = fc.check(fc.property(arbitrary(simulation), holds), { seed: 7 })
    assert.isTrue(details.failed)
    const [scenario] = details.counterexample ?? []
    assert.deepStrictEqual([scenario?.faults.length, scenario?.workload.length, scenario?.nodes.length], [2, 2, 3])
    assert.deepStrictEqual(scenario?.link, {})
    assert.isAtMost(details.numShrinks, 100)
  })

  it("are repeated by fast-check's seed and path", () => {
    const property = fc.property(arbitrary(simulation), holds)
    const { counterexample, counterexamplePath } = fc.check(property, { seed: 7 })
    const again = fc.check(property, { seed: 7, path: counterexamplePath ?? "" })
    assert.deepStrictEqual(again.counterexample, counterexample)
  })

  it("that a person gives as examples are shrunk, too", () => {
    const property = fc.property(arbitrary(simulation), holds)
    const details = fc.check(property, { examples: [[simulation.expand(3n)]], seed: 1 })
    assert.strictEqual(details.counterexample?.[0]?.seed, Seed.toText(3n))
    assert.strictEqual(details.counterexample?.[0]?.faults.length, 2)
  })

  it("know their own from others'", () => {
    const own = arbitrary(simulation)
    assert.isTrue(own.canShrinkWithoutContext(simulation.expand(3n)))
    assert.isFalse(own.canShrinkWithoutContext({ ...simulation.expand(3n), simulation: "other" }))
    assert.isFalse(own.canShrinkWithoutContext({ seed: "3" }))
  })

  it("go with other arbitraries", () => {
    fc.assert(
      fc.property(arbitrary(simulation, { strategy: "swarm" }), fc.nat(), (scenario, n) => {
        assert.strictEqual(scenario.strategy, "swarm")
        assert.isAtLeast(n, 0)
      }),
      { numRuns: 20 }
    )
  })
})

interface Model {
  sum: number
}

interface Counter {
  readonly add: (n: number) => number
}

class Add implements fc.Command<Model, Counter> {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
  check(model: Readonly<Model>) {
    return model.sum + this.n <= 1000
  }
  run(model: Model, counter: Counter) {
    model.sum += this.n
    assert.strictEqual(counter.add(this.n), model.sum)
  }
  toString() {
    return `Add(${this.n})`
  }
}

class AddLater implements ModelCommand<Model, Counter> {
  check() {
    return true
  }
  run(model: Model, counter: Counter) {
    return Effect.sync(() => {
      model.sum += 1
      if (counter.add(1) !== model.sum) throw new Error("not the sum")
    })
  }
}

const context = (node: string): Workload.Context => {
  const run = {}
  return {
    node,
    incarnation: 0,
    history: [],
    entry: {
      i: 0,
      node,
      kind: "counter",
      incarnation: 0,
      name: "commands",
      input: null,
      invokedMicros: 0,
      endedMicros: undefined,
      outcome: "pending",
      result: undefined,
      error: undefined
    },
    of: (model) => model.of(run)
  }
}

const situation: Workload.Situation = {
  node: "a",
  k: 0,
  canary: "0123456789abcdef",
  nodes: () => [],
  earlier: [],
  knobs: {}
}

/** What ends a process: a counter in memory would forget, and the model would not. */
const NO_RESTARTS = ["crash", "crashAt", "stop", "restore", "evict"] as const

/** A command, run where there is no world; these ask for no randomness. */
const runs = (
  command: Workload.Command<Counter> | undefined,
  real: Counter,
  input: Json,
  here: Workload.Context
): Exit.Exit<unknown, unknown> => {
  if (command === undefined) return Exit.die("no command")
  const secure = SecureRandom.make((size) => new Uint8Array(size))
  return Effect.runSyncExit(Effect.provideService(command.run(real, input, here), SecureRandom.SecureRandom, secure))
}

describe("commands of fast-check", () => {
  const counter = () => {
    let sum = 0
    return { add: (n: number) => (sum += n) }
  }
  const workload = (of: "world" | "node" = "world") =>
    fromCommands<Counter, Model, Counter>({
      commands: [fc.nat(20).map((n) => new Add(n)), fc.constant(new AddLater())],
      model: () => ({ sum: 0 }),
      real: (handle) => handle,
      of
    })

  it("are drawn as data, and are the same each time that they run", () => {
    const command = workload().commands["commands"]
    if (command === undefined) return assert.fail("no command")
    const drawn = Array.from({ length: 50 }, (_, k) => command.draw(Seed.draws(1n, "w", k), situation))
    assert.deepStrictEqual(drawn, JSON.parse(JSON.stringify(drawn)))
    assert.isTrue(drawn.some((input) => /"text":"Add\(\d+\)"/.test(JSON.stringify(input))))
    const real = counter(), here = context("a")
    for (const input of drawn) {
      assert.isTrue(Exit.isSuccess(runs(command, real, input, here)))
    }
  })

  it("fail when model and reality do not agree", () => {
    const command = workload().commands["commands"]
    const broken = { add: () => -1 }
    for (const index of [0, 1]) {
      assert.isTrue(Exit.isFailure(runs(command, broken, { arbitrary: index, seed: 5 }, context("a"))))
    }
  })

  it("are skipped when they do not fit", () => {
    const full = fromCommands<Counter, Model, Counter>({
      commands: [fc.constant(new Add(1001))],
      model: () => ({ sum: 0 }),
      real: (handle) => handle
    }).commands["commands"]
    assert.deepStrictEqual(runs(full, counter(), { arbitrary: 0, seed: 1 }, context("a")), Exit.succeed("skipped"))
  })

  it("are a workload in a world: right ones hold, wrong ones are found and shrunk to two", () => {
    const simulationOf = (limit: number) => {
      const { commands, invariant } = fromCommands<Counter, Model, Counter>({
        commands: [fc.integer({ min: 1, max: 9 }).map((n) => new Add(n)), fc.constant(new AddLater())],
        model: () => ({ sum: 0 }),
        of: "node",
        real: (handle) => handle
      })
      return Simulation.make({
        name: "counter",
        nodes: {
          counter: Node.make({
            count: 2,
            program: (host: Node.Host<Counter>) =>
              Effect.suspend(() => {
                let sum = 0
                host.ready({ add: (n) => (sum = Math.min(limit, sum + n)) })
                return Effect.never
              }),
            commands
          })
        },
        faults: { without: NO_RESTARTS },
        invariants: [invariant]
      })
    }
    const right = simulationOf(Infinity)
    for (let seed = 1n; seed <= 5n; seed++) {
      assert.deepStrictEqual(right.run(right.expand(seed, "swarm")).violations, [])
    }
    const wrong = simulationOf(15)
    const report = wrong.run(wrong.expand(1n, "swarm"))
    assert.strictEqual(report.violations[0]?.invariant, "commands")
    assert.match(report.violations[0]?.message ?? "", /^Add/)
    const { after, report: small } = Shrink.shrink(wrong, report)
    assert.deepStrictEqual([after.faults, after.nodes], [0, 1])
    assert.isBelow(small.scenario.workload.length, report.scenario.workload.length / 2)
  })
})
