/** Explores one simulation in several threads, each with its own copy of everything. Seeds are handed out in handfuls. */
import { type Event, Gathering, type Options, seedsOf, type Step } from "../Explore.ts"
import type { Summary } from "../output/Summary.ts"
import type { Seed } from "../Seed.ts"
import * as Thread from "./Thread.ts"

/** What a thread is started with. */
export interface Task {
  readonly config: string
  readonly simulation: string
  readonly strategy: string | undefined
  readonly runsMax: number
}

/** To a thread: seeds to run. From it: what it does, and that it has nothing more to do. */
export type Order = { readonly seeds: ReadonlyArray<Seed> }
export type Message = { readonly type: "idle" } | Step

const HANDFUL = 2
const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)

export interface PoolOptions extends Options {
  readonly config: string
  readonly jobs: number
  readonly runsMax: number
}

export const explore = async (
  simulation: string,
  options: PoolOptions,
  on: (event: Event) => void
): Promise<{ readonly summary: Summary; readonly gathering: Gathering }> => {
  const { config, first, jobs, runsMax, seeds, strategy } = options
  const gathering = new Gathering(simulation, options)
  const waiting = seedsOf(first, seeds)
  const take = (): ReadonlyArray<Seed> => {
    const handful: Array<Seed> = []
    while (handful.length < HANDFUL && !gathering.isOver()) {
      const next = waiting.next()
      if (next.done === true) break
      handful.push(next.value)
    }
    return handful
  }
  const task: Task = { config, simulation, strategy, runsMax }
  await Promise.all(Array.from({ length: jobs }, () => one(task, take, (step) => on(gathering.take(step)))))
  return { summary: gathering.summary(), gathering }
}

/** The life of one thread: it ends when there are no more seeds. */
const one = (task: Task, take: () => ReadonlyArray<Seed>, on: (step: Step) => void): Promise<void> =>
  new Promise((resolve) => {
    const worker = Thread.start(ENTRY, task)
    worker.on("message", (message: Message) => {
      if (message.type !== "idle") return on(message)
      const seeds = take()
      if (seeds.length === 0) void worker.terminate()
      else worker.postMessage({ seeds } satisfies Order)
    })
    worker.on("error", (error: unknown) => {
      on({
        type: "threw",
        error: `a thread ended: ${error instanceof Error ? error.stack ?? error.message : String(error)}`
      })
    })
    worker.on("exit", () => resolve())
  })
