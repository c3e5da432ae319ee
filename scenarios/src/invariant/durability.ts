/** What was answered stays: on the device, and on all others once a relay has it. */
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"
import { nameOf, type Truth, truth, type Written } from "../Truth.ts"

/** Whether nothing that this node had made durable was destroyed by a fault. */
const isWhole = (world: Invariant.World, node: string): boolean =>
  world.nodes.some(({ losses, name }) => name === node && losses === 0)

/** Devices that must hold what the space holds: all that are in it, but one whose disk does not read any more. */
const readers = (world: Invariant.World, known: Truth): ReadonlyArray<Invariant.NodeView> =>
  world.nodes.filter(({ alive, core, incarnation, kind, losses, name }) =>
    core && alive &&
    ((kind === "client" && losses === 0) || known.readingByNode.get(name)?.incarnation === incarnation)
  )

/** Whether others can know a device: a newcomer's only word may be on the disk of one that could have let it in. */
export const isKnown = (world: Invariant.World, { kind: authorKind }: Invariant.NodeView): boolean =>
  authorKind !== "joiner" || world.nodes.every(({ kind, losses }) => kind !== "client" || losses === 0)

/**
 * In the end, a push that was answered is shown by its device, and by all others. An answer from a relay (`stored`)
 * holds also when the author's own disk was lost, or it never came back.
 *
 * A device that was put back to an older state reads a relay before it sends there. What it had sent to another relay
 * only, it can not know then: with several relays, nothing is promised for what it writes. Nor is it for what a newcomer
 * writes that others may not know.
 */
export const noAckedLoss = Invariant.make("noAckedLoss", (world) => {
  const known = world.of(truth)
  const relays = world.nodes.filter(({ kind }) => kind === "relay")
  const relaysAreWhole = () => relays.every(({ losses }) => losses === 0)
  const mustBeShown = (written: Written, author: Invariant.NodeView, reader: string): boolean => {
    const hasDisk = author.losses === 0
    const isSafe = written.acked && hasDisk
    const isStored = written.relays.size > 0 && relaysAreWhole() && (hasDisk || relays.length === 1)
    // A newcomer that lost its disk is another device now, to which the first one is as unknown as to anybody.
    if (reader === written.node && hasDisk) return isSafe || isStored
    return isKnown(world, author) && (isStored || (isSafe && relaysAreWhole() && author.core))
  }
  const missing = (): { readonly reader: string; readonly op: string; readonly written: Written } | undefined => {
    for (const { name: reader } of readers(world, known)) {
      const shown = known.readingByNode.get(reader)?.idByOp
      for (const [op, written] of known.writtenByOp) {
        const author = world.nodes.find(({ name }) => name === written.node)
        if (author === undefined || shown?.has(op) === true) continue
        if (mustBeShown(written, author, reader)) return { reader, op, written }
      }
    }
    return undefined
  }
  const look = () => {
    const lost = missing()
    if (lost === undefined) return
    const { op, reader, written } = lost
    const promise = written.relays.size > 0 ? "a relay answered for it" : "push answered"
    world.violated(`${reader} does not show ${nameOf(op)} of ${written.node}, though ${promise}`, reader)
  }
  return {
    onObservation: (observation) => known.hear(observation),
    isSettled: () => missing() === undefined,
    onEnd: look,
    onRestarted: look
  }
})

/** A device whose disk lost nothing never stands before a place of a relay's log that it had reached. */
export const monotonicCursors = Invariant.make("monotonicCursors", (world) => {
  const reached = new Map<string, number>()
  /** Asked to start over, once; what was read before that may still be told of. */
  const startingOver = new Set<string>()
  return {
    onObservation: ({ data, node, what }) => {
      if (what !== "cursor" && what !== "reset") return
      const relay = Said.text(data, "relay")
      const key = `${node} ${relay}`
      if (what === "reset") {
        startingOver.add(key)
        return
      }
      const position = Said.number(data, "position")
      const before = reached.get(key) ?? 0
      const mayGoBack = position >= before || startingOver.delete(key)
      if (!mayGoBack && isWhole(world, node)) {
        world.violated(`it had received relay ${relay.slice(0, 8)} up to ${before}, and is at ${position}`, node)
      }
      reached.set(key, position)
    }
  }
})

/** Right after a push was answered, its device shows it. */
export const readYourWrites = Invariant.make("readYourWrites", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (
      what !== "readBack" || (Said.field(data, "all") === true && Said.text(data, "id") === Said.text(data, "found"))
    ) {
      return
    }
    if (isWhole(world, node)) {
      world.violated(`entry ${Said.text(data, "id").slice(0, 12)} was answered and is not there`, node)
    }
  }
}))
