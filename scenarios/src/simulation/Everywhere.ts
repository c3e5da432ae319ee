/** Invariants that hold in every simulation of Sotto. */
import * as Bounded from "@sotto/simulation/invariant/Bounded"
import * as NoDefect from "@sotto/simulation/invariant/NoDefect"
import * as NoPlaintext from "@sotto/simulation/invariant/NoPlaintext"
import * as Durability from "../invariant/durability.ts"
import * as Entries from "../invariant/entries.ts"
import * as Keeping from "../invariant/keeping.ts"
import * as Secrecy from "../invariant/secrecy.ts"

/** Within these, a device has noticed that its relay is gone, and is connected again. */
export const NOTICE_SECONDS = 90

/** What services a fault may let fail, one call after the other. */
export const calls = ["commit", "committed", "connect", "append", "appended", "random"] as const

/** `atMostOnce` notes what devices show, so it comes before those that look at that in the end. */
export const invariants = () => [
  Entries.authenticity,
  Entries.atMostOnce,
  Entries.noSequenceReuse,
  Durability.monotonicCursors,
  Durability.readYourWrites,
  Secrecy.noNonceReuse,
  NoPlaintext.make({ secrets: ["device label"] }),
  Bounded.messages({ perNodePerSecond: 600 }),
  Keeping.dialsBounded,
  NoDefect.make()
]
