/** The command in this process, with a config whose simulations cost nothing. `test/process` starts it as people do. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it, vi } from "vitest"
import { main } from "../../src/cli/SottoSim.ts"

const config = fileURLToPath(new URL("../kit/planted.config.ts", import.meta.url))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-sim-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const start = async (args: ReadonlyArray<string>): Promise<Ended> => {
  const said = { stdout: "", stderr: "" }
  const keep = (name: "stdout" | "stderr") =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      said[name] += String(chunk)
      return true
    })
  const help = vi.spyOn(globalThis.console, "log").mockImplementation((text) => {
    said.stdout += `${String(text)}\n`
  })
  const spies = [keep("stdout"), keep("stderr"), help]
  try {
    return { code: await main(args), ...said }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

const sim = (...args: ReadonlyArray<string>) => start([...args, "--config", config])
const lines = ({ stdout }: Ended): ReadonlyArray<Record<string, unknown>> =>
  stdout.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

describe("run", () => {
  it("ends with 0 when everything holds", async () => {
    const ended = await sim("run", "--simulation", "sound", "--seeds", "20")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.include(ended.stdout, "sound: everything holds. 20 seeds")
  })

  it("ends with 1 and says what is broken, how to see it again, and where it is", async () => {
    const ended = await sim("run", "--simulation", "planted", "--seeds", "9", "--folder", `${folder}/found`)
    assert.strictEqual(ended.code, 1, ended.stderr)
    for (const part of ["no-acked-loss is broken", "Again: npx sotto-sim replay 0000000000005", "1 seed"]) {
      assert.include(ended.stdout, part)
    }
    assert.isTrue(fs.existsSync(path.join(folder, "found/no-acked-loss-0000000000005.json")))
  })

  it("of one seed ends with one object: seed, events, traceHash, ok", async () => {
    const [last] = lines(await sim("run", "--simulation", "planted", "--seed", "4")).toReversed()
    assert.deepInclude(last, { seed: "0000000000004", ok: true })
    assert.isNumber(last?.["events"])
    assert.match(String(last?.["traceHash"]), /^[0-9a-f]{16}$/)
    const failing = await sim("run", "--simulation", "planted", "--seed", "5")
    assert.strictEqual(failing.code, 1)
    const [object] = failing.stdout.trim().split("\n").toReversed()
    assert.deepInclude(JSON.parse(object ?? ""), { seed: "0000000000005", ok: false })
  })

  it("for a time ends by itself", async () => {
    const ended = await sim("run", "--simulation", "sound", "--time", "50ms", "--json")
    assert.strictEqual(ended.code, 0, ended.stderr)
  })
})

describe("replay, shrink and the corpus", () => {
  it("take a seed, and then the file that shrinking left", async () => {
    const shrunk = await sim("shrink", "5", "--folder", `${folder}/small`)
    assert.strictEqual(shrunk.code, 1, shrunk.stderr)
    assert.include(shrunk.stdout, "Shrunk from 30 faults and 40 commands to 2 and 2")
    assert.include(shrunk.stdout, "const scenario: Scenario = {")
    const file = `${folder}/small/no-acked-loss-0000000000005.json`
    const replayed = await sim("replay", file, "--json")
    assert.strictEqual(replayed.code, 1)
    assert.deepInclude(lines(replayed)[0], { type: "replayed", ok: false, seed: "0000000000005" })
    const other = await sim("shrink", "5", "--invariant", "other")
    assert.strictEqual(other.code, 2)
    assert.include(other.stderr, "does not break other, but no-acked-loss")
  })

  it("show a run in words, all rows, and a picture", async () => {
    const told = await sim("replay", "4")
    assert.strictEqual(told.code, 0)
    assert.include(told.stdout, "Everything holds")
    const all = await sim("replay", "4", "--rows")
    assert.isAbove(all.stdout.split("\n").length, 60)
    const viewed = await sim("replay", "4", "--view", "--folder", `${folder}/view`)
    const [, file = ""] = /Open (\S+)/.exec(viewed.stdout) ?? []
    assert.include(fs.readFileSync(file, "utf8"), "planted: everything holds")
  })

  it("keep a scenario, and tell when it is not as expected any more", async () => {
    const home = path.join(folder, "home")
    fs.mkdirSync(home)
    const kit = new URL("../kit/planted.ts", import.meta.url).href
    const own = path.join(home, "simulation.config.ts")
    const write = (breaks: string) =>
      fs.writeFileSync(
        own,
        `import { planted } from "${kit}"\nexport const simulations = [planted({ breaks: () => ${breaks} })]\n`
      )
    const here = (...args: ReadonlyArray<string>) => start([...args, "--config", own])
    write("true")
    assert.strictEqual((await here("corpus", "add", "5", "--name", "loss")).code, 0)
    assert.include((await here("run", "--seeds", "1", "--folder", folder)).stdout, "1 of 1 scenarios of the corpus")
    assert.strictEqual((await here("corpus", "verify")).code, 0)
    const file = path.join(home, "corpus/loss.json")
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(/"expect": \{[^}]*\}/, `"expect": "passes"`))
    const broken = await here("corpus", "verify", "--json")
    assert.strictEqual(broken.code, 1)
    assert.deepInclude(lines(broken)[0], { type: "verified", file: "loss.json", result: "broken" })
    const ran = await here("run", "--seeds", "1")
    assert.include(ran.stdout, "broken      loss.json: no-acked-loss")
    assert.strictEqual(ran.code, 1)
    assert.include((await here("corpus", "add", "5")).stdout, "no-acked-loss-0000000000005.json: breaks")
    fs.writeFileSync(file, "{}")
    assert.strictEqual((await here("corpus", "verify")).code, 2)
  })
})

describe("the other commands", { timeout: 120_000 }, () => {
  it("count what seeds reach", async () => {
    const [object] = lines(await sim("coverage", "--simulation", "planted", "--seeds", "10", "--json"))
    assert.deepInclude(object, { type: "coverage", seeds: 10, fails: { "no-acked-loss": 2 }, error: null })
    assert.include(object?.["situations"], "fault.crash")
  })

  it("measure", async () => {
    const [object] = lines(await sim("bench", "--simulation", "sound", "--time", "50ms", "--json"))
    assert.deepInclude(object, { type: "bench", simulation: "sound", strategy: null })
  })

  it("end with 2 when the harness is at fault, in words or as JSON", async () => {
    const errors: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [["run", "--simulation", "nobody"], "has no simulation nobody; there is planted, sound"],
      [["run", "--seed", "!"], "! is no seed"],
      [["run", "--seed", "1", "--strategy", "kind"], "has no strategy kind; there is swarm"],
      [["run", "--time", "soon"], "soon is no time"],
      [["replay", "nowhere.json"], "there is no file nowhere.json"],
      [["replay", folder], "is a folder: name a file in it"],
      [["replay", "nonsense"], "is no seed"],
      [["run", "--strategy", "foo"], "has no strategy foo; there is swarm"],
      [["coverage", "--strategy", "foo"], "has no strategy foo; there is swarm"],
      [["run", "--time", "soon"], "soon is no time"],
      [["shrink", "5", "--simulation", "planted", "--time", "soon"], "soon is no time"],
      [["shrink", "4"], "there is nothing to shrink"],
      [["mutants"], "names no folder of `mutants`"],
      [["run", "--seeds", "0"], "seeds"],
      [["dance"], "dance"]
    ]
    for (const [args, words] of errors) {
      const plain = await sim(...args)
      const json = await sim(...args, "--json")
      assert.strictEqual(plain.code, 2, args.join(" "))
      assert.include(plain.stderr, words)
      assert.strictEqual(json.code, 2, args.join(" "))
      assert.deepInclude(lines(json).at(-1), { type: "error" })
    }
    const missing = await start(["run", "--config", path.join(folder, "none.ts")])
    assert.strictEqual(missing.code, 2)
    assert.include(missing.stderr, "there is no")
  })

  it("say what there is", async () => {
    const ended = await sim("--help")
    assert.strictEqual(ended.code, 0)
    for (const name of ["run", "replay", "shrink", "mutants", "check-determinism", "coverage", "corpus", "bench"]) {
      assert.include(ended.stdout, name)
    }
    assert.include(ended.stdout, "Exit codes: 0")
  })
})
