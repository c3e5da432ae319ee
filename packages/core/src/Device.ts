/**
 * A device: its secret keys, and the certificate that its spaces know it by (protocol.md §1, §3).
 *
 * 1. `id` is the hash of the signing key alone, so a new label or new wrapping keys do not make another device.
 * 2. Secrets stay in `Secret`; the bytes of `encode` hold them in the open, for a store that seals what it keeps.
 * 3. A certificate is checked before anything in it is used.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Certificate, type CertificateBody, certificateBodyCodec } from "@sotto/schema/Device"
import { DeviceId, Signature, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { label as purposeLabel, Purpose } from "@sotto/schema/Purpose"
import { type Suite, SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import { fixedBytes, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "./Crypto.ts"
import * as Secret from "./Secret.ts"

type CryptoService = Crypto["Service"]

/** A device as itself knows it. */
export interface DeviceIdentity {
  readonly id: DeviceId
  /** Ed25519 seed, 32 bytes. */
  readonly signing: Secret.Secret
  /** X-Wing seed, 32 bytes: opens the epoch keys that are wrapped to this device. */
  readonly wrapping: Secret.Secret
  /** X25519 secret key, 32 bytes. */
  readonly noiseX25519: Secret.Secret
  /** ML-KEM-768 seed, 64 bytes. */
  readonly noiseMlKem: Secret.Secret
  readonly certificate: Certificate
}

/** The name of the device that signs with this key. */
export const deviceIdOf = (crypto: CryptoService, suite: Suite, signingKey: SigningKey): DeviceId =>
  DeviceId.make(crypto.sha256(purposeLabel(suite, Purpose.deviceId, signingKey)))

/** What a device cannot be called. */
export class LabelRefused extends Schema.TaggedError<LabelRefused>()("LabelRefused", {
  reason: Schema.Literals(["empty", "too-long", "malformed"]),
  bytes: Schema.Int
}) {
  override get message() {
    const why = {
      empty: "it is empty",
      "too-long": `it has ${this.bytes} bytes of UTF-8`,
      malformed: "it is not well-formed Unicode"
    }[this.reason]
    return `A device cannot be called so: ${why}. Nothing was changed; take a name of 1 to ${Limit.labelBytesMax} bytes.`
  }
}

/** What people may call a device: 1 to 64 bytes of UTF-8. */
export const checkLabel = (label: string): Result.Result<string, LabelRefused> => {
  if (!label.isWellFormed()) return Result.fail(new LabelRefused({ reason: "malformed", bytes: 0 }))
  const bytes = Utf8.encode(label).length
  if (bytes === 0) return Result.fail(new LabelRefused({ reason: "empty", bytes }))
  return bytes > Limit.labelBytesMax
    ? Result.fail(new LabelRefused({ reason: "too-long", bytes }))
    : Result.succeed(label)
}

/** A new device. `label` is what people call it; it fits (`checkLabel`). */
export const generate = (options: {
  readonly crypto: CryptoService
  readonly label: string
  readonly nowMillis: number
  readonly suite?: Suite
}): DeviceIdentity => {
  const { crypto, label, nowMillis, suite = SUITE_DEFAULT } = options
  const signing = crypto.random(32)
  const wrapping = crypto.random(crypto.xWing.seedBytes)
  const x25519 = crypto.random(32)
  const mlKem = crypto.random(crypto.mlKem.seedBytes)
  const body: CertificateBody = {
    suite,
    signing: SigningKey.make(crypto.signature.keyPair(signing).publicKey),
    wrapping: crypto.xWing.keyPair(wrapping).publicKey,
    noise: { x25519: crypto.x25519.keyPair(x25519).publicKey, mlKem: crypto.mlKem.keyPair(mlKem).publicKey },
    label,
    createdMillis: nowMillis
  }
  return {
    id: deviceIdOf(crypto, suite, body.signing),
    signing: Secret.make(signing),
    wrapping: Secret.make(wrapping),
    noiseX25519: Secret.make(x25519),
    noiseMlKem: Secret.make(mlKem),
    certificate: certify(crypto, signing, body)
  }
}

/** The same device under another label, with a new certificate. */
export const relabel = (crypto: CryptoService, identity: DeviceIdentity, options: {
  readonly label: string
  readonly nowMillis: number
}): DeviceIdentity => {
  const body = { ...identity.certificate.body, label: options.label, createdMillis: options.nowMillis }
  return { ...identity, certificate: certify(crypto, Secret.reveal(identity.signing), body) }
}

