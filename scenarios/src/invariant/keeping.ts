/** What holds of what a relay keeps, and of what it does at the same time. */
import * as Invariant from "@sotto/simulation/Invariant"
import type { Json } from "@sotto/simulation/Scenario"
import * as Said from "../Said.ts"

/** An envelope without what it holds: header, nonce, commitment and tag. */
const AROUND_BYTES = 72 + 16
const SMALLEST_BYTES = 256

/** Whether no more bits of a length are set than Padmé leaves. */
const isPadded = (bytes: number): boolean => {
  if (bytes <= SMALLEST_BYTES) return bytes === SMALLEST_BYTES
  let exponent = 0
  while (2 ** (exponent + 1) <= bytes) exponent++
  let kept = 1
  while (2 ** kept <= exponent) kept++
  return bytes % 2 ** (exponent - kept) === 0
}

/** Sizes fall into the steps of the padding, and lanes can't be guessed. */
export const sealedTight = Invariant.make("sealedTight", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "kept") return
    const bytes = Said.number(data, "bytes") - AROUND_BYTES
    if (!isPadded(bytes)) {
      world.violated(`keeps an envelope whose size tells what is inside: ${bytes}`, node, { kind: "size" })
    }
    const guess = Said.field(data, "guess")
    if (typeof guess === "string") {
      world.violated(`finds out without a key that a lane is "${guess}"`, node, { kind: "lane" })
    }
  }
}))

/** A relay that lost nothing keeps an envelope once, however often it is sent. */
export const keptOnce = Invariant.make("keptOnce", (world) => {
  const kept = new Set<string>()
  return {
    onObservation: ({ data, node, what }) => {
      if (what !== "kept" || Said.field(data, "fresh") !== true) return
      const key = `${node} ${Said.text(data, "id")}`
      const isWhole = world.nodes.some(({ losses, name }) => name === node && losses === 0)
      if (kept.has(key) && isWhole) world.violated(`keeps envelope ${Said.text(data, "id").slice(0, 12)} twice`, node)
      kept.add(key)
    }
  }
})

const DIALS_PER_SECOND = 60
const SECOND_MICROS = 1_000_000

/** Nobody knocks at a closed door without a pause. */
export const dialsBounded = Invariant.make("dialsBounded", (world) => {
  const countByNode = new Map<string, number>()
  let second = 0
  return {
    onRow: ({ kind, node, tMicros }) => {
      if (kind !== "dial") return
      const now = Math.floor(tMicros / SECOND_MICROS)
      if (now !== second) countByNode.clear()
      second = now
      const count = (countByNode.get(node) ?? 0) + 1
      countByNode.set(node, count)
      if (count === DIALS_PER_SECOND + 1) world.violated(`dials more than ${DIALS_PER_SECOND} times in a second`, node)
    }
  }
})

/**
 * Where nothing was restored or lost and nobody lies, nothing that a device received is refused, or waits in the end; but
 * where a device is gone for good, it may be the only one that had what others wait for.
 */
export const nothingSetAside = Invariant.make("nothingSetAside", (world) => ({
  onEnd: () => {
    if (world.nodes.some(({ alive, kind }) => !alive && kind === "client")) return
    const isTroubled = world.scenario.faults.some(({ kind }) => kind === "restore" || kind === "evict")
    if (world.settledMicros === undefined || isTroubled || world.nodes.some(({ losses }) => losses > 0)) return
    for (const { alive, name, probe } of world.nodes) {
      const count = alive ? Said.number(probe?.state ?? null, "quarantined") : 0
      if (count > 0) world.violated(`sets ${count} envelopes aside, and all are honest`, name)
    }
  }
}))

/** Where no disk lost anything, a relay never deletes what a device that is active has not received. */
export const nothingMissed = Invariant.make("nothingMissed", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "gap" || world.nodes.some(({ losses }) => losses > 0)) return
    const [from, to] = [Said.number(data, "from"), Said.number(data, "to")]
    world.violated(`never received what relay ${Said.text(data, "relay").slice(0, 8)} had at ${from} to ${to}`, node)
  }
}))

/** Where nothing goes wrong, a relay has what was written, and all devices show it, within so long. */
const PROMPT_MICROS = 9_000_000

/** Strategies without faults. */
const QUIET = new Set(["calm", "pct"])

interface Owed {
  readonly id: string
  readonly micros: number
  readonly author: string
  /** Whether a relay has it; then the others owe it. */
  readonly isStored: boolean
}

