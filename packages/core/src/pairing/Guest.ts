/**
 * The new device's side of a pairing (protocol.md §8). Its person typed a code or scanned a ticket, and sees whose space
 * it is about to join before anything is taken over.
 *
 * 1. One run is one guess: a wrong code ends it. Who runs it counts the guesses and burns the code at three.
 * 2. A welcome counts only when the device that signed it is an administrator in the log that it brings, and that log
 *    hashes from the genesis of the space that it names.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { certificateCodec } from "@sotto/schema/Device"
import type { MailboxId, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type MailboxMessage, type PairingMessage, type WelcomeBody, welcomeBodyCodec } from "@sotto/schema/Pairing"
import { ROLE } from "@sotto/schema/Space"
import { PROTOCOL_VERSION } from "@sotto/schema/Suite"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Handshake from "../channel/Handshake.ts"
import type { Established } from "../channel/Noise.ts"
import { Crypto, type EntropyUnavailable } from "../Crypto.ts"
import { type DeviceIdentity, sign } from "../Device.ts"
import * as Secret from "../Secret.ts"
import * as Membership from "../space/Membership.ts"
import * as SpaceState from "../space/SpaceState.ts"
import * as Cpace from "./Cpace.ts"
import { type Emoji, fromHandshake } from "./Emoji.ts"
import * as Exchange from "./Exchange.ts"
import { type Line, parting } from "./Line.ts"
import { failed, fromAbort, type PairingFailed } from "./PairingError.ts"
import * as Session from "./Session.ts"

type CryptoService = Crypto["Service"]
type Message<Tag extends MailboxMessage["_tag"]> = Extract<MailboxMessage, { readonly _tag: Tag }>

/** What the person at the new device can be shown while it happens. */
export type Step =
  | { readonly _tag: "Reached" }
  /** The channel stands; the other screen asks now and shows the same pictures. */
  | { readonly _tag: "WaitingForApproval"; readonly emoji: ReadonlyArray<Emoji> }
  | { readonly _tag: "Welcomed" }

/** The space that this device is about to join. */
export interface Invitation {
  readonly space: SpaceState.SpaceState
  /** Labels of the devices that are in it. */
  readonly devices: ReadonlyArray<string>
}

/** What the new device has to show: the secret half of a code, or a ticket's 32 bytes. */
export type Proof =
  | { readonly _tag: "Code"; readonly secret: Secret.Secret }
  | { readonly _tag: "Ticket"; readonly secret: Secret.Secret }

export interface Options<E, E2> {
  readonly line: Line<E>
  /** The first message of the mailbox. */
  readonly offer: Message<"Offer">
  readonly device: DeviceIdentity
  readonly relay: RelayKey
  readonly mailbox: MailboxId
  readonly proof: Proof
  readonly onStep: (step: Step) => Effect.Effect<void>
  /** Asked when the welcome is verified; `false` leaves everything as it was. */
  readonly confirm: (invitation: Invitation) => Effect.Effect<boolean, E2>
  /** Takes the welcome in, durably: only then is the other side told. */
  readonly accept: (welcome: WelcomeBody) => Effect.Effect<void, E2>
}

interface Run<E, E2> extends Options<E, E2> {
  readonly crypto: CryptoService
}

const inTime = <A, E>(wait: Effect.Effect<A, E>, millis: number): Effect.Effect<A, E | PairingFailed> =>
  Effect.flatMap(
    Effect.timeoutOption(wait, millis),
    Option.match({ onNone: () => Effect.fail(failed("silent")), onSome: Effect.succeed })
  )

/** What the other side's next message of this tag is; machines answer within the time of a handshake. */
const answer = <E, Tag extends MailboxMessage["_tag"]>(line: Line<E>, tag: Tag) =>
  inTime(Session.expect(line, tag), Limit.handshakeTotalMillis)

/** Runs one attempt. `PairingFailed{wrongCode}` is a wrong guess; another run may follow on the same mailbox. */
export const run: <E, E2>(
  options: Options<E, E2>
) => Effect.Effect<WelcomeBody, E | E2 | PairingFailed | EntropyUnavailable, Crypto> = Effect.fnUntraced(
  function*(options) {
    const attempt = { ...options, crypto: yield* Crypto }
    if (options.offer.version !== PROTOCOL_VERSION) return yield* failed("version")
    yield* options.onStep({ _tag: "Reached" })
    return yield* Effect.gen(function*() {
      const established = yield* establish(attempt, yield* preSharedKey(attempt))
      return yield* joining(attempt, Session.make(options.line, established))
    }).pipe(
      Effect.onInterrupt(() => parting(options.line.send({ _tag: "Abort", reason: "cancelled" })))
    )
  }
)

