/** A server in a process of its own, whose CPU time and memory can be asked for: only what it costs is counted. */
import { fork } from "node:child_process"
import { once } from "node:events"
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
}

/** Starts a module that calls `serveUsage`, as one file like the command itself, which is written to `file`. */
export const startServer = async (module: URL, options: {
  readonly file: string
  readonly args: ReadonlyArray<string>
}): Promise<ServerProcess> => {
  await bundle(module, pathToFileURL(options.file))
  const child = fork(options.file, [...options.args], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  const next = async (): Promise<unknown> => {
    const received: ReadonlyArray<unknown> = await once(child, "message")
    return received[0]
  }
  const address = String(await next())
  return {
    address,
    usage: async () => {
      const answer = next()
      child.send("usage")
      const usage = await answer
      if (!isUsage(usage)) throw new Error("a server process gave no usage")
      return usage
    },
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit")
      child.disconnect()
      await gone
    }
  }
}

const isUsage = (value: unknown): value is Usage =>
  typeof value === "object" && value !== null && "cpuMicros" in value && "residentBytes" in value