export const promptDelivery = Invariant.make("promptDelivery", (world) => {
  const owed: Array<Owed> = []
  const stored = new Set<string>()
  const shown = new Set<string>()
  const { knobs, strategy } = world.scenario
  /** A device whose app was off the network not long ago, by its own wish. */
  const isAway = (node: string, sinceMicros: number) =>
    world.history.some((entry) =>
      entry.node === node && (entry.name === "away" || entry.name === "admit") &&
      (entry.endedMicros === undefined || entry.endedMicros > sinceMicros)
    )
  const check = ({ author, id, isStored, micros }: Owed) => {
    const since = micros - PROMPT_MICROS
    if (!isStored) {
      if (stored.has(id) || isAway(author, since)) return
      return world.violated(`wrote entry ${id.slice(0, 12)} seconds ago, and no relay answered for it`, author, {
        kind: "stored"
      })
    }
    const late = world.nodes.find(({ kind, name }) =>
      kind === "client" && name !== author && !shown.has(`${name} ${id}`) && !isAway(name, since)
    )
    if (late === undefined) return
    world.violated(`does not show entry ${id.slice(0, 12)} seconds after a relay answered for it`, late.name, {
      kind: "shown"
    })
  }
  const look = () => {
    while (owed[0] !== undefined && world.nowMicros() - owed[0].micros >= PROMPT_MICROS) {
      const first = owed.shift()
      if (first !== undefined) check(first)
    }
  }
  const isQuiet = QUIET.has(strategy) && (typeof knobs["aim"] !== "string" || knobs["aim"] === "uneven")
  if (!isQuiet) return {}
  return {
    restMicros: PROMPT_MICROS + 1_000_000,
    onObservation: ({ data, kind, node, what }) => {
      const id = Said.text(data, "id")
      if (what === "entry") shown.add(`${node} ${id}`)
      if (what === "stored") stored.add(id)
      if ((what === "stored" || what === "pushed") && kind === "client") {
        owed.push({ id, micros: world.nowMicros(), author: node, isStored: what === "stored" })
      }
      look()
    },
    onEnd: look
  }
})

/** For so long something may stay under way at rest: a handshake that is not finished takes longest. */
const LINGER_MICROS = 31_000_000
/** Pushes of connections that have ended: nothing bounds them but time. */
const MORE_PUSHES = 60

/**
 * What a relay holds is bounded by its connections: each has one route here, and so many pushes under way, besides those
 * that are stored and not answered yet. At rest there is nothing under way, and nobody that it does not know.
 */
export const workBounded = Invariant.make("workBounded", (world) => {
  const busySince = new Map<string, { readonly count: number; readonly micros: number }>()
  /** What a relay has stored since it last told how much is under way: all of it may wait for its answers. */
  const storedByNode = new Map<string, number>()
  let connectionsMost = 1
  const { limits } = world.scenario.knobs
  const pushesMax = limits === undefined ? Number.NaN : Said.number(limits, "pushesInFlightMax")
  const note = (key: string, count: number) => {
    if (count === 0) busySince.delete(key)
    else if (busySince.get(key)?.count !== count) busySince.set(key, { count, micros: world.nowMicros() })
  }
  return {
    restMicros: LINGER_MICROS + 1_000_000,
    onObservation: ({ data, node, what }) => {
      if (what === "overfull") world.violated("a mailbox takes more than it holds", node, { kind: what })
      if (what === "unanswered") {
        world.violated("a call was not answered, though its connection works", node, { kind: what })
      }
      if (what === "overdrawn") world.violated("it is sent more than it gave credit for", node, { kind: what })
      const stored = storedByNode.get(node) ?? 0
      if (what === "kept") storedByNode.set(node, stored + 1)
      if (what !== "stats") return
      storedByNode.delete(node)
      const connections = Said.number(data, "connections")
      const handles = Said.number(data, "handles")
      const pushes = Said.number(data, "pushesInFlight")
      note(`${node} has pushes under way`, pushes)
      note(`${node} counts connections that it does not know`, Said.number(data, "unauthenticated"))
      if (handles > connections) {
        world.violated(`has ${handles} routes attached over ${connections} connections`, node, { kind: "handles" })
      }
      connectionsMost = Math.max(connectionsMost, connections)
      if (pushes > 2 * pushesMax * connectionsMost + MORE_PUSHES + stored) {
        world.violated(`has ${pushes} pushes under way, and never had more than ${connectionsMost} connections`, node, {
          kind: "pushes"
        })
      }
    },
    onExit: ({ node }) => {
      for (const key of busySince.keys()) if (key.startsWith(`${node} `)) busySince.delete(key)
    },
    onEnd: () => {
      if (world.settledMicros === undefined) return
      for (const [what, { micros }] of busySince) {
        if (world.nowMicros() - micros > LINGER_MICROS) {
          world.violated(`everything is at rest, and ${what}`, undefined, { kind: "rest" })
        }
      }
    }
  }
})

/** A relay that a device took on in addition has everything that the device had then. */
export const spareHasAll = Invariant.make("spareHasAll", (world) => {
  const kept = new Set<string>()
  const offeredByNode = new Map<string, ReadonlyArray<Json>>()
  return {
    onObservation: ({ data, kind, node, what }) => {
      if ((what === "kept" || what === "holds") && kind === "spare") kept.add(Said.text(data, "id"))
      const ids = what === "spared" ? Said.field(data, "ids") : undefined
      if (Array.isArray(ids) && !offeredByNode.has(node)) offeredByNode.set(node, ids)
    },
    onEnd: () => {
      if (world.settledMicros === undefined || world.nodes.some(({ losses }) => losses > 0)) return
      for (const [node, ids] of offeredByNode) {
        if (world.nodes.find(({ name }) => name === node)?.alive !== true) continue
        const missing = ids.find((id) => typeof id === "string" && !kept.has(id))
        if (typeof missing === "string") {
          world.violated(`had entry ${missing.slice(0, 12)}, its spare relay has not`, node)
        }
      }
    }
  }
})
