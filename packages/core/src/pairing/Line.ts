/**
 * The line between the two sides of a pairing: pairing messages through a relay's mailbox, whatever carries them.
 * `Mailbox` makes one from a relay's control plane; a test makes one from two queues.
 */
import type { MailboxMessage } from "@sotto/schema/Pairing"
import * as Effect from "effect/Effect"
import type { PairingFailed } from "./PairingError.ts"

/** One side's end. `E` is what the carrier itself may fail with. */
export interface Line<E = never> {
  readonly send: (message: MailboxMessage) => Effect.Effect<void, E | PairingFailed>
  /** Waits for the other side's next message. */
  readonly receive: Effect.Effect<MailboxMessage, E | PairingFailed>
  /** Burns the mailbox for both sides. */
  readonly close: Effect.Effect<void, E | PairingFailed>
}

/** How long a side that goes waits for its last words to be heard: the relay may have fallen silent. */
const PARTING_MILLIS = 2000

/** Says a last thing on a line, where nobody waits for more than that it was tried. */
export const parting = <E>(words: Effect.Effect<void, E>): Effect.Effect<void> =>
  Effect.ignore(Effect.timeoutOption(Effect.interruptible(words), PARTING_MILLIS))
