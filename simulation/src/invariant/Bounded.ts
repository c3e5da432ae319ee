/**
 * Nothing grows without bound: it turns a storm that would never end into a failure with a name.
 *
 * Inboxes are what programs say by `observe("inbox", { name, size })`.
 */
import * as Invariant from "../Invariant.ts"

const SECOND_MICROS = 1_000_000
/** A disk is looked at after so many changes. */
const STORE_EVERY = 16

/** No node sends more than so many messages in one second of the world. */
export const messages = (options: { readonly perNodePerSecond: number }): Invariant.Invariant =>
  Invariant.make("bounded messages", (world) => {
    const counts = new Map<string, number>()
    let second = 0
    return {
      onRow: ({ kind, node, tMicros }) => {
        if (kind !== "send") return
        const now = Math.floor(tMicros / SECOND_MICROS)
        if (now !== second) counts.clear()
        second = now
        const count = (counts.get(node) ?? 0) + 1
        counts.set(node, count)
        if (count === options.perNodePerSecond + 1) {
          world.violated(`sends more than ${count - 1} messages in a second`, node)
        }
      }
    }
  })

/** No disk holds more than that. */
export const store = (
  options: { readonly bytes: number; readonly kinds?: ReadonlyArray<string> }
): Invariant.Invariant =>
  Invariant.make("bounded store", (world) => {
    const changes = new Map<string, number>()
    return {
      onRow: ({ kind, node }) => {
        if (kind !== "disk.append" && kind !== "disk.write") return
        const count = (changes.get(node) ?? 0) + 1
        changes.set(node, count)
        if (count % STORE_EVERY !== 0) return
        const view = world.nodes.find(({ name }) => name === node)
        if (view === undefined || !(options.kinds?.includes(view.kind) ?? true)) return
        if (view.diskBytes > options.bytes) world.violated(`keeps more than ${options.bytes} bytes`, node)
      }
    }
  })

/** No inbox holds more than that. */
export const inbox = (options: { readonly size: number }): Invariant.Invariant =>
  Invariant.make("bounded inbox", (world) => ({
    onObservation: ({ data, node, what }) => {
      const size = what === "inbox" ? Invariant.field(data, "size") : undefined
      if (typeof size !== "number" || size <= options.size) return
      world.violated(`has ${size} in its inbox ${Invariant.textField(data, "name")}, more than ${options.size}`, node)
    }
  }))
