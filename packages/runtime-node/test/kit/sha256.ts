import { createHash } from "node:crypto"

/** For stores, which need nothing else of a `Crypto`. */
export const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(data).digest())
