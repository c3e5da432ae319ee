/**
 * What is wrong with a store, as it is found: each problem with where it is and what it says, and for each kind what to do
 * about it. The first `PROBLEMS_MAX` are kept; all are counted.
 */
import type { EnvelopeId } from "@sotto/schema/Id"
import { toText } from "@sotto/schema/Text"
import type { Ordinal } from "../Cursor.ts"

/** What is wrong, and what follows from that. */
export type Kind =
  /** A row does not read. */
  | "row"
  /** An accepted entry does not open, or is not what its name says. */
  | "entry"
  /** Its author is no member, or had been removed when it wrote it. */
  | "author"
  /** A signature does not hold, or none closes a batch. */
  | "signature"
  /** A chain has a gap, a fork, or stands elsewhere than its row says. */
  | "chain"
  /** Rows that lead to others do not agree with them. */
  | "index"
  /** What is noted of a relay's log contradicts itself, or the head that the relay signed. */
  | "log"
  /** An entry of this device that a relay lacks, and that is not on its way there. */
  | "unsent"
  /** A counter is behind what it counts. */
  | "counter"
  /** What was saved to spare time, and can be made again, does not read. */
  | "snapshot"

const COPY = "Copy the device's directory away before anything else. "
const ANEW = "What was sent is at the relays and on your other devices: pair this one anew, in another directory."

/** What to do about a problem of each kind. */
export const NEXT: Readonly<Record<Kind, string>> = {
  row: COPY + ANEW,
  entry: `${COPY}This entry cannot be read here any more. ${ANEW}`,
  author:
    `${COPY}Look at the entry before you trust what it says, and report it: a device accepts none like this. ${ANEW}`,
  signature:
    `${COPY}Look at the entry before you trust what it says, and report it: a device accepts none like this. ${ANEW}`,
  chain: `${COPY}Entries of this author are missing here, or were taken out. ${ANEW}`,
  index: `${COPY}The entries themselves are not affected by this. ${ANEW}`,
  log: "The entries are not affected by this. `sotto relays trust RELAY` reads the relay's log from the start.",
  unsent: "The entry is saved here, and nobody sends it. `sotto relays trust RELAY` sends the relay everything again.",
  counter: `${COPY}Do not write with this device: it could use a number twice. ${ANEW}`,
  snapshot: "Nothing is lost by this, and nothing is to be done: this device builds it again when it is needed."
}

export interface Problem {
  readonly kind: Kind
  /** Which entry, chain, relay or row. */
  readonly where: string
  readonly detail: string
}

/** Problems that are kept with all that they say. */
const PROBLEMS_MAX = 1000

/** Problems so far. */
export class Findings {
  readonly problems: Array<Problem> = []
  /** All of them. */
  count = 0
  /** Places where a chain goes on above entries that no relay had any more. */
  gaps = 0

  add(kind: Kind, where: string, detail: string): void {
    this.count++
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ kind, where, detail })
  }
}

/** An entry, as it is spoken of. */
export const entryText = (ordinal: Ordinal, id?: EnvelopeId): string =>
  id === undefined ? `entry ${ordinal}` : `entry ${ordinal} (${toText("EnvelopeId", id)})`
