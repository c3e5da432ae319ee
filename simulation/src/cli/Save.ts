/** Leaves what was found in a folder: the scenario, and its picture. */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileName, type Find } from "../output/Find.ts"
import { toText } from "../ScenarioText.ts"
import type { Simulation } from "../Simulation.ts"
import { page } from "./View.ts"

/** Where what was found goes unless it is said. */
export const FOLDER = ".tmp/simulation"

/** Answers the files that were written. */
export const save = (folder: string, simulation: Simulation, find: Find): ReadonlyArray<string> => {
  const name = path.join(folder, fileName(find))
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(`${name}.json`, toText(find.scenario))
  fs.writeFileSync(`${name}.html`, page(simulation.run(find.scenario, { trace: true, states: true }), find))
  return [`${name}.json`, `${name}.html`]
}
