/**
 * Runs planted bugs: each in a process of its own, which runs seeds until an invariant breaks. A seed counts only when
 * the same run of the unmutated code breaks nothing. One that found the mutant before is tried first.
 *
 * ```
 * mutants ─┬─▶ child with mutant A ─┐  a seed that fails
 *          ├─▶ child with mutant B ─┼─────────────────────▶ child without any ── fails too? a false alarm, go on
 *          └─▶ …        (`jobs`)    ┘                                        └── passes?    found
 * ```
 */
import * as Result from "effect/Result"
import { availableParallelism } from "node:os"
import * as path from "node:path"
import * as Seed from "../Seed.ts"
import * as Child from "./Child.ts"
import * as Mutant from "./Mutant.ts"
import type { Found } from "./Search.ts"

export interface RunOptions {
  /** The config file, which exports `simulations`. */
  readonly config: string
  /** A folder of mutants. */
  readonly mutants?: string
  /** Another one. */
  readonly from?: string
  /** Names or classes of those to be run. */
  readonly only?: ReadonlyArray<string>
  /** Seeds that a mutant may survive before it counts as missed. */
  readonly seedsMax?: number
  /** The first seed; 1 unless given. */
  readonly first?: Seed.Seed
  /** What found mutants before, by their names. */
  readonly known?: ReadonlyMap<string, Known>
  /** Processes at a time. */
  readonly jobs?: number
  /** What paths of mutants are relative to: the working directory unless given. */
  readonly directory?: string
  /** Export conditions of the children; those of this process unless given. */
  readonly conditions?: ReadonlyArray<string>
  /** A child that says nothing for so long is ended. */
  readonly silentMillis?: number
}

/** A seed that found a mutant before, and how many seeds that took. */
export interface Known {
  readonly simulation: string
  readonly seed: string
  readonly seeds: number
}

export interface MutantResult {
  readonly name: string
  readonly class: string
  readonly heldOut: boolean
  readonly found: boolean
  /** The invariants that should see it. */
  readonly expected: ReadonlyArray<string>
  /** The invariant that saw it. */
  readonly by?: string
  readonly message?: string
  readonly simulation?: string
  readonly strategy?: string
  /** The failing seed, and how many seeds it took. */
  readonly seed?: string
  readonly seeds?: number
  /** Seeds at which the unmutated code failed as well. They do not count. */
  readonly falseAlarms: ReadonlyArray<string>
  /** Of the mutant's process, its start included. */
  readonly cpuMillis: number
  /** Why it could not be run. */
  readonly error?: string
}

const SEEDS_MAX = 2000
const SILENT_MILLIS = 120_000

interface Run {
  readonly directory: string
  readonly config: string
  readonly first: Seed.Seed
  readonly seedsMax: number
  readonly known: ReadonlyMap<string, Known>
  readonly start: () => Child.Child
  /** Whether the unmutated code fails at this seed. */
  readonly failsUnmutated: (found: Found, strategy: string | undefined) => Promise<boolean>
}

/** Runs mutants; results come as they are known. */
export async function* run(options: RunOptions): AsyncGenerator<MutantResult> {
  const { jobs = availableParallelism(), only } = options
  const folders = [options.mutants, options.from].flatMap((folder) => folder === undefined ? [] : [folder])
  const entries = folders.flatMap(Mutant.readFolder).filter((entry) => isWanted(entry, only))
  const children = new Set<Child.Child>()
  const plan = makeRun(options, children)
  const atOnce = Math.max(1, jobs)
  const waiting = [...entries]
  const ready: Array<MutantResult> = []
  const working = new Set<Promise<void>>()
  const begin = (entry: Mutant.Entry): void => {
    const work: Promise<void> = resultOf(plan, entry).then((result) => {
      ready.push(result)
      working.delete(work)
    })
    working.add(work)
  }
  try {
    while (waiting.length > 0 || working.size > 0) {
      for (const entry of waiting.splice(0, atOnce - working.size)) begin(entry)
      await Promise.race(working)
      yield* ready.splice(0)
    }
  } finally {
    for (const child of children) child.end()
  }
}

const isWanted = (entry: Mutant.Entry, only: ReadonlyArray<string> | undefined): boolean =>
  only === undefined || only.length === 0 || only.includes(entry.name) ||
  ("mutant" in entry && only.includes(entry.mutant.class))

const conditionsHere = (): ReadonlyArray<string> =>
  process.execArgv.flatMap((arg, at) => {
    if (arg === "-C" || arg === "--conditions") return process.execArgv[at + 1] ?? []
    return arg.startsWith("--conditions=") ? arg.slice("--conditions=".length) : []
  })

