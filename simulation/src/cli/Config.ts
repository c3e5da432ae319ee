/** The config file: a module that exports `simulations`, and may say where its mutants and its corpus are. */
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import type { Simulation } from "../Simulation.ts"
import { HarnessFailed, why } from "./Exit.ts"

export interface Config {
  /** Its file, absolute. */
  readonly file: string
  readonly simulations: ReadonlyArray<Simulation>
  /** Folders, absolute. */
  readonly mutants: string | undefined
  readonly corpus: string
}

const NAMES = ["simulation.config.ts", "simulation.config.js", "simulation.config.mjs"]
const CORPUS = "corpus"

const isSimulation = (value: unknown): value is Simulation =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" &&
  "expand" in value && typeof value.expand === "function" && "run" in value && typeof value.run === "function"

const find = (named: string | undefined): string => {
  const names = named === undefined ? NAMES : [named]
  const found = names.map((name) => path.resolve(name)).find((file) => fs.existsSync(file))
  if (found !== undefined) return found
  throw new HarnessFailed({
    detail: named === undefined
      ? `there is no ${
        NAMES[0] ?? ""
      } in ${process.cwd()}: write one that exports \`simulations\`, or name it: --config FILE`
      : `there is no ${named}`
  })
}

const folderOf = (file: string, value: unknown): string | undefined =>
  typeof value === "string" ? path.resolve(path.dirname(file), value) : undefined

/** Loads the config that is named, or the one of the working directory. */
export const load = async (named: string | undefined): Promise<Config> => {
  const file = find(named)
  const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw new HarnessFailed({ detail: `${file} does not load: ${why(error)}` })
  })
  const { simulations } = module
  if (!Array.isArray(simulations) || simulations.length === 0 || !simulations.every(isSimulation)) {
    throw new HarnessFailed({ detail: `${file} exports no \`simulations\`: a list of what Simulation.make answers` })
  }
  return {
    file,
    simulations,
    mutants: folderOf(file, module["mutants"]),
    corpus: folderOf(file, module["corpus"]) ?? path.resolve(path.dirname(file), CORPUS)
  }
}

/** The simulations that are meant: one by its name, or all. */
export const chosen = ({ file, simulations }: Config, name: string | undefined): ReadonlyArray<Simulation> => {
  if (name === undefined) return simulations
  const found = simulations.filter((simulation) => simulation.name === name)
  if (found.length > 0) return found
  const names = simulations.map((simulation) => simulation.name).join(", ")
  throw new HarnessFailed({ detail: `${file} has no simulation ${name}; there is ${names}` })
}
