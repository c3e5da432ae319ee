/** What holds of letting devices in. */
import { Limit } from "@sotto/schema/Limit"
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"

/** No device is in the space whom nobody approved of. */
export const approvedOnly = Invariant.make("approvedOnly", (world) => {
  const approved = new Set<string>()
  return {
    onObservation: ({ data, kind, node, what }) => {
      const device = Said.text(data, "device")
      if (what === "approval" && Said.field(data, "approve") === true) approved.add(device)
      if (what === "device" && kind === "guest" && !approved.has(device)) {
        world.violated("is in the space, and nobody approved of it", node)
      }
    }
  }
})

/** No code is over before its time, whatever the clocks of the devices say. */
export const codesLast = Invariant.make("codesLast", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "joinFailed" || Said.text(data, "reason") !== "expired") return
    if (world.nowMicros() < Limit.pairingMillis * 1000) world.violated("takes a code for over that is not", node)
  }
}))

/** From the answer of a mailbox to what it leads to on another device, where nothing goes wrong. */
const LATE_MICROS = 1_500_000

/** A code that a third device tried is dead for the first two as well. */
export const crowdedIsDead = Invariant.make("crowdedIsDead", (world) => {
  const crowdedMicros = new Map<number, number>()
  const { strategy } = world.scenario
  if (strategy !== "calm" && strategy !== "pct") return {}
  return {
    onObservation: ({ data, node, what }) => {
      const k = Said.number(data, "k")
      if (what === "joinFailed" && Said.text(data, "reason") === "crowded" && !crowdedMicros.has(k)) {
        crowdedMicros.set(k, world.nowMicros())
      }
      const since = what === "joined" ? crowdedMicros.get(k) : undefined
      if (since !== undefined && world.nowMicros() - since > LATE_MICROS) {
        world.violated("came in by a code that a third device had tried", node)
      }
    }
  }
})
