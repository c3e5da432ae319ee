/**
 * How many of a space's relays must have an entry until it counts as stored (protocol.md §7, write quorum).
 *
 * 1. Every relay in use counts, whatever state it is in. One that was caught, or that is out of reach, still belongs to
 *    the number that a majority is of: a relay could otherwise lower the bar by misbehaving. Only its owner takes it out
 *    of the number, with `relays.remove`.
 * 2. It is at least one: without any relay nothing is stored.
 */

/** One relay (a copy outside of this device), more than half of them, or every one. */
export type Quorum = 1 | "majority" | "all"

/** How many of `relays` relays must have an entry. */
export const needed = (quorum: Quorum, relays: number): number => {
  switch (quorum) {
    case 1:
      return 1
    case "majority":
      return Math.floor(relays / 2) + 1
    case "all":
      return Math.max(1, relays)
  }
}

/** An entry that so many of `relays` relays lack is not stored yet. */
export const lacking = (quorum: Quorum, relays: number): number => relays - needed(quorum, relays) + 1
