/** `sotto-sim replay`: one run again, told in words. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as fs from "node:fs"
import * as path from "node:path"
import { excerpt } from "../output/Excerpt.ts"
import { narrative } from "../output/Narrative.ts"
import { text } from "../Trace.ts"
import { CODE } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { FOLDER } from "./Save.ts"
import { run, subjectOf } from "./Subject.ts"
import { page } from "./View.ts"
import { work } from "./Work.ts"

const TAIL_ROWS = 12

export const subject = Argument.String("subject").pipe(
  Argument.withMetavar("SEED|FILE"),
  Argument.withDescription("A seed, or a file with a scenario or an entry of a corpus")
)

export const replay = Command.make("replay", {
  subject,
  simulation: Flags.simulation,
  strategy: Flags.strategy,
  folder: Flags.folder,
  rows: Flag.Boolean("rows").pipe(Flag.withDescription("Show every row of the trace"), Flag.withDefault(false)),
  view: Flag.Boolean("view").pipe(
    Flag.withDescription("Write the picture of the run, an HTML file"),
    Flag.withDefault(false)
  )
}, (input) =>
  work(async ({ config, screen }) => {
    const about = subjectOf(config, input.subject, input)
    const report = run(about, {
      trace: input.view || input.rows || screen.json,
      states: input.view || screen.json
    })
    const [violation] = report.violations
    const few = violation === undefined ? report.rows.slice(-TAIL_ROWS) : excerpt(report, violation)
    const shown = input.rows ? report.rows : few
    screen.say(`${narrative(report)}\n`)
    for (const row of shown) screen.say(`  ${text(row)}`)
    screen.say(`\n${report.events} events, trace ${report.traceHash}`)
    let file: string | null = null
    if (input.view) {
      const { seed, simulation, strategy } = about.scenario
      const name = `${simulation.replace(/\W+/g, "-")}-${strategy}-${seed}.html`
      file = path.join(input.folder ?? FOLDER, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(
        file,
        page(report, { narrative: narrative(report), replay: `npx sotto-sim replay ${input.subject}` })
      )
      screen.say(`Open ${file}`)
    }
    screen.data({
      type: "replayed",
      file,
      simulation: about.simulation.name,
      seed: about.scenario.seed,
      ok: report.ok,
      events: report.events,
      simulatedMicros: report.simulatedMicros,
      traceHash: report.traceHash,
      violations: report.violations,
      lossExpected: report.lossExpected,
      narrative: narrative(report),
      rows: shown.map(text),
      scenario: about.scenario
    })
    return report.ok ? CODE.ok : CODE.violation
  })).pipe(Command.withDescription("Run a seed or a scenario again, and tell what happened"))
