/** What can end a pairing, on either side: each says whether anything was shared, and what to do next. */
import * as Schema from "effect/Schema"

const NEXT = {
  wrongCode: "The code does not match. Nothing was shared. Check it, or show a new one on the existing device.",
  burned: "The code was tried wrongly three times and is now dead, on purpose: someone could have guessed. " +
    "Nothing was shared. Start again with a new code; if these tries were not yours, someone else is near.",
  expired: "The code's time is over. Nothing was shared. Show a new one on the existing device.",
  unknownCode:
    "The relay does not know this code: it was mistyped, has ended, or was already used. Nothing was shared. " +
    "Check it, or show a new one on the existing device.",
  crowded: "A third device tried this code, so it was closed. Nothing was shared. Start again with a new code.",
  declined:
    "The existing device did not let this one in. Nothing was shared. If it was meant to, ask there for a new code.",
  cancelled: "The pairing was cancelled. Nothing was shared. Start again with a new code when you want to.",
  approvalTimeout: "Nobody approved in time. Nothing was shared. Start again and answer within two minutes.",
  silent: "The other device did not answer. Nothing was shared. Check that it still shows the code, and try again.",
  version: "The other device speaks another version of pairing. Nothing was shared. Update both devices.",
  protocol: "The other side did not follow the pairing protocol. Nothing was accepted. " +
    "Update both devices, and use another relay if it happens again.",
  forged: "What arrived was not signed by a device of the space that it names. Nothing was accepted. " +
    "Do not use this relay or network for pairing.",
  noRelay: "This device has no relay to pair through. Nothing was shared. Add one first.",
  tooManyDevices:
    "The space's membership log no longer fits a welcome. Nothing was shared. Use a new space for more devices."
} as const

/** Why a pairing ended. */
export const PairingReason = Schema.Literals([
  "wrongCode",
  "burned",
  "expired",
  "unknownCode",
  "crowded",
  "declined",
  "cancelled",
  "approvalTimeout",
  "silent",
  "version",
  "protocol",
  "forged",
  "noRelay",
  "tooManyDevices"
])
export type PairingReason = typeof PairingReason.Type

/** A pairing that did not come about. `attemptsLeft` is there for a wrong code. */
export class PairingFailed extends Schema.TaggedError<PairingFailed>()("PairingFailed", {
  reason: PairingReason,
  attemptsLeft: Schema.NullOr(Schema.Int)
}) {
  override get message() {
    const left = this.attemptsLeft
    return left === null ? NEXT[this.reason] : `${NEXT[this.reason]} ${left} ${left === 1 ? "try" : "tries"} left.`
  }
}

/** Ends a pairing for this reason. */
export const failed = (reason: PairingReason, attemptsLeft: number | null = null): PairingFailed =>
  new PairingFailed({ reason, attemptsLeft })

const isReason = Schema.is(PairingReason)

/** What the other side's `Abort` means here. */
export const fromAbort = (reason: string): PairingFailed => failed(isReason(reason) ? reason : "protocol")
