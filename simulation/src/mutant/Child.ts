/** A child process that searches seeds with one mutant planted, or with none; and what is said to it. */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Mutant } from "./Mutant.ts"
import type { Found, Wanted } from "./Search.ts"

export type Question =
  | { readonly kind: "load"; readonly config: string; readonly directory: string; readonly mutant?: Mutant }
  | { readonly kind: "search"; readonly wanted: Wanted }

export type Answer =
  | { readonly kind: "loaded" }
  | { readonly kind: "progress"; readonly seeds: number }
  | { readonly kind: "searched"; readonly cpuMillis: number; readonly found?: Found }
  | { readonly kind: "failed"; readonly error: string; readonly cpuMillis: number }

/** What ends a question: everything but progress. */
export type End = Exclude<Answer, { readonly kind: "progress" }>

export interface Child {
  /** One question at a time. A child that says nothing for `silentMillis` is ended, and so is every question after it. */
  readonly ask: (question: Question) => Promise<End>
  readonly end: () => void
}

export interface Options {
  readonly directory: string
  readonly conditions: ReadonlyArray<string>
  readonly silentMillis: number
}

const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url))
/** Of what a child writes to its standard error, the end is kept: it says why it died. */
const STDERR_CHARS = 2000

export const start = ({ conditions, directory, silentMillis }: Options): Child => {
  const child = fork(ENTRY, [], {
    cwd: directory,
    execArgv: conditions.map((condition) => `--conditions=${condition}`),
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
  let stderr = ""
  let dead: string | undefined
  let asked: ((answer: End) => void) | undefined
  let timer: NodeJS.Timeout | undefined

  const finish = (answer: End): void => {
    clearTimeout(timer)
    const waiting = asked
    asked = undefined
    waiting?.(answer)
  }
  const die = (why: string): void => {
    dead ??= why
    child.kill("SIGKILL")
    finish({ kind: "failed", error: dead, cpuMillis: 0 })
  }
  const watch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => die(`said nothing for ${silentMillis} ms: a run that does not end`), silentMillis)
  }

  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-STDERR_CHARS)
  })
  child.on("error", (error) => die(error.message))
  child.on("exit", (code, signal) => die(`the process ended (${signal ?? code}) ${stderr.trim()}`.trim()))
  child.on("message", (answer: Answer) => answer.kind === "progress" ? watch() : finish(answer))
  return {
    ask: (question) =>
      new Promise((resolve) => {
        if (dead !== undefined) return resolve({ kind: "failed", error: dead, cpuMillis: 0 })
        asked = resolve
        watch()
        child.send(question)
      }),
    end: () => {
      dead ??= "it was ended"
      clearTimeout(timer)
      child.kill("SIGKILL")
    }
  }
}
