/**
 * The browser of the tests: Chromium as the package `@sparticuz/chromium` ships it, unpacked once per checkout into
 * `.tmp`. Nothing is downloaded. `SOTTO_CHROMIUM` names another Chromium or Chrome, for machines that this binary does
 * not fit (it is built for Linux on x64).
 */
import { execFile } from "node:child_process"
import { createReadStream, createWriteStream } from "node:fs"
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { createBrotliDecompress } from "node:zlib"

const run = promisify(execFile)
const cache = fileURLToPath(new URL("../../.tmp/", import.meta.url))

/** A browser that starts here: the program, and the environment it wants beside ours. */
export interface Executable {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

const starts = (path: string, env: Readonly<Record<string, string>>) =>
  run(path, ["--version"], { env: { ...process.env, ...env } }).then(() => true, () => false)

const unpack = async (source: string, target: string, mode: number) =>
  pipeline(createReadStream(source), createBrotliDecompress(), createWriteStream(target, { mode }))

/** Unpacks beside the target and renames: a run that is cut off, or two at once, never leave half a browser. */
const install = async (packed: string, target: string) => {
  await mkdir(cache, { recursive: true })
  const part = await mkdtemp(join(cache, "chromium-part-"))
  await unpack(join(packed, "chromium.br"), join(part, "chromium"), 0o755)
  await unpack(join(packed, "al2023.tar.br"), join(part, "lib.tar"), 0o644)
  await run("tar", ["-xf", "lib.tar"], { cwd: part })
  await rename(part, target).catch(async (cause: unknown) => {
    await rm(part, { recursive: true, force: true })
    await access(target).catch(() => Promise.reject(cause))
  })
}

/** The Chromium to test with. Rejects with what to do when none starts on this machine. */
export const chromiumExecutable = async (): Promise<Executable> => {
  const chosen = process.env["SOTTO_CHROMIUM"]
  if (chosen !== undefined) return { path: chosen, env: {} }
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium")
  const packed = join(dirname(entry), "..", "bin")
  const { version } = createRequire(import.meta.url)(join(packed, "..", "package.json"))
  const target = join(cache, `chromium-${version}`)
  await access(target).catch(() => install(packed, target))
  const path = join(target, "chromium")
  if (await starts(path, {})) return { path, env: {} }
  const bundled = { LD_LIBRARY_PATH: join(target, "lib") }
  if (await starts(path, bundled)) return { path, env: bundled }
  throw new Error(`${path} does not start here. Set SOTTO_CHROMIUM to the path of a Chromium or Chrome that does.`)
}
