/**
 * No process dies, nothing is left behind.
 *
 * 1. No process, and no command, ends by a defect.
 * 2. No process ends by an error, unless a fault that programs may fail of had touched it, or data could not survive.
 * 3. With `fibers`, no fiber dies of a defect, not even one that nobody awaits, or whose defect somebody caught.
 * 4. A process that was stopped gracefully has closed its connections, listeners and spans.
 */
import * as Invariant from "../Invariant.ts"

export interface Options {
  readonly fibers?: boolean
}

const DEFECT = { kind: "defect" }
const ERROR = { kind: "error" }
const LEAK = { kind: "leak" }

export const make = (options: Options = {}): Invariant.Invariant =>
  Invariant.make("no defect", (world) => ({
    ...(options.fibers === true
      ? {
        onDefect: (node: string, message: string) =>
          world.violated(`a fiber dies of a defect: ${message}`, node, DEFECT)
      }
      : {}),
    onExit: ({ defect, excused, failed, message, node }) => {
      if (defect) world.violated(`dies of a defect: ${message}`, node, DEFECT)
      else if (failed && !excused && world.lossExpected.length === 0) {
        world.violated(`dies of an error that nobody handles: ${message}`, node, ERROR)
      }
    },
    onStopped: (leaks) => {
      for (const { node, what } of leaks) world.violated(`was stopped, and still had ${what}`, node, LEAK)
    }
  }))
