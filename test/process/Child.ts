/**
 * The command line as a child process, spoken to in JSON lines. Every child belongs to a `Children`, which ends them all,
 * whatever happened.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { commandPath, compileCache } from "./command.ts"

/** A line of `--json`. */
export type Line = Readonly<Record<string, unknown>> & { readonly type: string }

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lines: ReadonlyArray<Line>
  readonly stderr: string
}

export interface Launch {
  /** The script; the command line unless given. */
  readonly script?: string
  readonly home?: string
  readonly env?: Readonly<Record<string, string>>
  /** All of its standard input; left open when absent. */
  readonly input?: string | Uint8Array
}

const isLine = (value: unknown): value is Line =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"

const parse = (text: string): Line => {
  const value: unknown = JSON.parse(text)
  if (!isLine(value)) throw new Error(`not a line of --json: ${text}`)
  return value
}

/** One running command. */
export class Child {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  readonly lines: Array<Line> = []
  /** All of its output, as it came. */
  output = ""
  stderr = ""
  #wake: Array<() => void> = []
  #over = false

  constructor(args: ReadonlyArray<string>, launch: Launch) {
    this.process = spawn(process.execPath, ["--conditions=@sotto/source", launch.script ?? commandPath, ...args], {
      env: {
        ...process.env,
        NO_COLOR: "1",
        NODE_COMPILE_CACHE: compileCache,
        // Nowhere unless given: no test may touch the home of whoever runs it.
        SOTTO_HOME: launch.home ?? "/nowhere",
        ...launch.env
      },
      stdio: ["pipe", "pipe", "pipe"]
    })
    let rest = ""
    this.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.output += text
      const parts = (rest + text).split("\n")
      rest = parts.pop() ?? ""
      for (const part of parts) if (part.startsWith("{")) this.lines.push(parse(part))
      this.#raise()
    })
    this.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text
    })
    // A command that ended before it read its input is not this side's trouble.
    this.process.stdin?.on("error", () => undefined)
    if (launch.input !== undefined) this.process.stdin?.end(launch.input)
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject)
      this.process.once("close", (code, signal) => {
        this.#over = true
        this.#raise()
        resolve({ code, signal, lines: this.lines, stderr: this.stderr })
      })
    })
  }

  #raise(): void {
    const woken = this.#wake
    this.#wake = []
    for (const wake of woken) wake()
  }

  /** Waits for a line that fits; fails with what was said instead when the command ends before. */
  async line(type: string, fits: (line: Line) => boolean = () => true): Promise<Line> {
    for (;;) {
      const found = this.lines.find((line) => line.type === type && fits(line))
      if (found !== undefined) return found
      if (this.#over) {
        throw new Error(`ended without a line of type ${type}: ${this.output.slice(-2000)} ${this.stderr.slice(-2000)}`)
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** Answers a question. */
  say(text: string): void {
    this.process.stdin?.write(`${text}\n`)
  }

  /** Sends the signal to this process, and waits for its end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.process.kill(signal)
    return this.ended
  }
}

/** Every child of a test. `await using` ends those that still run. */
export class Children implements AsyncDisposable {
  readonly #all = new Set<Child>()

  /** Starts a command and leaves it running. */
  start(args: ReadonlyArray<string>, launch: Launch = {}): Child {
    const child = new Child(args, launch)
    this.#all.add(child)
    const forget = () => {
      this.#all.delete(child)
    }
    child.ended.then(forget, forget)
    return child
  }

  /** Runs a command with `--json` to its end. */
  run([command = "", ...args]: ReadonlyArray<string>, launch: Launch = {}): Promise<Ended> {
    return this.start([command, "--json", ...args], { input: "", ...launch }).ended
  }

  /** Those that have not ended. */
  get running(): number {
    return this.#all.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(Array.from(this.#all, (child) => child.stop("SIGKILL")))
  }
}
