/** A device's public face: its certificate (protocol.md §1, §3). It only ever travels sealed. */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Signature, SigningKey } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { Suite } from "./Suite.ts"
import { boundedText, fixedBytes, uint } from "./Wire.ts"

/** Public keys of a device for Noise: X25519 (32 bytes) and ML-KEM-768 (1,184 bytes). */
export const NoiseKeys = Schema.Struct({ x25519: fixedBytes(32), mlKem: fixedBytes(1184) })
export type NoiseKeys = typeof NoiseKeys.Type

/** What a certificate says, before its signature. */
export const CertificateBody = Schema.Struct({
  suite: Suite,
  signing: SigningKey,
  /** X-Wing public key: what epoch keys are wrapped to. */
  wrapping: fixedBytes(1216),
  noise: NoiseKeys,
  label: boundedText(Limit.labelBytesMax),
  createdMillis: uint(0xffff_ffff_ffff)
})
export type CertificateBody = typeof CertificateBody.Type

/** Bytes that a certificate's signature covers, by their SHA-256. */
export const certificateBodyCodec = Codec.make(CertificateBody, "CertificateBody")

/** Self-signed: the signature is by `signing`, over `L("sign/cert")` and the SHA-256 of the encoded body. */
export const Certificate = Schema.Struct({ body: CertificateBody, signature: Signature })
export type Certificate = typeof Certificate.Type

/** Bytes of a certificate. */
export const certificateCodec = Codec.make(Certificate, "Certificate")
