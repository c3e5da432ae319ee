/**
 * A disk that takes nothing more, and a machine that dies of it: what a device answers meanwhile it has not made durable.
 */
import type { Fault } from "@sotto/simulation/Fault"
import type * as Node from "@sotto/simulation/Node"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import type * as Simulation from "@sotto/simulation/Simulation"

const factOf = (node: string): string => `disk of ${node}`
const HANGS = "hangs"

/** Whether the device's disk hangs now. */
export const isHanging = ({ facts, name }: Node.Base): boolean => facts.lookup(factOf(name)) === HANGS

const DOWN_MICROS = 100_000

/** Such a disk, for a second or a few; then the process dies, and starts again with a disk that works. */
export const fault: Simulation.CustomFault = {
  name: "disk hangs until the process dies",
  draw: (draws, { nodes, safetyMicros }) => ({
    node: draws.pick(nodes("client")),
    atMicros: draws.int(safetyMicros),
    durationMicros: Math.round(draws.logUniform(500_000, 5_000_000)),
    input: null
  }),
  apply: ({ crash, facts }, { node }) => {
    if (node === undefined) return
    facts.publish(factOf(node), HANGS)
    return () => {
      facts.publish(factOf(node), null)
      crash(node, DOWN_MICROS)
    }
  }
}

/** Just before another device connects. */
const BEFORE_MICROS = 20_000

/** The scenario in which disks hang when somebody has just been asked to connect to their device and give it what it lacks. */
export const whileMeeting = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  const meetings = scenario.workload.filter(({ input, name }) => name === "sync" && typeof input === "string")
  const meet = (one: Fault, k: number): Fault => {
    if (one.kind !== "custom" || one.name !== fault.name || meetings.length === 0) return one
    const { atMicros, input } = Seed.draws(seed, "hangs at a meeting", k).pick(meetings)
    return typeof input === "string" ? { ...one, node: input, atMicros: Math.max(0, atMicros - BEFORE_MICROS) } : one
  }
  return { ...scenario, faults: scenario.faults.map(meet) }
}
