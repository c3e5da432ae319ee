/**
 * Which relays lack which entries, as far as this device knows, and how many entries too few of them have.
 *
 * A relay lacks what stands in its outbox, and what it is still to be offered because it is new or was reset. The first
 * is kept one by one, the second as a range: a space may be large, and a new relay lacks all of it.
 *
 * 1. An ordinal that a relay has in its outbox is not in the range that it is offered.
 * 2. To count costs nothing while no relay is offered anything; else, one look at what is unsent, and that only after
 *    something changed within the ranges.
 */
import type { Ordinal } from "./Cursor.ts"
import type { RelayNumber } from "./Ledger.ts"

/** Entries that a relay is still to be offered: those after `after`, up to `through`. */
export interface Offer {
  readonly after: number
  readonly through: number
}

export interface Coverage {
  /** Ordinals in a relay's outbox, ascending unless they came back there. */
  readonly unsent: (relay: RelayNumber) => ReadonlySet<number>
  readonly markUnsent: (relay: RelayNumber, ordinal: Ordinal) => void
  readonly markSent: (relay: RelayNumber, ordinal: Ordinal) => void
  /** Forgets every relay but these. */
  readonly keep: (relays: ReadonlySet<number>) => void
  /** How many entries `atLeast` relays, or more, lack. Ordinals in a range that no entry has are counted too. */
  readonly lackedBy: (atLeast: number, offers: ReadonlyArray<Offer>) => number
}

const NONE: ReadonlySet<number> = new Set()

/** What was worked out for some offers. It holds until one of the ordinals up to `through` is sent, or is unsent. */
interface Extra {
  readonly key: string
  readonly through: number
  readonly count: number
}

/** From the ordinals in each relay's outbox. */
export const make = (unsent: Iterable<readonly [relay: RelayNumber, ordinals: Iterable<number>]> = []): Coverage => {
  const unsentByRelay = new Map<number, Set<number>>()
  /** By how many outboxes an ordinal is in. */
  const countByOrdinal = new Map<number, number>()
  /** How many ordinals are in exactly so many outboxes. */
  const ordinals: Array<number> = []
  let extra: Extra | undefined

  const step = (ordinal: number, by: 1 | -1): void => {
    const before = countByOrdinal.get(ordinal) ?? 0
    const after = before + by
    if (before > 0) ordinals[before] = (ordinals[before] ?? 0) - 1
    if (after > 0) ordinals[after] = (ordinals[after] ?? 0) + 1
    if (after === 0) countByOrdinal.delete(ordinal)
    else countByOrdinal.set(ordinal, after)
    if (extra !== undefined && ordinal <= extra.through) extra = undefined
  }
  const markUnsent = (relay: RelayNumber, ordinal: number): void => {
    const own = unsentByRelay.get(relay) ?? new Set()
    unsentByRelay.set(relay, own)
    if (own.has(ordinal)) return
    own.add(ordinal)
    step(ordinal, 1)
  }
  for (const [relay, all] of unsent) for (const ordinal of all) markUnsent(relay, ordinal)

  const extraOf = (atLeast: number, offers: ReadonlyArray<Offer>): number => {
    const key = `${atLeast}|${offers.map(({ after, through }) => `${after}-${through}`).join()}`
    if (extra?.key !== key) {
      const through = Math.max(...offers.map((offer) => offer.through))
      extra = { key, through, count: countExtra(countByOrdinal, through, atLeast, offers) }
    }
    return extra.count
  }
  return {
    unsent: (relay) => unsentByRelay.get(relay) ?? NONE,
    markUnsent,
    markSent: (relay, ordinal) => {
      if (unsentByRelay.get(relay)?.delete(ordinal) === true) step(ordinal, -1)
    },
    keep: (relays) => {
      for (const [relay, own] of unsentByRelay) {
        if (relays.has(relay)) continue
        for (const ordinal of own) step(ordinal, -1)
        unsentByRelay.delete(relay)
      }
    },
    lackedBy: (atLeast, offers) => {
      let count = 0
      for (let relays = atLeast; relays < ordinals.length; relays++) count += ordinals[relays] ?? 0
      const open = offers.filter(({ after, through }) => after < through)
      return open.length === 0 ? count : count + extraOf(atLeast, open)
    }
  }
}

/**
 * What offers add to the count of ordinals that `atLeast` outboxes have: those that the ranges alone, or outboxes and
 * ranges together, make as many relays lack; less those that were counted for both.
 */
const countExtra = (
  countByOrdinal: ReadonlyMap<number, number>,
  through: number,
  atLeast: number,
  offers: ReadonlyArray<Offer>
): number => {
  const offersOf = (ordinal: number) =>
    offers.filter(({ after, through }) => after < ordinal && ordinal <= through).length
  let count = 0
  const ends = [...new Set(offers.flatMap(({ after, through }) => [after, through]))].sort((a, b) => a - b)
  ends.forEach((end, at) => {
    const before = ends[at - 1]
    if (before !== undefined && offersOf(end) >= atLeast) count += end - before
  })
  for (const [ordinal, outboxes] of countByOrdinal) {
    if (ordinal > through) continue
    const offered = offersOf(ordinal)
    if (offered >= atLeast) count -= outboxes >= atLeast ? 1 : 0
    else if (outboxes < atLeast && outboxes + offered >= atLeast) count++
  }
  return count
}
