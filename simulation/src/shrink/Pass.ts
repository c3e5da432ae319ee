/**
 * One way of making a scenario smaller, as a list of candidates that can be taken up again where it was left.
 *
 * A pass never runs anything. Whoever does (Shrink.ts, or fast-check through Arbitrary.ts) takes the first candidate that
 * still fails and goes on from its cursor, so that what was tried in vain is not tried again.
 */
import type { Scenario } from "../Scenario.ts"

/** Where a pass is: how many items it takes away at once, and from which one on. */
export interface Cursor {
  readonly size: number
  readonly at: number
}

export interface Candidate {
  readonly scenario: Scenario
  /** Where the pass goes on when the candidate is taken. */
  readonly cursor: Cursor
}

export interface Pass {
  readonly name: string
  readonly from: (scenario: Scenario, cursor: Cursor | undefined) => Iterable<Candidate>
}

/** A list in a scenario. */
export interface Place<A> {
  readonly get: (scenario: Scenario) => ReadonlyArray<A>
  /** The scenario with that list, or undefined when it can not be. */
  readonly set: (scenario: Scenario, items: ReadonlyArray<A>) => Scenario | undefined
}

/**
 * Takes away all items, then halves, quarters and so on down to single ones (ddmin by complements: "Simplifying and
 * Isolating Failure-Inducing Input", 2002). Two of thirty that matter are found in about twenty candidates.
 */
export const list = <A>(name: string, place: Place<A>): Pass => ({
  name,
  from: function*(scenario, cursor) {
    const items = place.get(scenario)
    let size = Math.min(cursor?.size ?? items.length, items.length)
    let at = cursor?.at ?? 0
    for (; size >= 1; size = Math.floor(size / 2), at = 0) {
      for (; at < items.length; at += size) {
        const smaller = place.set(scenario, [...items.slice(0, at), ...items.slice(at + size)])
        if (smaller !== undefined) yield { scenario: smaller, cursor: { size, at } }
      }
    }
  }
})

/** A change that makes a scenario simpler; undefined when there is nothing to change. */
export type Change = (scenario: Scenario) => Scenario | undefined

/**
 * Tries changes one by one; the same again as long as it is taken. `changes` is asked anew after each that was, and what
 * stands before the one that was taken must stay where it is.
 */
export const changes = (name: string, all: (scenario: Scenario) => ReadonlyArray<Change>): Pass => ({
  name,
  from: function*(scenario, cursor) {
    const rest = all(scenario)
    for (let at = cursor?.at ?? 0; at < rest.length; at++) {
      const simpler = rest[at]?.(scenario)
      if (simpler !== undefined) yield { scenario: simpler, cursor: { size: 1, at } }
    }
  }
})
