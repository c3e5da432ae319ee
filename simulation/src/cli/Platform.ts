/**
 * What effect/cli asks of its platform, as far as this command uses it: text goes to the console, nothing is asked, and
 * files are read by the commands themselves. So the command needs no package beside effect.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"

const size = { columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 }

const terminal = Terminal.make({
  columns: Effect.succeed(size.columns),
  rows: Effect.succeed(size.rows),
  size: Queue.unbounded<Terminal.Size>(),
  readInput: Queue.unbounded<Terminal.UserInput>(),
  readLine: Effect.fail(new Terminal.QuitError()),
  display: (text) => Effect.sync(() => void process.stdout.write(text))
})

const spawner = ChildProcessSpawner.make(() => Effect.die(new Error("this command starts no process of effect")))

export const layer = Layer.mergeAll(
  FileSystem.layerNoop({}),
  Path.layer,
  Layer.succeed(Terminal.Terminal, terminal),
  Stdio.layerTest({
    args: Effect.succeed(process.argv.slice(2)),
    stdoutIsTerminal: Effect.sync(() => process.stdout.isTTY),
    stderrIsTerminal: Effect.sync(() => process.stderr.isTTY)
  }),
  Layer.succeed(ChildProcessSpawner.ChildProcessSpawner, spawner)
)
