/** `sotto verify`: looks through everything that this device has saved, and names what does not agree. */
import * as Verify from "@sotto/core/log/Verify"
import * as Sotto from "@sotto/core/Sotto"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CODE } from "./Exit.ts"
import { Told } from "./Failure.ts"
import { Home } from "./Flags.ts"
import { NotSetUp, withDirectory } from "./Home.ts"
import { emit, Output } from "./Output.ts"

const PROGRESS_MILLIS = 200

/** A line on the terminal, a few times a second. */
const makeProgress = Effect.gen(function*() {
  const output = yield* Output
  let shown = yield* Clock.currentTimeMillis
  return Effect.fnUntraced(function*({ of, rows }: Verify.Progress) {
    const nowMillis = yield* Clock.currentTimeMillis
    if (nowMillis - shown < PROGRESS_MILLIS) return
    shown = nowMillis
    yield* output.progress(`Looked at ${rows} of ${of} rows …`)
  })
})

/** What to do, once for each kind of problem. */
const advice = (problems: ReadonlyArray<Verify.Problem>) =>
  Effect.forEach(
    new Set(problems.map(({ kind }) => kind)),
    (kind) => emit({ type: "notice", message: `${kind}: ${Verify.NEXT[kind]}` }),
    { discard: true }
  )

export const verify = Command.make("verify", {}, () =>
  Effect.gen(function*() {
    const output = yield* Output
    const progress = yield* makeProgress
    const directory = yield* Home
    const verified = Effect.catchTag(
      Sotto.verify({ progress }),
      "WrongDirectory",
      () => Effect.fail(new NotSetUp({ directory }))
    )
    const report = yield* Effect.ensuring(withDirectory(verified), output.progress(""))
    const { found, problems, ...counts } = report
    yield* output.emitAll(
      problems.map((problem) => ({ type: "problem", ...problem, next: Verify.NEXT[problem.kind] }))
    )
    yield* emit({ type: "verified", sound: found === 0, problems: found, ...counts })
    if (found === 0) return
    if (!output.json) yield* advice(problems)
    return yield* new Told({ code: CODE.failed })
  })).pipe(Command.withDescription("Look through everything that this device has saved, and name what does not agree"))
