/** Directories for tests, removed with their scope. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const remove = (directory: string) => {
  chmodSync(directory, 0o700)
  rmSync(directory, { recursive: true, force: true })
}

/** A path that is not there yet, inside a fresh directory. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sotto-test-"))),
    (directory) => Effect.sync(() => remove(directory))
  ),
  (directory) => join(directory, "data")
)

/** A Layer over a directory of its own. */
export const inTemporary = <A, E, R>(layer: (directory: string) => Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.unwrap(Effect.map(temporaryDirectory, layer))
