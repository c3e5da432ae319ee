/**
 * Processes that wait for something outside the simulation.
 *
 * In a synchronous kernel an escaped asynchronous call can not race, it stalls: the promise never gets its turn. Such a
 * process has no task, no timer, and nobody who would wake it.
 */
import type { Hosted, Kernel } from "./Kernel.ts"

export interface Stall {
  readonly node: string
  /**
   * - `promise`: a promise of the machine, whose turn never comes while a kernel runs without a bridge.
   * - `anything`: nothing is scheduled in the whole world, and still it waits. That is how an idle server looks too.
   */
  readonly waitsFor: "promise" | "anything"
  /** The spans that are open in it, outermost first. */
  readonly spans: ReadonlyArray<string>
  /** Where the promises were waited for; empty where the engine gives no stack. */
  readonly promises: ReadonlyArray<string>
}

/** Who waits for nothing that is simulated. `anything` is only known once the kernel is quiet. */
export const find = (kernel: Kernel): ReadonlyArray<Stall> => {
  const quiet = kernel.nextMicros() === undefined
  return [...kernel.processes].filter((hosted) => isStalled(hosted, quiet)).map((hosted) => ({
    node: hosted.node,
    waitsFor: hosted.promises.size > 0 ? "promise" : "anything",
    spans: hosted.openSpans,
    promises: [...hosted.promises.values()].filter((location) => location !== "")
  }))
}

const isStalled = (hosted: Hosted, quiet: boolean): boolean =>
  hosted.alive && !hosted.busy && (quiet || hosted.promises.size > 0)

/** One line for a person. */
export const text = (stall: Stall): string => {
  const where = stall.spans.length === 0 ? "" : ` in span ${stall.spans.join(" > ")}`
  const [promise] = stall.promises
  const what = stall.waitsFor === "promise" ? "a promise" : "something that nobody in the simulation will do"
  return `${stall.node} waits${where} for ${what}${promise === undefined ? "" : ` (${promise})`}`
}