/** From a ticket as it is; from a code by CPace, confirmed by both sides. */
const preSharedKey = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>) {
  const { crypto, line, proof } = run
  const secret = Secret.reveal(proof.secret)
  if (proof._tag === "Ticket") return Exchange.preSharedKey(crypto, secret)
  const nonce = yield* Secret.randomBytes(16)
  const setting = Exchange.cpaceSetting(crypto, { ...run, existingNonce: run.offer.nonce, newNonce: nonce }, secret)
  const scalar = crypto.ristretto.scalar(yield* Secret.randomBytes(64))
  const element = Cpace.element(crypto, setting, scalar)
  yield* line.send({ _tag: "CpaceA", nonce, element })
  const remote = (yield* answer(line, "CpaceB")).element
  const initiator = { element, data: nonce }
  const responder = { element: remote, data: run.offer.nonce }
  const key = Cpace.sharedKey(crypto, { session: setting.session, scalar, remote, initiator, responder })
  if (key === undefined) return yield* failed("wrongCode")
  const confirmation = (party: Cpace.Party) => Cpace.confirmation(crypto, { session: setting.session, key, party })
  yield* line.send({ _tag: "ConfirmA", tag: confirmation(initiator) })
  const { tag } = yield* answer(line, "ConfirmB")
  return crypto.equal(tag, confirmation(responder)) ? Exchange.preSharedKey(crypto, key) : yield* failed("wrongCode")
})

const establish = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>, psk: Secret.Secret) {
  const prologue = Exchange.prologue({ ...run, expiresMillis: run.offer.expiresMillis })
  const handshake = Handshake.pairing(run.crypto, { role: "initiator", psk, prologue })
  const first = handshake.write()
  Secret.wipe(psk)
  if (Result.isFailure(first)) return yield* failed("protocol")
  yield* run.line.send({ _tag: "NoiseA", message: first.success })
  const { message } = yield* answer(run.line, "NoiseB")
  const established: Established | undefined = Result.isSuccess(handshake.read(message))
    ? handshake.established()
    : undefined
  return established ?? (yield* failed("wrongCode"))
})

/** Says who this device is, waits for the other side's person, and takes the welcome in. */
const joining = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>, session: Session.Session<E>) {
  const { crypto, device } = run
  const { handshakeHash } = session
  const certificateHash = crypto.sha256(certificateCodec.encode(device.certificate))
  yield* session.send({
    _tag: "Join",
    certificate: device.certificate,
    signature: sign(crypto, device, Exchange.joinInput(handshakeHash, certificateHash))
  })
  yield* run.onStep({ _tag: "WaitingForApproval", emoji: fromHandshake(crypto, handshakeHash) })
  const message = yield* inTime(session.receive, Limit.approvalMillis + Limit.handshakeTotalMillis)
  if (message._tag === "Declined") return yield* fromAbort(message.reason)
  if (message._tag !== "Welcome") return yield* failed("protocol")
  const space = verifyWelcome(run, handshakeHash, message)
  if (space === undefined) return yield* failed("forged")
  yield* run.onStep({ _tag: "Welcomed" })
  const devices = Membership.members(space.membership)
    .filter(({ id }) => !Bytes.equals(id, device.id))
    .map(({ certificate }) => certificate.body.label)
  if (!(yield* run.confirm({ space, devices }))) {
    yield* session.send({ _tag: "Declined", reason: "declined" })
    return yield* failed("cancelled")
  }
  yield* run.accept(message.body)
  const { logHead } = message.body
  yield* session.send({ _tag: "Joined", signature: sign(crypto, device, Exchange.joinedInput(handshakeHash, logHead)) })
  return message.body
})

/** The space of a welcome, when all of it verifies and an administrator of that space signed it for this handshake. */
const verifyWelcome = <E, E2>(
  { crypto, device }: Run<E, E2>,
  handshakeHash: Uint8Array,
  { body, device: author, signature }: Extract<PairingMessage, { readonly _tag: "Welcome" }>
): SpaceState.SpaceState | undefined => {
  const made = SpaceState.fromWelcome(crypto, body, { device: device.id })
  if (Result.isFailure(made)) return undefined
  const { membership } = made.success
  const member = Membership.memberOf(membership, author)
  if (member === undefined || !Membership.hasRole(membership, author, ROLE.admin)) return undefined
  const bodyHash = crypto.sha256(welcomeBodyCodec.encode(body))
  const input = Exchange.welcomeInput(handshakeHash, body.logHead, bodyHash)
  return crypto.signature.verify(member.certificate.body.signing, input, signature) ? made.success : undefined
}
