/** What a device may show its app: what a member wrote, once, at one place, and nothing else. */
import * as Invariant from "@sotto/simulation/Invariant"
import { isUntold, nameOf, type Reading, type Shown, type Truth, truth } from "../Truth.ts"

type Look = (shown: Shown, context: {
  readonly node: string
  readonly truth: Truth
  readonly reading: Reading
  readonly world: Invariant.World
}) => string | undefined

/** An invariant that looks at every entry that a device shows. */
const overEntries = (name: string, make: () => Look): Invariant.Invariant =>
  Invariant.make(name, (world) => {
    const known = world.of(truth)
    const look = make()
    return {
      onObservation: (observation) => {
        known.hear(observation)
        if (observation.what !== "entry") return
        const { node } = observation
        const reading = known.readingByNode.get(node)
        if (reading === undefined) return
        const message = look(known.shown(observation), { node, truth: known, reading, world })
        if (message !== undefined) world.violated(message, node)
      }
    }
  })

/** Every operation that a device shows was meant to be written by the device that it is shown as of. */
export const authenticity = overEntries("authenticity", () => (shown, { truth: { nodeByDevice, writtenByOp } }) => {
  for (const op of shown.ops) {
    if (isUntold(op)) continue
    const written = writtenByOp.get(op)
    const author = nodeByDevice.get(shown.device) ?? "a device that was never heard of"
    if (written === undefined) {
      return `entry ${shown.id.slice(0, 12)} of ${author} holds what nobody wrote: ${nameOf(op)}`
    }
    if (written.node !== author) return `${nameOf(op)} was written by ${written.node} and is shown as of ${author}`
  }
  return undefined
})

/**
 * Whether a device may use a number again: it was put back to an older state, and what it had sent since then is at no
 * relay, or at one that it has not read yet.
 */
const mayRepeat = (world: Invariant.World, author: string | undefined): boolean => {
  const relays = world.nodes.filter(({ kind }) => kind === "relay")
  const isPutBack = world.nodes.some(({ losses, name }) => name === author && losses > 0)
  return isPutBack && (relays.length > 1 || relays.some(({ losses }) => losses > 0))
}

/** Whether what a device wrote may be in two of its entries: also when it was put back to before it wrote something again. */
const mayWriteAgain = (world: Invariant.World, author: string | undefined): boolean =>
  mayRepeat(world, author) || world.nodes.some(({ losses, name }) => name === author && losses > 1)

/**
 * No device shows an operation twice, nor an entry at two places, nor places out of order.
 *
 * A device that was put back to an older state writes again what nobody had seen, and tells so a moment later. What it wrote
 * before it had read the last relay, others may have got by another one: they see it twice, in two entries. So they do when
 * it is put back once more, to before it wrote that again.
 */
export const atMostOnce = overEntries("atMostOnce", () => (shown, { node, reading, truth, world }) => {
  const { byId, idByOp } = reading
  const before = byId.get(shown.id)
  const isTakenBack = shown.own && world.nodes.some(({ losses, name }) => name === node && losses > 0)
  const isRewritten = isTakenBack || (!shown.own && mayWriteAgain(world, truth.nodeByDevice.get(shown.device)))
  if (before !== undefined && !isTakenBack) {
    return `entry ${shown.id.slice(0, 12)} at ${before.ordinal} and again at ${shown.ordinal}`
  }
  byId.set(shown.id, shown)
  for (const op of shown.ops) {
    if (isUntold(op)) continue
    const other = idByOp.get(op)
    if (other !== undefined && !isRewritten) {
      return `${nameOf(op)} in two entries: ${other.slice(0, 12)} and ${shown.id.slice(0, 12)}`
    }
    idByOp.set(op, shown.id)
  }
  return undefined
})

/** One device, one lane, one sequence number: one entry, for all devices but its author, and with one content. */
export const noSequenceReuse = overEntries("noSequenceReuse", () => {
  const idByPlace = new Map<string, string>()
  const contentById = new Map<string, string>()
  return (shown, { truth: { nodeByDevice }, world }) => {
    const content = `${shown.device} ${shown.seq} ${shown.ops.join("\u0001")}`
    const known = contentById.get(shown.id)
    if (known !== undefined && known !== content) return `entry ${shown.id.slice(0, 12)} holds two different things`
    contentById.set(shown.id, content)
    if (shown.own) return undefined
    const place = `${shown.device} ${shown.lane} ${shown.seq}`
    const before = idByPlace.get(place)
    idByPlace.set(place, before ?? shown.id)
    return before === undefined || before === shown.id || mayRepeat(world, nodeByDevice.get(shown.device))
      ? undefined
      : `sequence ${shown.seq} of ${shown.device.slice(0, 8)} in lane "${shown.lane}" twice: ${
        before.slice(0, 12)
      } and ${shown.id.slice(0, 12)}`
  }
})
