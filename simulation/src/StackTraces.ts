/**
 * How much engines write down where errors were made. That takes longer than most of what a program does with an
 * error, so runs that nobody looks into go without (`RunOptions.trace`).
 *
 * `Error.stackTraceLimit` is V8's and JavaScriptCore's; others ignore it.
 */

/** Runs with so many frames in every stack trace that is taken, then with as many as before. */
export const within = <A>(frames: number, run: () => A): A => {
  const before: unknown = Reflect.get(Error, "stackTraceLimit")
  Reflect.set(Error, "stackTraceLimit", frames)
  try {
    return run()
  } finally {
    Reflect.set(Error, "stackTraceLimit", before)
  }
}

/** What stands first: the function that makes the error, `within`, `here`, and who calls it. */
const OWN = 4

/** The frames above the caller of this, as engines write them; empty where the engine gives none. */
export const here = (frames: number): ReadonlyArray<string> =>
  within(frames + OWN, () => new Error().stack ?? "").split("\n").slice(1 + OWN)
    .map((line) => line.trim().replace(/^at /, ""))
