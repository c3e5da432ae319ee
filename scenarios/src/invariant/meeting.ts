/** What holds of devices that speak with each other directly. */
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"
import { isControl, nameOf, truth } from "../Truth.ts"

/** How a connection between members may end: by what happens to networks, processes and disks. */
const HONEST_ENDS = new Set([
  "ConnectionClosed",
  "PeerUnreachable",
  "PeerSilent",
  "StoreFailed",
  "KeystoreFailed",
  "EntropyUnavailable"
])

/** A channel that was given up, since nothing came. */
const isHonest = (tag: string, reason: string): boolean =>
  HONEST_ENDS.has(tag) || (tag === "ChannelFailed" && reason === "timeout")

/** Members that keep to the protocol never refuse each other, nor hold each other for liars. */
export const membersMeet = Invariant.make("membersMeet", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "peerEnded") return
    const tag = Said.text(data, "tag")
    if (isHonest(tag, Said.text(data, "reason"))) return
    world.violated(`a connection to a member ends with ${tag}: ${Said.text(data, "why")}`, node)
  }
}))

/**
 * In the end a relay that lost nothing has every entry that a device shows which is in reach of it, whoever wrote it and
 * however it came there.
 */
export const relaysHaveAll = Invariant.make("relaysHaveAll", (world) => {
  const known = world.of(truth)
  const kept = new Set<string>()
  const missing = (): { readonly node: string; readonly relay: string; readonly op: string } | undefined => {
    const relays = world.nodes.filter(({ alive, core, kind, losses }) =>
      kind === "relay" && core && alive && losses === 0
    )
    for (const { alive, core, kind, name: node } of world.nodes) {
      if (kind !== "client" || !core || !alive) continue
      for (const [op, id] of known.readingByNode.get(node)?.idByOp ?? []) {
        const relay = isControl(op) ? undefined : relays.find(({ name }) => !kept.has(`${name} ${id}`))
        if (relay !== undefined) return { node, relay: relay.name, op }
      }
    }
    return undefined
  }
  return {
    onObservation: (observation) => {
      known.hear(observation)
      if (observation.what === "kept") kept.add(`${observation.node} ${Said.text(observation.data, "id")}`)
    },
    isSettled: () => missing() === undefined,
    onEnd: () => {
      const found = missing()
      if (found === undefined) return
      world.violated(`${found.relay} has not ${nameOf(found.op)}, which ${found.node} shows`, found.relay)
    }
  }
})
