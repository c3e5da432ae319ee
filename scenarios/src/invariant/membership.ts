/** What holds of who belongs, and of how entries are dated. */
import * as Invariant from "@sotto/simulation/Invariant"
import type { Json } from "@sotto/simulation/Scenario"
import * as Said from "../Said.ts"
import * as Durability from "./durability.ts"

/** Nobody without a key comes to a space's route. */
export const strangersKeptOut = Invariant.make("strangersKeptOut", (world) => ({
  onObservation: ({ node, what }) => {
    if (what === "intruded") world.violated("it proved a capability with bytes that it made up", node)
  }
}))

/** What is said in one space is not heard in another one at the same relay. */
export const routesApart = Invariant.make("routesApart", (world) => ({
  onObservation: ({ node, what }) => {
    if (what === "bled") world.violated("it hears what was said in another space", node)
  }
}))

/** Whether a device is, or was, a member as another one shows it. */
const isInRosterOf = (device: Invariant.NodeView, other: Invariant.NodeView): boolean => {
  const who = Said.text(device.probe?.state ?? null, "who")
  const roster = Said.field(other.probe?.state ?? null, "members")
  return Array.isArray(roster) && roster.some((line: Json) => typeof line === "string" && line.startsWith(`${who} `))
}

/**
 * A newcomer that nobody who was there before knows, the word of it lost with the disk of the device that let it in. It has
 * to come in anew, which is for people to see.
 */
export const isUnheardOf = (node: Invariant.NodeView, world: Invariant.World): boolean =>
  node.kind === "joiner" && !Durability.isKnown(world, node) &&
  world.nodes.every((other) => other.kind !== "client" || !isInRosterOf(node, other))

type Date = readonly [millis: number, counter: number]

const isLater = (a: Date, b: Date): boolean => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])

/**
 * What a device writes is dated after everything that was there when it wrote it, its own entries and those of others,
 * whatever its clock does. A device that was put back to an older state learns of its own entries as of others'.
 */
export const datedInOrder = Invariant.make("datedInOrder", (world) => {
  const latestByNode = new Map<string, { readonly incarnation: number; readonly date: Date }>()
  return {
    onObservation: ({ data, incarnation, node, what }) => {
      if (what !== "dated") return
      const date: Date = [Said.number(data, "millis"), Said.number(data, "counter")]
      const before = latestByNode.get(node)
      const known = before?.incarnation === incarnation ? before.date : undefined
      const isWhole = world.nodes.some(({ losses, name }) => name === node && losses === 0)
      if (known !== undefined && Said.field(data, "own") === true && isWhole && !isLater(date, known)) {
        const id = Said.text(data, "id").slice(0, 12)
        world.violated(`its entry ${id} is dated ${date.join(":")}, and ${known.join(":")} was there before it`, node)
      }
      if (known === undefined || isLater(date, known)) latestByNode.set(node, { incarnation, date })
    }
  }
})
