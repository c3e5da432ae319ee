/**
 * What holds at a relay that lies: a device that was not deceived holds what all others like it hold, and one that was
 * says so, with evidence where the relay contradicted itself.
 */
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"
import { nameOf, truth } from "../Truth.ts"

/** A device that says that a relay misbehaved keeps the evidence, also when it is started again. */
export const evidenceKept = Invariant.make("evidenceKept", (world) => {
  const caught = new Set<string>()
  return {
    onObservation: ({ data, node, what }) => {
      const key = `${node} ${Said.text(data, "relay")}`
      if (what === "caught") {
        if (Said.field(data, "why") === null) {
          world.violated("it accuses a relay without evidence", node, { kind: "no evidence" })
        }
        caught.add(key)
      }
      const isWhole = world.nodes.some(({ losses, name }) => name === node && losses === 0)
      if (what === "standing" && Said.field(data, "caught") === false && caught.has(key) && isWhole) {
        world.violated("it caught a relay, and knows nothing of it any more", node, { kind: "forgotten" })
      }
    }
  }
})

/** Devices that noticed nothing come to hold the same: every push of one of them is shown by all of them. */
export const deceptionNoticed = Invariant.make("deceptionNoticed", (world) => {
  const known = world.of(truth)
  const noticed = new Set<string>()
  const trusting = () =>
    world.nodes.filter(({ alive, core, kind, name }) => kind === "client" && core && alive && !noticed.has(name))
  const difference = (): string | undefined => {
    const devices = trusting()
    const names = new Set(devices.map(({ name }) => name))
    for (const { name } of devices) {
      const shown = known.readingByNode.get(name)?.idByOp
      for (const [op, written] of known.writtenByOp) {
        if (!written.acked || !names.has(written.node) || shown?.has(op) === true) continue
        return `${name} does not show ${nameOf(op)} of ${written.node}, and neither has noticed anything`
      }
    }
    return undefined
  }
  return {
    onObservation: (observation) => {
      known.hear(observation)
      const { data, node, what } = observation
      // One that was stopped just then says so when it is started again.
      const knew = what === "standing" &&
        (Said.field(data, "caught") === true || Said.field(data, "gapped") === true)
      if (what === "caught" || what === "gap" || knew) noticed.add(node)
    },
    isSettled: () => difference() === undefined,
    onEnd: () => {
      const message = difference()
      if (message !== undefined) world.violated(message)
    }
  }
})
