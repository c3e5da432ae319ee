/** Leaves what was found in a folder: the scenario, and its picture when the viewer is there. */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileName, type Find } from "../output/Find.ts"
import { toText } from "../ScenarioText.ts"
import type { Simulation } from "../Simulation.ts"
import { page } from "./View.ts"

/** Answers the files that were written. */
export const save = async (folder: string, simulation: Simulation, find: Find): Promise<ReadonlyArray<string>> => {
  const name = path.join(folder, fileName(find))
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(`${name}.json`, toText(find.scenario))
  const html = await page(simulation.run(find.scenario, { trace: true }))
  if (html === undefined) return [`${name}.json`]
  fs.writeFileSync(`${name}.html`, html)
  return [`${name}.json`, `${name}.html`]
}
