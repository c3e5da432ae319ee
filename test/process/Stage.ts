/**
 * A relay and devices on this machine, as a person would set them up: every step is a command of its own. What a test
 * starts and writes here is gone after it.
 */
import * as path from "node:path"
import { type Child, Children, type Ended, type Launch, type Line } from "./Child.ts"
import { Workplace } from "./Workplace.ts"

/** A text field of a line. */
export const text = (line: Line | undefined, field: string): string => {
  const value = line?.[field]
  if (typeof value !== "string") throw new Error(`no text ${field} in ${JSON.stringify(line)}`)
  return value
}

/** The lines of one type. */
export const linesOf = (ended: Ended, type: string): ReadonlyArray<Line> =>
  ended.lines.filter((line) => line.type === type)

/** Fails with all that the command said when it did not end with this code. */
export const expectCode = (ended: Ended, code: number): Ended => {
  if (ended.code === code) return ended
  const said = ended.lines.map((line) => JSON.stringify(line)).join("\n")
  throw new Error(`ended with ${ended.code ?? ended.signal}, not ${code}:\n${said}\n${ended.stderr}`)
}

export interface RunningRelay {
  readonly child: Child
  readonly address: string
  readonly key: string
  readonly port: number
  readonly data: string
  readonly metrics: string | null
}

export interface RelayStart {
  readonly data?: string
  readonly port?: number
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

export class Stage implements AsyncDisposable {
  readonly place = new Workplace()
  readonly children = new Children()

  /** Starts a relay, and waits until it listens. */
  async relay(start: RelayStart = {}): Promise<RunningRelay> {
    const data = start.data ?? this.place.at("relay")
    const child = this.children.start(
      ["relay", "--port", String(start.port ?? 0), "--data", data, "--json", ...start.args ?? []],
      start.env === undefined ? {} : { env: start.env }
    )
    const line = await child.line("listening")
    const address = text(line, "address")
    const metrics = line["metrics"]
    const url = new URL(address)
    return {
      child,
      address,
      key: url.hash.slice(1),
      port: Number(url.port),
      data,
      metrics: typeof metrics === "string" ? metrics : null
    }
  }

  /** The directory of a device; made by the command that needs it. */
  home(name: string): string {
    return path.join(this.place.root, "home", name)
  }

  /** Runs a command of one device to its end. */
  run(home: string, args: ReadonlyArray<string>, launch: Launch = {}): Promise<Ended> {
    return this.children.run(args, { home, ...launch })
  }

  /** Sets the first device up. */
  async init(home: string, relay: string, name: string): Promise<Line> {
    const ended = expectCode(await this.run(home, ["init", "--relay", relay, "--name", name]), 0)
    const [line] = linesOf(ended, "initialized")
    if (line === undefined) throw new Error("init said nothing")
    return line
  }

  /** Shows a code on one device. */
  async offer(host: string): Promise<{ readonly child: Child; readonly code: string; readonly url: string }> {
    const child = this.children.start(["pair", "--yes", "--json"], { home: host, input: "" })
    const line = await child.line("code")
    return { child, code: text(line, "code"), url: text(line, "url") }
  }

  /** Lets `guest` into the space of `host`, by the code. */
  async pair(host: string, guest: string, relay: string, name: string): Promise<{
    readonly host: Ended
    readonly guest: Ended
  }> {
    const { child, code } = await this.offer(host)
    const joined = await this.run(guest, ["join", code, "--relay", relay, "--name", name, "--yes"])
    expectCode(joined, 0)
    return { host: expectCode(await child.ended, 0), guest: joined }
  }

  /** Writes a value, which has to arrive at the relay. */
  async push(home: string, value: string, args: ReadonlyArray<string> = []): Promise<Line> {
    const [line] = linesOf(expectCode(await this.run(home, ["push", value, ...args]), 0), "pushed")
    if (line === undefined) throw new Error("push said nothing")
    return line
  }

  /** What a device has, in the order of the relay's log. */
  async pull(home: string): Promise<ReadonlyArray<Line>> {
    return linesOf(expectCode(await this.run(home, ["pull"]), 0), "entry")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.children[Symbol.asyncDispose]()
    this.place[Symbol.dispose]()
  }
}

/** The values of entries. */
export const valuesOf = (lines: ReadonlyArray<Line>): ReadonlyArray<unknown> => lines.map((line) => line["value"])
