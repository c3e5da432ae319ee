/**
 * Entries that are neither noted to be at a relay nor on their way there. Whether that is a problem shows only once it is
 * known how this device read the relay's log: when it was compared with the relay instead, the relay may have them without
 * a note of where.
 */
import type { Findings } from "./Findings.ts"

/** Of each relay, so many are kept to be named; all are counted. */
const KEPT_MAX = 100

interface Suspects {
  readonly kept: Array<string>
  count: number
}

export class Unsent {
  readonly #byRelay = new Map<number, Suspects>()

  suspect(relay: number, where: string): void {
    const suspects = this.#byRelay.get(relay) ?? { kept: [], count: 0 }
    this.#byRelay.set(relay, suspects)
    suspects.count++
    if (suspects.kept.length < KEPT_MAX) suspects.kept.push(where)
  }

  /** The relay's log was read place by place up to its newest head: what it has is noted, so what is not is lacking. */
  convict(relay: number, url: string, findings: Findings): void {
    const { count, kept } = this.#byRelay.get(relay) ?? { kept: [], count: 0 }
    for (const where of kept) findings.add("unsent", where, `to ${url}: it is not there, and not to be sent`)
    if (count > kept.length) {
      findings.add("unsent", `${count - kept.length} more entries`, `to ${url}: they are not there, and not to be sent`)
    }
  }
}
