/**
 * A device as a process of its own, told what to do line by line: `push TEXT`, `settle`, `mend`, `offline`, `online`, `wake`. It
 * says each step in JSON. Its standard input's end ends it.
 */
import { openSotto } from "@sotto/runtime-node/open"
import * as readline from "node:readline"

const [dir = ""] = process.argv.slice(2)
const say = (line: Readonly<Record<string, unknown>>) => process.stdout.write(`${JSON.stringify(line)}\n`)

await using sotto = await openSotto({ dir })

const push = async (value: string): Promise<void> => {
  const receipt = await sotto.push(value, { collection: "demo" })
  say({ type: "saved", value })
  const position = await receipt.stored()
  say({ type: "stored", value, position })
}

/** Settles, and goes on with a relay that is known to have been wiped. */
const mend = async (): Promise<void> => {
  let done = false
  const settled = sotto.settled().then(() => {
    done = true
  })
  while (!done) {
    for (const { address, misbehaved } of await sotto.relays.list()) {
      if (misbehaved !== null) await sotto.relays.trustAgain(address.key)
    }
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 200))])
  }
}

const obey = async (verb: string, rest: string): Promise<void> => {
  switch (verb) {
    case "push":
      return push(rest)
    case "mend":
      return mend()
    case "settle":
      return sotto.settled()
    case "offline":
      return sotto.pause()
    case "online":
      return sotto.resume()
    case "wake":
      return sotto.wake()
    default:
      throw new Error(`no verb ${verb}`)
  }
}

/** Pushes overlap, as an app's do. A failure ends the process. */
const begin = async (verb: string, rest: string): Promise<void> => {
  await obey(verb, rest)
  if (verb !== "push") say({ type: "did", verb })
}

say({ type: "open" })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const space = line.indexOf(" ")
  const [verb, rest] = space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)]
  void begin(verb, rest)
}
