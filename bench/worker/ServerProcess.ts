/** A server in a process of its own, whose CPU time and memory can be asked for: only what it costs is counted. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

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

/** Starts a module that calls `serveUsage`; its arguments are strings. */
export const startServer = async (module: URL, args: ReadonlyArray<string>): Promise<ServerProcess> => {
  const child = fork(fileURLToPath(module), [...args], {
    execArgv: ["--conditions=@sotto/source", "--expose-gc"],
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

/** In the child: tells the address, answers usage, and ends with its parent. */
export const serveUsage = (address: string, close: () => Promise<void>): void => {
  process.on("message", () => {
    const { system, user } = process.cpuUsage()
    globalThis.gc?.()
    process.send?.({ cpuMicros: user + system, residentBytes: process.memoryUsage.rss() })
  })
  process.on("disconnect", () => {
    close().then(() => process.exit(0), () => process.exit(1))
  })
  process.send?.(address)
}
