/** The corpus of the config, run from its folder. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Corpus from "../Corpus.ts"
import type { Simulation } from "../Simulation.ts"
import { type Bench, breathe } from "./Work.ts"

/** How many entries of the corpus came to what. */
export interface Verified {
  readonly files: number
  readonly asExpected: number
  readonly broken: number
  readonly mended: number
  readonly errors: number
}

/** Runs the corpus, or what of it belongs to some simulations; tells each verdict, or only those to worry about. */
export const verifyAll = async (
  { config, screen }: Bench,
  only?: { readonly simulations: ReadonlyArray<Simulation> }
): Promise<Verified> => {
  const files = fs.existsSync(config.corpus)
    ? fs.readdirSync(config.corpus).filter((file) => file.endsWith(".json")).sort()
    : []
  const results: Array<Corpus.Verdict["result"]> = []
  for (const file of files) {
    const entry = Corpus.fromText(fs.readFileSync(path.join(config.corpus, file), "utf8"))
    const { simulations = config.simulations } = only ?? {}
    const isOther = typeof entry !== "string" && simulations.every(({ name }) => name !== entry.scenario.simulation)
    if (only !== undefined && isOther) continue
    const verdict: Corpus.Verdict = typeof entry === "string"
      ? { result: "error", invariants: [], detail: entry }
      : Corpus.verify(entry, simulations)
    results.push(verdict.result)
    if (only === undefined || verdict.result !== "as-expected") {
      screen.say(`${verdict.result.padEnd(11)} ${file}: ${verdict.detail}`)
      screen.data({ type: "verified", file, ...verdict })
    }
    await breathe()
  }
  const count = (result: Corpus.Verdict["result"]) => results.filter((other) => other === result).length
  return {
    files: results.length,
    asExpected: count("as-expected"),
    broken: count("broken"),
    mended: count("mended"),
    errors: count("error")
  }
}
