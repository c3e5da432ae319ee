/** Exit codes, once: scripts rely on them. `HELP` is what `--help` and the reference page say. */
import * as Schema from "effect/Schema"

export const CODE = {
  /** Everything holds. */
  ok: 0,
  /** An invariant is broken, a mutant was missed, a corpus is not as expected. */
  violation: 1,
  /** Two runs of a seed differ, or the harness failed: a run that threw, a config that does not load, a wrong flag. */
  harness: 2
} as const

export const HELP = "Exit codes: 0 everything holds; 1 an invariant is broken (or a mutant missed); " +
  "2 two runs of a seed differ, or the harness failed."

/** The harness failed, not the program that it runs. */
export class HarnessFailed extends Schema.TaggedError<HarnessFailed>()("HarnessFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** All has been said; only the exit code is left. */
export class Told extends Schema.TaggedError<Told>()("Told", { code: Schema.Int }) {}

export const why = (error: unknown): string => error instanceof Error ? error.message : String(error)
