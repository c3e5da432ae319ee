/**
 * `node tools/atOnce.ts SCRIPT…` runs scripts of package.json at once: checks that keep one processor busy, and want
 * nothing of each other. What each one says is shown in one piece when it has ended. All of them end, so that one run tells
 * all that is wrong; the exit code is 1 when any of them failed.
 */
import { spawn } from "node:child_process"

const run = (script: string): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn("npm", ["run", "--silent", script], {
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32"
    })
    const said: Array<Buffer> = []
    const hear = (chunk: Buffer) => void said.push(chunk)
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("error", (error) => said.push(Buffer.from(`${error.message}\n`)))
    child.once("close", (code, signal) => {
      process.stdout.write(`\n> ${script}: ${code === 0 ? "ok" : `failed (${signal ?? code})`}\n`)
      process.stdout.write(Buffer.concat(said))
      resolve(code === 0)
    })
  })

const scripts = process.argv.slice(2)
if (scripts.length === 0) throw new Error("which scripts? node tools/atOnce.ts SCRIPT…")
const ended = await Promise.all(scripts.map(run))
if (ended.includes(false)) process.exitCode = 1
