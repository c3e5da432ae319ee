/**
 * The line between the two sides of a pairing: pairing messages through a relay's mailbox, whatever carries them.
 * `Mailbox` makes one from a relay's control plane; a test makes one from two queues.
 */
import type { MailboxMessage } from "@sotto/schema/Pairing"
import type * as Effect from "effect/Effect"
import type { PairingFailed } from "./PairingError.ts"

/** One side's end. `E` is what the carrier itself may fail with. */
export interface Line<E = never> {
  readonly send: (message: MailboxMessage) => Effect.Effect<void, E | PairingFailed>
  /** Waits for the other side's next message. */
  readonly receive: Effect.Effect<MailboxMessage, E | PairingFailed>
  /** Burns the mailbox for both sides. */
  readonly close: Effect.Effect<void, E | PairingFailed>
}
