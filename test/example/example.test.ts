/**
 * Every TypeScript fence of the pages is a program that compiles and does what its comments say (`// => what it
 * prints`), each in a process and a directory of its own, with a relay at `SOTTO_RELAY`. One that begins with
 * `// not run` or leaves something out (`…`) is compiled alone, and so are the fences in comments of sources. They run as
 * bundles that share their parts: loading the sources again for each takes longer than what most of them do.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { bundleAll } from "../../tools/bundle.ts"
import { compileCache } from "../process/command.ts"
import { Stage } from "../process/Stage.ts"
import { root } from "../tidy/tree.ts"
import { fences, nameOf, programOf } from "./fences.ts"

const folder = path.join(root, ".tmp", "example")
const runs = fences.filter(({ run }) => run)
const bundles = path.join(folder, "bundle")
const exec = promisify(execFile)

/** What tests are compiled with, but for what a reader may leave unused. */
const config = {
  extends: "../../tsconfig.base.json",
  compilerOptions: {
    noEmit: true,
    composite: false,
    incremental: false,
    declaration: false,
    declarationMap: false,
    noUnusedLocals: false,
    types: ["node"],
    lib: ["ES2024", "ESNext.Disposable", "DOM", "DOM.Iterable"]
  },
  include: ["*.ts"]
}

/** The compiler's complaints, as it prints them. */
const complaints = async (): Promise<ReadonlyArray<string>> => {
  const compiled = exec(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", folder], {
    cwd: folder,
    maxBuffer: 16 * 1024 * 1024
  })
  const output = await compiled.then(() => "", (failure: { readonly stdout?: unknown }) => {
    if (typeof failure.stdout !== "string" || failure.stdout === "") throw failure
    return failure.stdout
  })
  return output.split("\n").filter((line) => line.includes("error TS"))
}

describe("the fences of the pages", () => {
  const stage = new Stage()
  let relay = ""
  let errors: ReadonlyArray<string> = []

  beforeAll(async () => {
    fs.rmSync(folder, { recursive: true, force: true })
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config))
    for (const fence of fences) fs.writeFileSync(path.join(folder, nameOf(fence)), programOf(fence))
    // Pairings of all examples come from one address; people take longer.
    const started = stage.relay({ env: { SOTTO_RELAY_MAILBOX_CLAIMS_PER_TEN_MINUTES: "1000" } })
    const entries = Object.fromEntries(runs.map((fence) => [nameOf(fence), path.join(folder, nameOf(fence))]))
    await bundleAll(entries, { dir: bundles, ext: ".js", parts: "parts" })
    errors = await complaints()
    relay = (await started).address
  })

  afterAll(() => stage[Symbol.asyncDispose]())

  it("are there", () => {
    assert.isAbove(fences.filter(({ page, run }) => run && page === "README.md").length, 1)
    assert.isAbove(fences.filter(({ page }) => page.startsWith("packages/")).length, 0)
  })

  it.for(fences)("compile: $page:$line", (fence) => {
    assert.deepStrictEqual(errors.filter((error) => error.startsWith(nameOf(fence))), [])
  })

  it.for(runs)("run: $page:$line", async (fence) => {
    const cwd = stage.place.at(nameOf(fence))
    fs.mkdirSync(cwd, { recursive: true })
    const { stdout } = await exec(process.execPath, [path.join(bundles, `${nameOf(fence)}.js`)], {
      cwd,
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, SOTTO_RELAY: relay, SOTTO_HOME: path.join(cwd, "home") },
      timeout: 30_000
    })
    if (fence.prints.length > 0) assert.deepStrictEqual(stdout.trimEnd().split("\n"), [...fence.prints])
  })
})
