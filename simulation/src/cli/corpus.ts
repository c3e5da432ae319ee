/** `sotto-sim corpus`: failures that are kept, and run first and for ever. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Corpus from "../Corpus.ts"
import { fileName } from "../output/Find.ts"
import { narrative } from "../output/Narrative.ts"
import * as Words from "../output/Words.ts"
import { CODE, HarnessFailed } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { verifyAll } from "./Kept.ts"
import { subject } from "./replay.ts"
import { run, subjectOf } from "./Subject.ts"
import { work } from "./Work.ts"

const add = Command.make("add", {
  subject,
  name: Flags.named("name", "The name of its file; simulation and seed, or what it breaks and the seed, unless given"),
  expect: Flag.Literals("expect", ["passes", "fails"]).pipe(
    Flag.withDescription("What its run must do from now on; as it does now unless given"),
    Flag.map((value): "passes" | "fails" | undefined => value),
    Flag.withDefault(undefined)
  ),
  simulation: Flags.simulation,
  strategy: Flags.strategy
}, (input) =>
  work(async ({ config, screen }) => {
    const about = subjectOf(config, input.subject, input)
    const report = run(about)
    const [violation] = report.violations
    const fails = input.expect === undefined ? violation !== undefined : input.expect === "fails"
    if (fails && violation === undefined) {
      throw new HarnessFailed({ detail: "it passes: it can not be expected to fail" })
    }
    const entry: Corpus.Entry = {
      format: 1,
      expect: fails && violation !== undefined ? { invariant: violation.invariant } : "passes",
      note: narrative(report),
      scenario: about.scenario
    }
    const { seed, simulation } = about.scenario
    const { name = fileName({ invariant: violation?.invariant ?? simulation, seed }) } = input
    if (!/^[\w.-]+$/.test(name)) throw new HarnessFailed({ detail: `${name} is no name for a file` })
    const file = path.join(config.corpus, `${name}.json`)
    fs.mkdirSync(config.corpus, { recursive: true })
    fs.writeFileSync(file, Corpus.toText(entry))
    screen.say(`${file}: ${entry.expect === "passes" ? "passes" : `breaks ${entry.expect.invariant}`}`)
    screen.data({ type: "added", file, expect: entry.expect })
    return CODE.ok
  })).pipe(Command.withDescription("Keep a scenario, with what its run must do from now on"))

const verify = Command.make("verify", {}, () =>
  work(async (bench) => {
    const { screen } = bench
    const { asExpected, broken, errors, files, mended } = await verifyAll(bench)
    screen.say(
      `${Words.count(files, "scenario")}: ${asExpected} as expected, ${broken} broken, ` +
        `${mended} mended (add them again with --expect passes), ${Words.count(errors, "error")}`
    )
    if (errors > 0) return CODE.harness
    return asExpected === files ? CODE.ok : CODE.violation
  })).pipe(Command.withDescription("Run every scenario of the corpus, and compare with what is expected of it"))

export const corpus = Command.make("corpus").pipe(
  Command.withDescription("Scenarios that are kept, in the folder that the config names (corpus)"),
  Command.withSubcommands([add, verify])
)
