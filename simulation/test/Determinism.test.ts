/** The claim of the whole package: the same seed, the same run. */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Trace from "../src/Trace.ts"
import * as Cluster from "./kit/cluster.ts"

const SEEDS = Array.from({ length: 300 }, (_, i) => BigInt(i) * 0x9e3779b97f4a7c15n % (1n << 64n))

describe("the same seed", () => {
  it("gives the same run: 300 seeds forward, then backward with the whole trace kept", () => {
    const forward = SEEDS.map((seed) => Cluster.run(seed))
    const backward = SEEDS.toReversed().map((seed) => Cluster.run(seed, { fullTrace: true })).toReversed()
    assert.deepStrictEqual(backward, forward)
    assert.strictEqual(new Set(forward.map(({ hash }) => hash)).size, SEEDS.length)
  })

  it("gives the same run whether traps are on or off", () => {
    for (const seed of SEEDS.slice(0, 20)) {
      const trapped = Cluster.run(seed)
      assert.deepStrictEqual(Cluster.run(seed, { traps: "virtualise" }), trapped)
      assert.deepStrictEqual(Cluster.run(seed, { traps: "off" }), trapped)
    }
  })

  it("gives the same run in another process", () => {
    const program = fileURLToPath(new URL("kit/hashes.ts", import.meta.url))
    const printed = execFileSync(process.execPath, ["--conditions=@sotto/source", program], { encoding: "utf8" })
    const own = Array.from({ length: 20 }, (_, i) => Cluster.run(BigInt(i)).hash)
    assert.deepStrictEqual(JSON.parse(printed), own)
  })

  it("gives the same run step by step", () => {
    const kernel = Cluster.start(77n)
    while ((kernel.nextMicros() ?? Infinity) <= 1_000_000) kernel.step()
    assert.strictEqual(kernel.trace.hash, Cluster.run(77n).hash)
  })

  it("gives runs that do not disturb each other when they take turns", () => {
    const [a, b] = [Cluster.start(5n), Cluster.start(6n)]
    for (let micros = 0; micros <= 1_000_000; micros += 10_000) {
      a.run({ micros })
      b.run({ micros })
    }
    assert.strictEqual(a.trace.hash, Cluster.run(5n).hash)
    assert.strictEqual(b.trace.hash, Cluster.run(6n).hash)
  })
})

describe("a planted leak", () => {
  it("is named by its first divergent row", () => {
    const rows = (leak: number) => {
      const kernel = Cluster.start(9n, { fullTrace: true })
      kernel.schedule(123_456, () => kernel.trace.note("n2", "leak", { value: leak }))
      kernel.run({ micros: 1_000_000 })
      return kernel.trace.rows()
    }
    const found = Trace.divergence(rows(1), rows(2))
    assert.strictEqual(found?.before?.kind, "leak")
    assert.strictEqual(found?.before?.tMicros, 123_456)
  })
})

describe("a kernel", () => {
  it("of another seed draws other streams, and each subject has its own", () => {
    const kernel = Kernel.make({ seed: 1n })
    const firsts = [kernel.draws("a"), kernel.draws("b"), kernel.draws("a", 1), Kernel.make({ seed: 2n }).draws("a")]
    assert.strictEqual(new Set(firsts.map((draws) => draws.u32())).size, 4)
    assert.strictEqual(kernel.draws("a").u32(), Kernel.make({ seed: 1n }).draws("a").u32())
  })
})
