/**
 * How a new device comes into a space (protocol.md §8), from an empty directory to a durable welcome: what `Pairing` and
 * `Sotto` do one after the other. Every platform's door for joining stands on it.
 *
 * A typing error, a link long past its time and a directory that is in a space already are told before anything is made
 * or sent. A link that is only just over is for the relay to refuse: no device's clock is asked about minutes.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import type { RelayAddress, WelcomeBody } from "@sotto/schema/Pairing"
import * as PairingCode from "@sotto/schema/PairingCode"
import type { TextError } from "@sotto/schema/Text"
import { pairingTicketFromText } from "@sotto/schema/Ticket"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Crypto } from "./Crypto.ts"
import type { DeviceIdentity, LabelRefused } from "./Device.ts"
import type { Keystore } from "./Keystore.ts"
import * as Pairing from "./Pairing.ts"
import type { Attempts } from "./pairing/Attempts.ts"
import type { Invitation, Step } from "./pairing/Guest.ts"
import { failed, type PairingFailed } from "./pairing/PairingError.ts"
import * as Sotto from "./Sotto.ts"
import type { Store } from "./Store.ts"
import type { Transport } from "./Transport.ts"

export interface EnterOptions {
  readonly from: Pairing.Source
  /** What people call this device. */
  readonly label: string
  readonly onStep: (step: Step) => Effect.Effect<void>
  /** Asked with the verified space, before anything is taken over. */
  readonly confirm: (invitation: Invitation) => Effect.Effect<boolean>
}

/** What a device has after it came in. */
export interface Entered {
  readonly identity: DeviceIdentity
  readonly welcome: WelcomeBody
}

/** Checks a code or a link without using it: typing errors, and links that were over an hour ago or earlier. */
export const check: (
  from: Pairing.Source
) => Effect.Effect<void, PairingCode.PairingCodeTypo | TextError | PairingFailed> = Effect.fnUntraced(function*(from) {
  if (from._tag === "Code") {
    const parsed = PairingCode.parse(from.code)
    return Result.isFailure(parsed) ? yield* parsed.failure : undefined
  }
  const ticket = yield* Effect.fromResult(pairingTicketFromText(from.url))
  // The relay's mailbox decides. This is only for links of another day: the two devices' clocks may be well apart.
  const overMillis = ticket.expiresMillis + Limit.mailboxMillisMax
  if (overMillis <= (yield* Clock.currentTimeMillis)) return yield* failed("expired")
})

/** The relays of the space, with the way to this one as this device found it. */
const relaysOf = (welcome: WelcomeBody, reached: RelayAddress): ReadonlyArray<RelayAddress> => {
  const others = welcome.relays.filter(({ key }) => !Bytes.equals(key, reached.key))
  return [reached, ...others]
}

type Services = Store | Keystore | Crypto | Transport | Attempts

/** Joins the space of the device that shows this code or link; `Sotto.open` runs it afterwards. */
export const enter: (
  options: EnterOptions
) => Effect.Effect<Entered, Pairing.JoinFailed | LabelRefused, Services> = Effect.fn("Entrance.enter")(
  function*({ confirm, from, label, onStep }) {
    yield* check(from)
    if ((yield* Sotto.stateOf) === "space") return yield* new Sotto.WrongDirectory({ reason: "in-space" })
    const identity = yield* Sotto.device({ label })
    const services = yield* Effect.context<Store | Keystore | Crypto>()
    const welcome = yield* Pairing.join({
      from,
      device: identity,
      onStep,
      confirm,
      accept: (welcome, reached) =>
        Effect.provideContext(Sotto.join({ ...welcome, relays: relaysOf(welcome, reached) }), services)
    })
    return { identity, welcome }
  }
)
