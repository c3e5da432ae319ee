/**
 * Core's `Crypto` in the simulator: the real primitives or the fake ones, over the randomness of the process, with a
 * record of every key and nonce that something was sealed under.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as FakeCrypto from "./FakeCrypto.ts"
import { Mixer } from "./Mixer.ts"
import * as RealCrypto from "./RealCrypto.ts"

/** `real`: what Node computes (`RealCrypto`). `fake`: the same behaviour without the work (`FakeCrypto`). */
export type Tier = "real" | "fake"

type Service = Crypto["Service"]

/** A key and a nonce that two different texts were sealed under. */
export interface Reuse {
  readonly cipher: "aead" | "channelAead"
  /** Who sealed the first one. */
  readonly before: string
}

/** What all processes of a run have sealed, whichever incarnation. */
export class SealRecord {
  private readonly sealed = new Map<number, { readonly digest: number; readonly node: string }>()
  private readonly mixer = new Mixer()
  private readonly out = new Uint8Array(8)
  private readonly view = new DataView(this.out.buffer)

  /** Notes one sealing. When another text was sealed under the same key and nonce before, answers by whom. */
  note(node: string, key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array): string | undefined {
    const name = this.digest(key, nonce)
    const digest = tailOf(ciphertext)
    const before = this.sealed.get(name)
    if (before === undefined) this.sealed.set(name, { digest, node })
    return before === undefined || before.digest === digest ? undefined : before.node
  }

  /** A number of 53 bits: a map finds it faster than a text. */
  private digest(a: Uint8Array, b: Uint8Array): number {
    const { out, view } = this
    this.mixer.begin(0x51).add(a).add(b).finish(out, 0, 8)
    return (view.getUint32(0) >>> 11) * 0x1_0000_0000 + view.getUint32(4)
  }
}

/** 48 bits of a ciphertext's tag, which tell it from any other under the same key and nonce. */
const tailOf = (ciphertext: Uint8Array): number => {
  let number = 0
  for (let at = ciphertext.length - 6; at < ciphertext.length; at++) number = number * 256 + (ciphertext[at] ?? 0)
  return number
}

/** Crypto of one process. */
export const make = (options: {
  readonly tier: Tier
  readonly node: string
  readonly random: Service["random"]
  readonly record: SealRecord
  readonly onReuse: (reuse: Reuse) => void
}): Service => {
  const { node, onReuse, random, record, tier } = options
  const crypto = tier === "fake" ? FakeCrypto.make(random) : RealCrypto.make(random)
  const recorded = (cipher: Reuse["cipher"], aead: Service["aead"]): Service["aead"] => ({
    ...aead,
    seal: (key, nonce, associatedData, plaintext) => {
      const ciphertext = aead.seal(key, nonce, associatedData, plaintext)
      const before = record.note(node, key, nonce, ciphertext)
      if (before !== undefined) onReuse({ cipher, before })
      return ciphertext
    }
  })
  return Crypto.of({
    ...crypto,
    aead: recorded("aead", crypto.aead),
    channelAead: recorded("channelAead", crypto.channelAead)
  })
}
