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
    if (!isPadded(bytes)) world.violated(`keeps an envelope whose size tells what is inside: ${bytes}`, node)
    const guess = Said.field(data, "guess")
    if (typeof guess === "string") world.violated(`finds out without a key that a lane is "${guess}"`, node)
  }
}))

/** For so long something may stay under way at rest: a handshake that is not finished takes longest. */
const LINGER_MICROS = 31_000_000
/** Pushes of connections that have ended, and such as are stored and not answered yet: nothing bounds them but time. */
const MORE_PUSHES = 30

/**
 * What a relay holds is bounded by its connections: each has one route here, and so many pushes under way. At rest there
 * is nothing under way, and nobody that it does not know.
 */
export const workBounded = Invariant.make("workBounded", (world) => {
  const busySince = new Map<string, { readonly count: number; readonly micros: number }>()
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
      if (what === "overfull") world.violated("a mailbox takes more than it holds", node)
      if (what === "overdrawn") world.violated("it is sent more than it gave credit for", node)
      if (what !== "stats") return
      const connections = Said.number(data, "connections")
      const handles = Said.number(data, "handles")
      const pushes = Said.number(data, "pushesInFlight")
      note(`${node} has pushes under way`, pushes)
      note(`${node} counts connections that it does not know`, Said.number(data, "unauthenticated"))
      if (handles > connections) world.violated(`has ${handles} routes attached over ${connections} connections`, node)
      connectionsMost = Math.max(connectionsMost, connections)
      if (pushes > 2 * pushesMax * connectionsMost + MORE_PUSHES) {
        world.violated(`has ${pushes} pushes under way, and never had more than ${connectionsMost} connections`, node)
      }
    },
    onExit: ({ node }) => {
      for (const key of busySince.keys()) if (key.startsWith(`${node} `)) busySince.delete(key)
    },
    onEnd: () => {
      if (world.settledMicros === undefined) return
      for (const [what, { micros }] of busySince) {
        if (world.nowMicros() - micros > LINGER_MICROS) world.violated(`everything is at rest, and ${what}`)
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
      if (what === "kept" && kind === "spare") kept.add(Said.text(data, "id"))
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
