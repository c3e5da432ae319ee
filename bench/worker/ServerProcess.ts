/** A server in a process of its own, whose CPU time and memory can be asked for: only what it costs is counted. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { bundle } from "../../tools/bundle.ts"

/** What a server process says of itself. */
export interface Usage {
  /** User and system time since its start. */
  readonly cpuMicros: number
  readonly residentBytes: number
}

export interface ServerProcess extends AsyncDisposable {
  /** What it told when it was up: an address. */
  readonly address: string
  readonly usage: () => Promise<Usage>
  /** The same after a collection of garbage. */
  readonly keeps: () => Promise<Usage>
}

/** What the shipped command gives Node, from its first line. */
const shippedFlags = (): ReadonlyArray<string> => {
  const main = new URL("../../packages/runtime-node/src/cli/main.ts", import.meta.url)
  const [first = ""] = readFileSync(main, "utf8").split("\n")
  return first.split(" ").filter((word) => word.startsWith("--"))
}

/** Starts a module that calls `serveUsage`, bundled like the command itself into `file`. */
export const startServer = async (module: URL, options: {
  readonly file: string
  readonly args: ReadonlyArray<string>
}): Promise<ServerProcess> => {
  await bundle(module, pathToFileURL(options.file))
  const child = fork(options.file, [...options.args], {
    execArgv: ["--expose-gc", ...shippedFlags()],
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  const next = async (): Promise<unknown> => {
    const received: ReadonlyArray<unknown> = await once(child, "message")
    return received[0]
  }
  const ask = async (what: "usage" | "keeps"): Promise<Usage> => {
    const answer = next()
    child.send(what)
    const usage = await answer
    if (!isUsage(usage)) throw new Error("a server process gave no usage")
    return usage
  }
  const address = String(await next())
  return {
    address,
    usage: () => ask("usage"),
    keeps: () => ask("keeps"),
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit")
      child.disconnect()
      await gone
    }
  }
}

const isUsage = (value: unknown): value is Usage =>
  typeof value === "object" && value !== null && "cpuMicros" in value && "residentBytes" in value
