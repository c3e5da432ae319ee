/** What holds of devices that speak with each other directly. */
import type { Fault } from "@sotto/simulation/Fault"
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"
import { isUntold, nameOf, truth } from "../Truth.ts"

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

/** `also`: further ends that are to be expected. */
const meeting = (also: ReadonlySet<string> = new Set()): Invariant.Invariant =>
  Invariant.make("membersMeet", (world) => ({
    onObservation: ({ data, node, what }) => {
      if (what !== "peerEnded") return
      const [tag, reason] = [Said.text(data, "tag"), Said.text(data, "reason")]
      if (also.has(`${tag} ${reason}`) || isHonest(tag, reason)) return
      world.violated(`a connection to a member ends with ${tag}: ${Said.text(data, "why")}`, node, {
        kind: `${tag} ${reason}`.trimEnd()
      })
    }
  }))

/** Members that keep to the protocol never refuse each other, nor hold each other for liars. */
export const membersMeet = meeting()

/** The same where one of them is removed: it is refused. */
export const membersPart = meeting(
  new Set(["PeerUnknown removed", "PeerRefused removed", "PeerRefused revoked", "DeviceRevoked "])
)

/**
 * In the end a relay that lost nothing has every entry that a device shows which is in reach of it, whoever wrote it and
 * however it came there.
 */
export const relaysHaveAll = Invariant.make("relaysHaveAll", (world) => {
  const known = world.of(truth)
  const kept = new Set<string>()
  /** Of whose storage it is not known: kept if a device heard so from the relay. */
  const perhapsKept = new Map<string, string>()
  const missing = (): { readonly node: string; readonly relay: string; readonly op: string } | undefined => {
    const relays = world.nodes.filter(({ alive, core, kind, losses }) =>
      kind === "relay" && core && alive && losses === 0
    )
    for (const { alive, core, kind, name: node } of world.nodes) {
      if (kind !== "client" || !core || !alive) continue
      for (const [op, id] of known.readingByNode.get(node)?.idByOp ?? []) {
        const relay = isUntold(op) ? undefined : relays.find(({ name }) => !kept.has(`${name} ${id}`))
        if (relay !== undefined) return { node, relay: relay.name, op }
      }
    }
    return undefined
  }
  return {
    onObservation: (observation) => {
      known.hear(observation)
      const { data, node, what } = observation
      const id = Said.text(data, "id")
      if (what === "kept") kept.add(`${node} ${id}`)
      if (what === "perhaps kept") perhapsKept.set(id, node)
      const relay = what === "stored" ? perhapsKept.get(id) : undefined
      if (relay !== undefined) kept.add(`${relay} ${id}`)
    },
    isSettled: () => missing() === undefined,
    onEnd: () => {
      const found = missing()
      if (found === undefined) return
      world.violated(`${found.relay} has not ${nameOf(found.op)}, which ${found.node} shows`, found.relay)
    }
  }
})

/** From a meeting, or a start, until a device shows all that it has; what disturbs it in that is no business of this. */
const SHOWN_MICROS = 500_000
/** What a disturbance leaves behind is over so long after it. */
const RECOVERED_MICROS = 5_000_000
const DISTURBED = new Set(["pause", "readError", "shortRead", "slowDisk", "full", "error"])

/** Since when a fault disturbs a node, and until when, from the beginning of the safety phase; a point is any time. */
interface Disturbance {
  readonly node: string
  readonly fromMicros: number
  readonly toMicros: number
}

const disturbancesOf = (faults: ReadonlyArray<Fault>): ReadonlyArray<Disturbance> =>
  faults.flatMap((fault) => {
    if (!DISTURBED.has(fault.kind) || !("node" in fault) || fault.node === undefined) return []
    const { node } = fault
    if (!("atMicros" in fault) || !("durationMicros" in fault) || fault.durationMicros === undefined) {
      return [{ node, fromMicros: 0, toMicros: Number.POSITIVE_INFINITY }]
    }
    const { atMicros, durationMicros } = fault
    return [{ node, fromMicros: atMicros, toMicros: atMicros + durationMicros + RECOVERED_MICROS }]
  })

interface Owed {
  readonly node: string
  readonly ids: ReadonlyArray<string>
  readonly micros: number
}

/** Whoever met has, durably, what the other showed when they were connected. */
export const metIsSame = Invariant.make("metIsSame", (world) => {
  const known = world.of(truth)
  const byMeeting = new Map<number, ReadonlyArray<Omit<Owed, "micros">>>()
  const startedMicros = new Map<string, number>()
  let owed: Array<Owed> = []
  let safetyMicros = 0
  const disturbances = disturbancesOf(world.scenario.faults)
  const isDisturbed = (node: string): boolean => {
    const micros = world.nowMicros() - safetyMicros
    return disturbances.some((one) => one.node === node && one.fromMicros <= micros && micros <= one.toMicros)
  }
  const shownBy = (node: string) => [...known.readingByNode.get(node)?.byId.keys() ?? []]
  const isDue = ({ micros, node }: Owed): boolean =>
    world.nowMicros() - Math.max(micros, startedMicros.get(node) ?? 0) > SHOWN_MICROS
  const check = ({ ids, node }: Owed): void => {
    const reading = known.readingByNode.get(node)
    const isUp = world.nodes.some(({ alive, incarnation, name }) =>
      name === node && alive && incarnation === reading?.incarnation
    )
    const missing = isUp && !isDisturbed(node) ? ids.find((id) => reading?.byId.has(id) !== true) : undefined
    if (missing !== undefined) {
      world.violated(`met one that had entry ${missing.slice(0, 12)}, and does not show it`, node)
    }
  }
  return {
    onPhase: (phase) => {
      if (phase === "safety") safetyMicros = world.nowMicros()
    },
    onObservation: (observation) => {
      known.hear(observation)
      const { data, node, what } = observation
      const meeting = Said.number(data, "meeting")
      if (what === "reading") startedMicros.set(node, world.nowMicros())
      if (what === "dials") {
        const to = Said.text(data, "to")
        byMeeting.set(meeting, [{ node, ids: shownBy(to) }, { node: to, ids: shownBy(node) }])
      }
      if (what === "met") {
        for (const one of byMeeting.get(meeting) ?? []) {
          if (!isDisturbed(one.node)) owed.push({ ...one, micros: world.nowMicros() })
        }
      }
      const due = owed.filter(isDue)
      if (due.length === 0) return
      owed = owed.filter((one) => !isDue(one))
      due.forEach(check)
    }
  }
})
