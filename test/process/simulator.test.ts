/** The simulator's command as people start it: its threads, its second process, and its bin in a clone. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"

const command = fileURLToPath(new URL("../../simulation/bin/sotto-sim.js", import.meta.url))
const kit = (name: string) => new URL(`../../simulation/test/kit/${name}`, import.meta.url)
const config = fileURLToPath(kit("planted.config.ts"))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-sim-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const start = (args: ReadonlyArray<string>) =>
  new Promise<Ended>((resolve) => {
    execFile(process.execPath, [command, ...args], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr })
    })
  })

const sim = (...args: ReadonlyArray<string>) => start([...args, "--config", config])
const lines = ({ stdout }: Ended): ReadonlyArray<Record<string, unknown>> =>
  stdout.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line))

describe("sotto-sim", () => {
  it("starts from the clone without anything built, and keeps the exit code", async () => {
    const ended = await sim("run", "--simulation", "planted", "--seed", "5")
    assert.strictEqual(ended.code, 1, ended.stderr)
    const [last] = ended.stdout.trim().split("\n").toReversed()
    assert.deepInclude(JSON.parse(last ?? ""), { seed: "0000000000005", ok: false })
  })

  it("says what to write where there is no config", async () => {
    const ended = await start(["run"])
    assert.strictEqual(ended.code, 2)
    assert.include(ended.stderr, "there is no simulation.config.ts in")
  })

  it("finds the same in threads, and writes reports", async () => {
    const args = ["run", "--simulation", "planted", "--seeds", "40", "--jobs", "2", "--json"]
    const ended = await sim(...args, "--junit", "out/junit.xml", "--markdown", "out/report.md", "--folder", "threads")
    assert.strictEqual(ended.code, 1, ended.stderr)
    const summary = lines(ended).find(({ type }) => type === "summary")
    assert.deepInclude(summary, { simulation: "planted", ok: false, error: null })
    assert.deepInclude(summary?.["progress"], { seeds: 40, fails: 8 })
    assert.include(fs.readFileSync(path.join(folder, "out/junit.xml"), "utf8"), `name="no-acked-loss"`)
    assert.include(fs.readFileSync(path.join(folder, "out/report.md"), "utf8"), "**Again:** `npx sotto-sim replay")
  })

  it("compares runs forward, backward, untraced and in a second process", async () => {
    const ended = await sim("check-determinism", "--simulation", "planted", "--seeds", "10", "--json")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.deepInclude(lines(ended)[0], { type: "determinism", seeds: 10, same: 10, traces: 10, divergences: [] })
  })

  it("names the first row that differs in another process, and ends with 2", async () => {
    const own = path.join(folder, "leaky.config.ts")
    const { href } = kit("planted.ts")
    fs.writeFileSync(
      own,
      `import { planted } from "${href}"\nexport const simulations = [planted({ leak: () => process.pid })]\n`
    )
    const ended = await start(["check-determinism", "--seeds", "3", "--config", own])
    assert.strictEqual(ended.code, 2, ended.stderr)
    assert.include(ended.stdout, "is not the same (two processes); the first row that differs is #0")
    assert.match(ended.stdout, /before: #0 .*"drift":\d+/)
    assert.match(ended.stdout, /after: {2}#0 .*"drift":\d+/)
  })
})
