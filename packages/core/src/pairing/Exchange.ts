/**
 * What both sides of a pairing compute alike (protocol.md §8): the mailbox of a code, the setting of the CPace run, the
 * pre-shared key of the handshake and its prologue. A code's mailbox part and its secret part are random and unrelated
 * to any key of the space.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { MailboxId, type RelayKey } from "@sotto/schema/Id"
import type { PairingCode } from "@sotto/schema/PairingCode"
import { label, Purpose } from "@sotto/schema/Purpose"
import { PROTOCOL_VERSION, SUITE_DEFAULT } from "@sotto/schema/Suite"
import type { Crypto } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import * as Cpace from "./Cpace.ts"

type CryptoService = Crypto["Service"]

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** A mailbox's name from the mailbox half of a code: another one at each relay, and no more than that half. */
export const mailboxOfCode = (crypto: CryptoService, relay: RelayKey, code: PairingCode): MailboxId =>
  MailboxId.make(crypto.sha256(label(SUITE_DEFAULT, Purpose.mailbox, relay, code.mailbox)).slice(0, 16))

/** Where and with which nonces a run takes place. */
export interface Run {
  readonly relay: RelayKey
  readonly mailbox: MailboxId
  readonly expiresMillis: number
  /** 16 bytes of the existing device, from its offer. */
  readonly existingNonce: Uint8Array
  /** 16 bytes of the new device, fresh for each attempt. */
  readonly newNonce: Uint8Array
}

/** CPace's agreement for the secret half of a code. */
export const cpaceSetting = (
  crypto: CryptoService,
  run: Omit<Run, "expiresMillis">,
  secret: Uint8Array
): Cpace.Setting => ({
  password: secret,
  channel: Cpace.lengthValue(
    ascii("new"),
    ascii("existing"),
    run.relay,
    run.mailbox,
    Uint8Array.of(PROTOCOL_VERSION)
  ),
  session: crypto.sha256(label(SUITE_DEFAULT, Purpose.pairSid, run.mailbox, run.existingNonce, run.newNonce))
    .slice(0, 16)
})

/** The handshake's pre-shared key, from CPace's shared key or from the 32-byte secret of a ticket. */
export const preSharedKey = (crypto: CryptoService, secret: Uint8Array): Secret.Secret =>
  Secret.make(crypto.hkdfExtract(label(SUITE_DEFAULT, Purpose.pairPsk), secret))

/** The handshake's prologue: this relay, this mailbox, this code's end. */
export const prologue = (run: Pick<Run, "relay" | "mailbox" | "expiresMillis">): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.pairPrologue, run.relay, run.mailbox, Bytes.u64(run.expiresMillis))

/** What the new device signs with its certificate. */
export const joinInput = (handshakeHash: Uint8Array, certificateHash: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.signJoin, handshakeHash, certificateHash)

/** What the existing device signs with its welcome. */
export const welcomeInput = (handshakeHash: Uint8Array, logHead: Uint8Array, bodyHash: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.signWelcome, handshakeHash, logHead, bodyHash)

/** What the new device signs when it has taken the welcome in. */
export const joinedInput = (handshakeHash: Uint8Array, logHead: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.signJoined, handshakeHash, logHead)
