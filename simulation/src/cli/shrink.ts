/** `sotto-sim shrink`: one failing run, as small as it gets. */
import * as Command from "effect/cli/Command"
import { fromShrunk } from "../output/Find.ts"
import * as Shrink from "../Shrink.ts"
import { CODE, HarnessFailed } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { findText, shrinkingLine } from "./render.ts"
import { subject } from "./replay.ts"
import { FOLDER, save } from "./Save.ts"
import { run, subjectOf } from "./Subject.ts"
import { drive, work } from "./Work.ts"

const budgetOf = ({ budget, time }: { readonly budget: number | undefined; readonly time: string | undefined }) => {
  const millisMax = Flags.timeOf(time)
  return {
    runsMax: budget ?? (time === undefined ? Shrink.RUNS_MAX : Infinity),
    ...(millisMax === undefined ? {} : { millisMax })
  }
}

export const shrink = Command.make("shrink", {
  subject,
  simulation: Flags.simulation,
  strategy: Flags.strategy,
  invariant: Flags.named("invariant", "What has to break; the first that does unless given"),
  budget: Flags.budget,
  time: Flags.time,
  folder: Flags.folder
}, (input) =>
  work(async ({ config, screen }) => {
    const about = subjectOf(config, input.subject, input)
    const failing = run(about)
    if (failing.ok) throw new HarnessFailed({ detail: `${about.scenario.seed} passes: there is nothing to shrink` })
    const { invariant = failing.violations[0]?.invariant ?? "" } = input
    if (Shrink.violationOf(failing, invariant) === undefined) {
      const broken = failing.violations.map((violation) => violation.invariant).join(", ")
      throw new HarnessFailed({ detail: `${about.scenario.seed} does not break ${invariant}, but ${broken}` })
    }
    const options = { invariant, nowMillis: () => performance.now(), ...budgetOf(input) }
    const steps = Shrink.steps(about.simulation, failing, options)
    const shrunk = await drive(steps, (attempt) => screen.progress(shrinkingLine(invariant, attempt)))
    screen.progress("")
    const origin = { seeds: 1, pinned: input.strategy !== undefined, bySeed: true }
    const find = fromShrunk(about.scenario, shrunk, origin)
    if (find === undefined) throw new HarnessFailed({ detail: "the failure did not come again" })
    const files = save(input.folder ?? FOLDER, about.simulation, find)
    screen.say(findText(find, files))
    screen.say(find.test)
    screen.data({ type: "shrunk", files, ...find })
    return shrunk.stable ? CODE.violation : CODE.harness
  })).pipe(Command.withDescription("Make a failing seed or scenario as small as it gets"))