/** The same device with the wrapping key of `seed`, as it is replaced when an epoch opens. */
export const rewrap = (crypto: CryptoService, identity: DeviceIdentity, options: {
  readonly seed: Uint8Array
  readonly nowMillis: number
}): DeviceIdentity => {
  const wrapping = crypto.xWing.keyPair(options.seed).publicKey
  const body = { ...identity.certificate.body, wrapping, createdMillis: options.nowMillis }
  return {
    ...identity,
    wrapping: Secret.make(options.seed.slice()),
    certificate: certify(crypto, Secret.reveal(identity.signing), body)
  }
}

const signedBytes = (crypto: CryptoService, body: CertificateBody): Uint8Array =>
  purposeLabel(body.suite, Purpose.signCertificate, crypto.sha256(certificateBodyCodec.encode(body)))

const certify = (crypto: CryptoService, signing: Uint8Array, body: CertificateBody): Certificate => ({
  body,
  signature: Signature.make(crypto.signature.sign(signing, signedBytes(crypto, body)))
})

/** Whether a certificate is signed by the key that it names. */
export const verifyCertificate = (crypto: CryptoService, certificate: Certificate): boolean =>
  crypto.signature.verify(certificate.body.signing, signedBytes(crypto, certificate.body), certificate.signature)

/** The device's signature over bytes that begin with a label. */
export const sign = (crypto: CryptoService, identity: DeviceIdentity, message: Uint8Array): Signature =>
  Signature.make(crypto.signature.sign(Secret.reveal(identity.signing), message))

const Stored = Schema.Struct({
  version: uint(255),
  signing: fixedBytes(32),
  wrapping: fixedBytes(32),
  noiseX25519: fixedBytes(32),
  noiseMlKem: fixedBytes(64),
  certificate: Certificate
})
const storedCodec = Codec.make(Stored, "DeviceIdentity")
const STORED_VERSION = 1

/** What was stored as a device's identity is not one, or its keys do not belong together. */
export class IdentityDamaged extends Schema.TaggedError<IdentityDamaged>()("IdentityDamaged", {
  reason: Schema.Literals(["codec", "version", "keys", "certificate"])
}) {
  override get message() {
    return `The stored identity of this device does not read (${this.reason}). Nothing was changed; what was sent is on ` +
      "the relay and on other devices. Restore the file from a copy, or pair this device anew."
  }
}

/** The identity as bytes, secrets in the open: whoever stores them seals them first. */
export const encode = (identity: DeviceIdentity): Uint8Array =>
  storedCodec.encode({
    version: STORED_VERSION,
    signing: Secret.reveal(identity.signing),
    wrapping: Secret.reveal(identity.wrapping),
    noiseX25519: Secret.reveal(identity.noiseX25519),
    noiseMlKem: Secret.reveal(identity.noiseMlKem),
    certificate: identity.certificate
  })

/** The identity of `encode`. Refused when its keys are not those of its certificate. */
export const decode = (crypto: CryptoService, bytes: Uint8Array): Result.Result<DeviceIdentity, IdentityDamaged> => {
  const decoded = storedCodec.decode(bytes)
  if (Result.isFailure(decoded)) return Result.fail(new IdentityDamaged({ reason: "codec" }))
  const { certificate, noiseMlKem, noiseX25519, signing, version, wrapping } = decoded.success
  if (version !== STORED_VERSION) return Result.fail(new IdentityDamaged({ reason: "version" }))
  const { body } = certificate
  const belong = Bytes.equals(crypto.signature.keyPair(signing).publicKey, body.signing) &&
    Bytes.equals(crypto.xWing.keyPair(wrapping).publicKey, body.wrapping) &&
    Bytes.equals(crypto.x25519.keyPair(noiseX25519).publicKey, body.noise.x25519) &&
    Bytes.equals(crypto.mlKem.keyPair(noiseMlKem).publicKey, body.noise.mlKem)
  if (!belong) return Result.fail(new IdentityDamaged({ reason: "keys" }))
  if (!verifyCertificate(crypto, certificate)) return Result.fail(new IdentityDamaged({ reason: "certificate" }))
  return Result.succeed({
    id: deviceIdOf(crypto, body.suite, body.signing),
    signing: Secret.make(signing),
    wrapping: Secret.make(wrapping),
    noiseX25519: Secret.make(noiseX25519),
    noiseMlKem: Secret.make(noiseMlKem),
    certificate
  })
}
