/** Threads that run seeds. */
import { setFlagsFromString } from "node:v8"
import { Worker } from "node:worker_threads"

/**
 * A seed makes 26 MB of garbage, and a collection copies the world that is alive: with room for two seeds and more, a run
 * takes a twentieth less. V8 divides it by three.
 */
const YOUNG_MIB = 192

/** Starts one. It is for whoever gets it to end it. */
export const start = (entry: URL, workerData: unknown): Worker => {
  // Each thread collects its own garbage: V8's helpers would take the processors from the other threads.
  setFlagsFromString("--no-parallel-scavenge")
  return new Worker(entry, { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } })
}
