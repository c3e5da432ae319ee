/**
 * What `sotto doctor` looks at on this machine and on the way to a relay, below the protocol: the home directory, the
 * name's addresses, the port. `Diagnosis` says what it means.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as dns from "node:dns/promises"
import * as fs from "node:fs"
import * as net from "node:net"
import type { HomeFacts } from "./Diagnosis.ts"

const hasModes = process.platform !== "win32"

const writable = (directory: string): boolean => {
  try {
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    return true
  } catch {
    return false // the answer itself: not writable
  }
}

/** What the file system says about a home directory. */
export const homeFacts = (directory: string): HomeFacts => {
  const stat = fs.statSync(directory, { throwIfNoEntry: false })
  if (stat === undefined) return { directory, exists: false, mode: null, mine: true, writable: false }
  const uid = process.getuid?.()
  return {
    directory,
    exists: true,
    mode: hasModes ? stat.mode : null,
    mine: uid === undefined || uid === 0 || stat.uid === uid,
    writable: stat.isDirectory() && writable(directory)
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : String(cause)

const PROBE_MILLIS = 5000

/** Milliseconds until the port answered, or why it did not. */
const connectMillis = (host: string, port: number): Effect.Effect<number | string> =>
  Effect.callback<number | string>((resume) => {
    const start = performance.now()
    const socket = net.connect({ host, port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(Math.round(performance.now() - start)))
    })
    socket.once("error", (error) => resume(Effect.succeed(codeOf(error))))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOption(PROBE_MILLIS),
    Effect.map(Option.getOrElse(() => `timeout after ${PROBE_MILLIS / 1000} s`))
  )

/** Where a relay's URL leads. */
export const hostOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port, protocol } = new URL(url)
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port)
  }
}

/** Looks a host up and knocks at its port. */
export const reach = Effect.fn("Probe.reach")(function*(host: string, port: number) {
  const addresses = yield* Effect.tryPromise({
    try: async () => (await dns.lookup(host, { all: true })).map(({ address }) => address),
    catch: codeOf
  }).pipe(
    Effect.catch((code) => Effect.succeed(code)),
    Effect.timeoutOption(PROBE_MILLIS),
    Effect.map(Option.getOrElse(() => "timeout"))
  )
  return { addresses, connected: typeof addresses === "string" ? null : yield* connectMillis(host, port) }
})
