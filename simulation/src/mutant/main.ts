/**
 * The process of one mutant, or of the unmutated code: plants the mutant, imports the config, answers searches. Started
 * by `Runner`, spoken to by messages (`Child.ts`).
 */
import { enableCompileCache, flushCompileCache } from "node:module"
import { pathToFileURL } from "node:url"
import type { Simulation } from "../Simulation.ts"
import type { Answer, Question } from "./Child.ts"
import { plant } from "./Loader.ts"
import type { Mutant } from "./Mutant.ts"
import { search } from "./Search.ts"

/** How often a search tells that it goes on. */
const PROGRESS_MILLIS = 1000

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return Math.round((system + user) / 1000)
}

const say = (answer: Answer): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(answer, () => resolve())
  })

const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`
}

let simulations: ReadonlyArray<Simulation> = []
let toldMillis = 0

const pause = async (seeds: number): Promise<void> => {
  const nowMillis = performance.now()
  if (nowMillis - toldMillis < PROGRESS_MILLIS) return
  toldMillis = nowMillis
  await say({ kind: "progress", seeds })
}

// Most of what one process compiles, all of them do; a source that differs is not taken from there.
enableCompileCache()

/** A patch that does not parse, or throws when it is loaded, fails here: the message names its file. */
const importConfig = async (
  config: string,
  mutant: Mutant | undefined
): Promise<{ readonly simulations?: ReadonlyArray<Simulation> }> => {
  try {
    return await import(pathToFileURL(config).href)
  } catch (cause) {
    throw new Error(mutant === undefined ? "the config does not load" : `${mutant.file} patched: it does not load`, {
      cause
    })
  }
}

const load = async ({ config, directory, mutant }: Extract<Question, { readonly kind: "load" }>): Promise<Answer> => {
  const planted = mutant === undefined ? undefined : plant(mutant, directory)
  const module = await importConfig(config, mutant)
  // Now: the process is killed when it has answered.
  flushCompileCache()
  if (module.simulations === undefined) {
    return { kind: "failed", error: `${config} exports no simulations`, cpuMillis: 0 }
  }
  simulations = module.simulations
  if (planted?.loaded() === false) {
    return {
      kind: "failed",
      error: `${mutant?.file}: nothing that the config imports loads it`,
      cpuMillis: cpuMillis()
    }
  }
  return { kind: "loaded" }
}

const answer = async (question: Question): Promise<Answer> => {
  try {
    if (question.kind === "load") return await load(question)
    const found = await search(simulations, question.wanted, pause)
    return { kind: "searched", cpuMillis: cpuMillis(), ...(found === undefined ? {} : { found }) }
  } catch (error) {
    return { kind: "failed", error: describe(error), cpuMillis: cpuMillis() }
  }
}

process.on("message", (question: Question) => {
  void answer(question).then(say)
})