const makeRun = (options: RunOptions, children: Set<Child.Child>): Run => {
  const { conditions = conditionsHere(), first = 1n, seedsMax = SEEDS_MAX, silentMillis = SILENT_MILLIS } = options
  const { known: knownByName = new Map<string, Known>() } = options
  const directory = path.resolve(options.directory ?? ".")
  const config = path.resolve(directory, options.config)
  const start = (): Child.Child => {
    const child = Child.start({ directory, conditions, silentMillis })
    children.add(child)
    return child
  }
  let control: Promise<Child.Child> | undefined
  const known = new Map<string, Promise<boolean>>()
  let queue: Promise<unknown> = Promise.resolve()
  const startControl = async (): Promise<Child.Child> => {
    const child = start()
    await child.ask({ kind: "load", config, directory })
    return child
  }
  const failsUnmutated: Run["failsUnmutated"] = ({ seed, simulation }, strategy) => {
    const key = `${simulation} ${strategy ?? ""} ${seed}`
    const before = known.get(key)
    if (before !== undefined) return before
    const asked = queue.then(async () => {
      const child = await (control ??= startControl())
      const answer = await child.ask({
        kind: "search",
        wanted: { simulation, first: seed, count: 1, ...(strategy === undefined ? {} : { strategy }) }
      })
      if (answer.kind === "failed") throw new Error(`the unmutated code: ${answer.error}`)
      return answer.kind === "searched" && answer.found !== undefined
    })
    queue = asked.catch(() => undefined)
    known.set(key, asked)
    return asked
  }
  return { directory, config, first, seedsMax, known: knownByName, start, failsUnmutated }
}

const resultOf = async (plan: Run, entry: Mutant.Entry): Promise<MutantResult> => {
  const unknown = {
    name: entry.name,
    class: "",
    heldOut: false,
    found: false,
    expected: [],
    falseAlarms: [],
    cpuMillis: 0
  }
  if ("error" in entry) return { ...unknown, error: entry.error }
  const { mutant } = entry
  const { class: kind, heldOut, invariants: expected } = mutant
  const result = { ...unknown, class: kind, heldOut, expected }
  const patched = Mutant.patched(mutant, plan.directory)
  if (Result.isFailure(patched)) return { ...result, error: patched.failure }
  const child = plan.start()
  try {
    return { ...result, ...(await hunt(plan, mutant, child)) }
  } catch (error) {
    return { ...result, error: error instanceof Error ? error.message : String(error) }
  } finally {
    child.end()
  }
}

/** Whether the seed that found a mutant before still does; what it found, with the seeds that it took then. */
const huntKnown = async (
  { failsUnmutated, known }: Run,
  { name, simulation, strategy }: Mutant.Mutant,
  child: Child.Child
): Promise<Partial<MutantResult> | undefined> => {
  const before = known.get(name)
  if (before === undefined || (simulation !== undefined && simulation !== before.simulation)) return undefined
  const wanted = { simulation: before.simulation, first: before.seed, count: 1 }
  const answer = await child.ask({
    kind: "search",
    wanted: strategy === undefined ? wanted : { ...wanted, strategy }
  })
  if (answer.kind !== "searched" || answer.found === undefined) return undefined
  if (await failsUnmutated(answer.found, strategy)) return undefined
  return { found: true, ...answer.found, seeds: before.seeds, cpuMillis: answer.cpuMillis }
}

/** Runs seeds until one fails that does not fail without the mutant. */
const hunt = async (plan: Run, mutant: Mutant.Mutant, child: Child.Child): Promise<Partial<MutantResult>> => {
  const { config, directory, failsUnmutated, first, seedsMax } = plan
  const { simulation, strategy } = mutant
  const where = { ...(simulation === undefined ? {} : { simulation }), ...(strategy === undefined ? {} : { strategy }) }
  const falseAlarms: Array<string> = []
  const loaded = await child.ask({ kind: "load", config, directory, mutant })
  if (loaded.kind === "failed") return { error: loaded.error, cpuMillis: loaded.cpuMillis }
  const again = await huntKnown(plan, mutant, child)
  if (again !== undefined) return again
  let tried = 0
  let cpuMillis = 0
  while (tried < seedsMax) {
    const from = Seed.toText(first + BigInt(tried))
    const answer = await child.ask({ kind: "search", wanted: { ...where, first: from, count: seedsMax - tried } })
    if (answer.kind === "failed") return { error: answer.error, cpuMillis: answer.cpuMillis, falseAlarms }
    if (answer.kind !== "searched" || answer.found === undefined) {
      cpuMillis = answer.kind === "searched" ? answer.cpuMillis : 0
      break
    }
    const { found } = answer
    cpuMillis = answer.cpuMillis
    tried += found.seeds
    if (!(await failsUnmutated(found, strategy))) return { found: true, ...found, seeds: tried, falseAlarms, cpuMillis }
    falseAlarms.push(found.seed)
  }
  return { falseAlarms, cpuMillis }
}
