/**
 * The existing device's side of a pairing (protocol.md §8). It shows a code and a ticket, never scans one, and lets a
 * device in only after its person said so.
 *
 * 1. Nothing of the space leaves before the handshake is done and the new device is approved.
 * 2. Three failed confirmations, by code or by ticket, burn the mailbox; so do expiry, a cancel and a success.
 * 3. The confirmation tag goes out only after the other side's was checked.
 */
import { type Certificate, certificateCodec } from "@sotto/schema/Device"
import type { DeviceId, MailboxId, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type MailboxMessage, type WelcomeBody, welcomeBodyCodec } from "@sotto/schema/Pairing"
import { PROTOCOL_VERSION } from "@sotto/schema/Suite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Handshake from "../channel/Handshake.ts"
import type { Established } from "../channel/Noise.ts"
import { Crypto, type EntropyUnavailable } from "../Crypto.ts"
import { type DeviceIdentity, deviceIdOf, sign, verifyCertificate } from "../Device.ts"
import * as Secret from "../Secret.ts"
import * as Cpace from "./Cpace.ts"
import { type Emoji, fromHandshake } from "./Emoji.ts"
import * as Exchange from "./Exchange.ts"
import { type Line, parting } from "./Line.ts"
import { failed, type PairingFailed } from "./PairingError.ts"
import * as Session from "./Session.ts"

type CryptoService = Crypto["Service"]
type Message<Tag extends MailboxMessage["_tag"]> = Extract<MailboxMessage, { readonly _tag: Tag }>

/** What the person at the existing device is asked about. */
export interface JoinRequest {
  readonly device: DeviceId
  readonly label: string
  readonly emoji: ReadonlyArray<Emoji>
}

/** Who came in. */
export interface Admitted {
  readonly device: DeviceId
  readonly label: string
}

export interface Options<E, E2> {
  readonly line: Line<E>
  readonly device: DeviceIdentity
  readonly relay: RelayKey
  readonly mailbox: MailboxId
  readonly expiresMillis: number
  /** The secret half of the code, five bytes. */
  readonly codeSecret: Secret.Secret
  /** The 32-byte secret of the ticket. */
  readonly ticketSecret: Secret.Secret
  /** Asked once the channel stands; `false` declines. Unanswered for two minutes is a no. */
  readonly approve: (request: JoinRequest) => Effect.Effect<boolean, E2>
  /** Adds the device to the space, durably, and answers what it is told. */
  readonly admit: (certificate: Certificate) => Effect.Effect<WelcomeBody, E2>
}

/** One run: the options, and what is fixed for it. */
interface Run<E, E2> extends Options<E, E2> {
  readonly crypto: CryptoService
  readonly nonce: Uint8Array
}

/** Runs until one device is in, or the code is dead. The mailbox is closed in every case. */
export const run: <E, E2>(
  options: Options<E, E2>
) => Effect.Effect<Admitted, E | E2 | PairingFailed | EntropyUnavailable, Crypto> = Effect.fnUntraced(
  function*(options) {
    const { expiresMillis, line } = options
    const crypto = yield* Crypto
    const nonce = yield* Secret.randomBytes(16)
    const remainingMillis = Math.max(0, expiresMillis - (yield* Clock.currentTimeMillis))
    const offered = Effect.gen(function*() {
      yield* line.send({ _tag: "Offer", version: PROTOCOL_VERSION, nonce, expiresMillis })
      const established = yield* connect({ ...options, crypto, nonce })
      return yield* admission({ ...options, crypto, nonce }, Session.make(line, established))
    })
    const outcome = yield* offered.pipe(
      Effect.timeoutOption(remainingMillis),
      Effect.onInterrupt(() => parting(line.send({ _tag: "Abort", reason: "cancelled" }))),
      Effect.ensuring(parting(line.close))
    )
    return yield* Option.match(outcome, { onNone: () => Effect.fail(failed("expired")), onSome: Effect.succeed })
  }
)

/** Reads first messages until one leads to a channel; the third that does not burns the code. */
const connect = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>) {
  let first = yield* run.line.receive
  for (let failures = 1;; failures++) {
    const outcome = first._tag === "NoiseA"
      ? yield* establish(run, Exchange.preSharedKey(run.crypto, Secret.reveal(run.ticketSecret)), first)
      : yield* byCode(run, yield* Session.narrow(first, "CpaceA"))
    if (outcome !== undefined && "handshakeHash" in outcome) return outcome
    if (failures >= Limit.pairingFailuresMax) {
      yield* run.line.send({ _tag: "Abort", reason: "burned" })
      return yield* failed("burned")
    }
    if (outcome === undefined) yield* run.line.send({ _tag: "Abort", reason: "wrongCode" })
    first = outcome ?? (yield* run.line.receive)
  }
})

