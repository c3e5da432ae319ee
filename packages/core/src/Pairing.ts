/**
 * Pairing as an app uses it (protocol.md §8): the existing device offers, the new one joins. Both sides need only a relay
 * in common; it carries sealed messages between them and learns neither who they are nor what they share.
 */
import { MailboxId, type RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { RelayAddress, WelcomeBody } from "@sotto/schema/Pairing"
import * as PairingCode from "@sotto/schema/PairingCode"
import { MailboxSide } from "@sotto/schema/Relay"
import { ROLE, type Role } from "@sotto/schema/Space"
import type { TextError } from "@sotto/schema/Text"
import { pairingTicketFromText, pairingTicketToText } from "@sotto/schema/Ticket"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Dial from "./channel/Dial.ts"
import type { AddMemberFailed, Client } from "./Client.ts"
import { Crypto, type EntropyUnavailable } from "./Crypto.ts"
import type { DeviceIdentity, IdentityDamaged } from "./Device.ts"
import type { KeystoreFailed } from "./Keystore.ts"
import { Attempts } from "./pairing/Attempts.ts"
import * as Exchange from "./pairing/Exchange.ts"
import * as Guest from "./pairing/Guest.ts"
import * as Host from "./pairing/Host.ts"
import * as Mailbox from "./pairing/Mailbox.ts"
import { failed, type PairingFailed } from "./pairing/PairingError.ts"
import * as Session from "./pairing/Session.ts"
import * as Secret from "./Secret.ts"
import type { WrongDirectory } from "./Sotto.ts"
import * as Membership from "./space/Membership.ts"
import * as SpaceState from "./space/SpaceState.ts"
import type { StoreFailed } from "./Store.ts"
import type { Transport } from "./Transport.ts"

/** What the existing device shows. */
export interface Offer {
  /** `XXXX-XXXX-XXXX-XXXX`, to be typed. */
  readonly code: string
  /** `sotto://pair?…#…`, to be shown as a QR code or sent to oneself. It holds the secret. */
  readonly url: string
  readonly relay: RelayAddress
  readonly expiresMillis: number
}

export interface HostOptions {
  readonly client: Client["Service"]
  readonly device: DeviceIdentity
  /** Which of the client's relays carries it; the first unless given. */
  readonly relay?: RelayKey
  /** The new device's role: admin unless given, as befits one's own devices. */
  readonly role?: Role
  readonly onOffer: (offer: Offer) => Effect.Effect<void>
  readonly approve: (request: Host.JoinRequest) => Effect.Effect<boolean>
}

export type HostFailed = PairingFailed | Mailbox.MailboxFailed | Dial.DialFailed | AddMemberFailed | EntropyUnavailable

/** Offers to let one device in, and waits for it: ten minutes at most. */
export const host: (options: HostOptions) => Effect.Effect<Host.Admitted, HostFailed, Transport | Crypto> = Effect.fn(
  "Pairing.host"
)(function*(options) {
  const crypto = yield* Crypto
  const { client, device } = options
  const relays = (yield* client.relays.list).map(({ address }) => address)
  const address = options.relay === undefined
    ? relays[0]
    : relays.find(({ key }) => crypto.equal(key, options.relay ?? key))
  if (address === undefined) return yield* failed("noRelay")
  const code = PairingCode.make(yield* Secret.randomBytes(10))
  const codeSecret = yield* Secret.scoped(code.secret)
  const ticketSecret = yield* Secret.scoped(yield* Secret.randomBytes(32))
  const mailbox = Exchange.mailboxOfCode(crypto, address.key, code)
  const expiresMillis = (yield* Clock.currentTimeMillis) + Limit.pairingMillis
  const { control } = yield* Dial.dial(address)
  const side = MailboxSide.make(yield* Secret.randomBytes(16))
  const line = yield* Mailbox.create({ client: control, id: mailbox, side })
  const secret = Secret.reveal(ticketSecret)
  yield* options.onOffer({
    code: PairingCode.format(code),
    url: pairingTicketToText({ relay: address, mailbox, expiresMillis, secret }),
    relay: address,
    expiresMillis
  })
  const admit = admitting(crypto, options, relays)
  return yield* Host.run({
    line,
    device,
    relay: address.key,
    mailbox,
    expiresMillis,
    codeSecret,
    ticketSecret,
    approve: options.approve,
    admit
  })
}, Effect.scoped)

/**
 * Puts the new device into the membership log, durably, and makes its welcome from the state after that. A welcome that
 * would not fit the mailbox is found first: a device that can't be told must not be a member.
 */
const admitting = (crypto: Crypto["Service"], options: HostOptions, relays: ReadonlyArray<RelayAddress>) =>
  Effect.fnUntraced(function*(certificate: DeviceIdentity["certificate"]) {
    const { client, device, role = ROLE.admin } = options
    const before = yield* client.state
    const nowMillis = yield* Clock.currentTimeMillis
    const op = Membership.addMember(crypto, before.membership, device, { certificate, role, nowMillis })
    const welcomeFrom = (state: SpaceState.SpaceState) =>
      SpaceState.toWelcome(crypto, state, { admin: role >= ROLE.admin, relays })
    const after = yield* Effect.fromResult(SpaceState.applyOp(crypto, before, op))
    if (!Session.fits(welcomeFrom(after))) return yield* failed("tooManyDevices")
    yield* client.addMember(op)
    return welcomeFrom(yield* client.state)
  })

/** What the new device was given. */
export type Source =
  | { readonly _tag: "Code"; readonly code: string; readonly relay: RelayAddress }
  | { readonly _tag: "Ticket"; readonly url: string }

/** What may go wrong when a space is taken in (`Sotto.join`). */
export type AcceptFailed = StoreFailed | KeystoreFailed | IdentityDamaged | SpaceState.WelcomeRefused | WrongDirectory

export interface JoinOptions {
  readonly from: Source
  readonly device: DeviceIdentity
  readonly onStep: (step: Guest.Step) => Effect.Effect<void>
  /** Asked with the verified space, before anything is taken over. */
  readonly confirm: (invitation: Guest.Invitation) => Effect.Effect<boolean>
  /** Takes the space in, durably. */
  readonly accept: (welcome: WelcomeBody, relay: RelayAddress) => Effect.Effect<void, AcceptFailed | EntropyUnavailable>
}

export type JoinFailed =
  | PairingFailed
  | PairingCode.PairingCodeTypo
  | TextError
  | Mailbox.MailboxFailed
  | Dial.DialFailed
  | AcceptFailed
  | EntropyUnavailable

interface Target {
  readonly relay: RelayAddress
  readonly mailbox: MailboxId
  readonly proof: Guest.Proof
}

/** A typo in a code, or a damaged link, is found here: before any network, and without costing a guess. */
const targetOf = (
  crypto: Crypto["Service"],
  from: Source
): Result.Result<Target, PairingCode.PairingCodeTypo | TextError> =>
  from._tag === "Code"
    ? Result.map(PairingCode.parse(from.code), (code) => ({
      relay: from.relay,
      mailbox: Exchange.mailboxOfCode(crypto, from.relay.key, code),
      proof: { _tag: "Code" as const, secret: Secret.make(code.secret) }
    }))
    : Result.map(pairingTicketFromText(from.url), ({ mailbox, relay, secret }) => ({
      relay,
      mailbox: MailboxId.make(mailbox),
      proof: { _tag: "Ticket" as const, secret: Secret.make(secret) }
    }))

/** Joins the space of the device that shows this code or ticket. Answers what was taken over. */
export const join: (
  options: JoinOptions
) => Effect.Effect<WelcomeBody, JoinFailed, Transport | Crypto | Attempts> = Effect.fn("Pairing.join")(
  function*(options) {
    const crypto = yield* Crypto
    const attempts = yield* Attempts
    const { mailbox, proof, relay } = yield* Effect.fromResult(targetOf(crypto, options.from))
    yield* Effect.addFinalizer(() => Effect.sync(() => Secret.wipe(proof.secret)))
    const side = yield* attempts.begin(mailbox)
    const { control } = yield* Dial.dial(relay)
    const { line, offer } = yield* Mailbox.join({ client: control, id: mailbox, side })
    return yield* Guest.run({
      line,
      offer,
      device: options.device,
      relay: relay.key,
      mailbox,
      proof,
      onStep: options.onStep,
      confirm: options.confirm,
      accept: (welcome) => options.accept(welcome, relay)
    }).pipe(
      Effect.catchTag(
        "PairingFailed",
        (error) =>
          error.reason === "wrongCode" ? Effect.flatMap(attempts.wrong(mailbox), Effect.fail) : Effect.fail(error)
      )
    )
  },
  Effect.scoped
)