/** One guess at the code. `undefined`: it was wrong. A message: it was given up, and this begins another. */
const byCode = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>, first: Message<"CpaceA">) {
  const { crypto, line, nonce } = run
  const setting = Exchange.cpaceSetting(
    crypto,
    { ...run, existingNonce: nonce, newNonce: first.nonce },
    Secret.reveal(run.codeSecret)
  )
  const scalar = crypto.ristretto.scalar(yield* Secret.randomBytes(64))
  const element = Cpace.element(crypto, setting, scalar)
  const initiator = { element: first.element, data: first.nonce }
  const responder = { element, data: nonce }
  const key = Cpace.sharedKey(crypto, { session: setting.session, scalar, remote: first.element, initiator, responder })
  if (key === undefined) return undefined
  yield* line.send({ _tag: "CpaceB", element })
  const confirm = yield* line.receive
  // Another first message: the other side was cut off, gave this guess up and is back.
  if (confirm._tag === "CpaceA") return confirm
  const confirmation = (party: Cpace.Party) => Cpace.confirmation(crypto, { session: setting.session, key, party })
  const { tag } = yield* Session.narrow(confirm, "ConfirmA")
  if (!crypto.equal(tag, confirmation(initiator))) return undefined
  yield* line.send({ _tag: "ConfirmB", tag: confirmation(responder) })
  const noise = yield* line.receive
  if (noise._tag === "CpaceA") return noise
  return yield* establish(run, Exchange.preSharedKey(crypto, key), yield* Session.narrow(noise, "NoiseA"))
})

/** The handshake's answer; `undefined` when its first message was made with another secret. */
const establish = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>, psk: Secret.Secret, first: Message<"NoiseA">) {
  const handshake = Handshake.pairing(run.crypto, { role: "responder", psk, prologue: Exchange.prologue(run) })
  const answer = Result.flatMap(handshake.read(first.message), handshake.write)
  Secret.wipe(psk)
  const established: Established | undefined = handshake.established()
  if (Result.isFailure(answer) || established === undefined) return undefined
  yield* run.line.send({ _tag: "NoiseB", message: answer.success })
  return established
})

/** Who it is, whether it may, and what it is told. */
const admission = Effect.fnUntraced(function*<E, E2>(run: Run<E, E2>, session: Session.Session<E>) {
  const { crypto } = run
  const { handshakeHash } = session
  const join = yield* session.receive
  if (join._tag !== "Join") return yield* failed("protocol")
  const { body } = join.certificate
  const certificateHash = crypto.sha256(certificateCodec.encode(join.certificate))
  const genuine = verifyCertificate(crypto, join.certificate) &&
    crypto.signature.verify(body.signing, Exchange.joinInput(handshakeHash, certificateHash), join.signature)
  if (!genuine) return yield* failed("forged")
  const admitted = { device: deviceIdOf(crypto, body.suite, body.signing), label: body.label }

  const decline = (reason: "declined" | "approvalTimeout") =>
    Effect.andThen(session.send({ _tag: "Declined", reason }), Effect.fail(failed(reason)))
  const answer = yield* Effect.timeoutOption(
    run.approve({ ...admitted, emoji: fromHandshake(crypto, handshakeHash) }),
    Limit.approvalMillis
  )
  if (Option.isNone(answer)) return yield* decline("approvalTimeout")
  if (!answer.value) return yield* decline("declined")

  const welcome = yield* run.admit(join.certificate)
  const bodyHash = crypto.sha256(welcomeBodyCodec.encode(welcome))
  yield* session.send({
    _tag: "Welcome",
    device: run.device.id,
    body: welcome,
    signature: sign(crypto, run.device, Exchange.welcomeInput(handshakeHash, welcome.logHead, bodyHash))
  })
  const joined = yield* session.receive
  const taken = joined._tag === "Joined" &&
    crypto.signature.verify(body.signing, Exchange.joinedInput(handshakeHash, welcome.logHead), joined.signature)
  return taken ? admitted : yield* failed(joined._tag === "Declined" ? "declined" : "forged")
})
