/**
 * Handshake patterns as data (Noise rev 34 §7 and §9; hybrid ones in the token order of clatter 2.2, which is not that of
 * 2.1). `ekem` encapsulates to the other side's ephemeral ML-KEM key, `skem` to its static one; the answer to a key comes
 * in the opposing message, so hybridXX has a fourth.
 *
 *   hybridNK      <- s (known before)   -> skem, e, es      <- ekem, e, ee                    client to relay
 *   hybridNNpsk0                        -> psk, e           <- ekem, e, ee                    pairing
 *   hybridXX      -> e   <- ekem, e, ee, s, es   -> skem, s, se   <- skem                     device to device
 */

export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk" | "ekem" | "skem"

export type Role = "initiator" | "responder"

/** Messages alternate, the initiator's first. */
export interface Pattern {
  /** As it stands in a protocol name, modifiers included: `hybridNNpsk0`. */
  readonly name: string
  /** Keys are pairs of X25519 and ML-KEM, and both agree. */
  readonly hybrid: boolean
  /** `<- s` before the first message. */
  readonly responderKnown: boolean
  readonly messages: ReadonlyArray<ReadonlyArray<Token>>
  /** How many pre-shared keys it takes. */
  readonly psks: number
}

interface Base {
  readonly responderKnown: boolean
  readonly messages: ReadonlyArray<ReadonlyArray<Token>>
}

const CLASSICAL = {
  NN: { responderKnown: false, messages: [["e"], ["e", "ee"]] },
  NK: { responderKnown: true, messages: [["e", "es"], ["e", "ee"]] },
  XX: { responderKnown: false, messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]] },
  IK: { responderKnown: true, messages: [["e", "es", "s", "ss"], ["e", "ee", "se"]] }
} as const satisfies Record<string, Base>

const HYBRID = {
  hybridNN: { responderKnown: false, messages: [["e"], ["ekem", "e", "ee"]] },
  hybridNK: { responderKnown: true, messages: [["skem", "e", "es"], ["ekem", "e", "ee"]] },
  hybridXX: {
    responderKnown: false,
    messages: [["e"], ["ekem", "e", "ee", "s", "es"], ["skem", "s", "se"], ["skem"]]
  },
  hybridIK: { responderKnown: true, messages: [["skem", "e", "es", "s", "ss"], ["ekem", "skem", "e", "ee", "se"]] }
} as const satisfies Record<string, Base>

/** Names of the patterns without modifiers. */
export type PatternName = keyof typeof CLASSICAL | keyof typeof HYBRID

const isHybrid = (name: PatternName): name is keyof typeof HYBRID => Object.hasOwn(HYBRID, name)

/**
 * A pattern, with a pre-shared key mixed in at each of `pskPositions` (0 = before the first message, n = at the end of
 * message n). Throws a RangeError for a position that is not there, and for a pattern in which a side would encrypt under
 * a pre-shared key before it gave randomness of its own (Noise §9.3): equal keys could then meet equal nonces.
 */
export const make = (name: PatternName, ...pskPositions: ReadonlyArray<number>): Pattern => {
  const hybrid = isHybrid(name)
  const base: Base = isHybrid(name) ? HYBRID[name] : CLASSICAL[name]
  const messages = base.messages.map((tokens) => [...tokens])
  for (const position of pskPositions) {
    const message = messages[Math.max(0, position - 1)]
    if (message === undefined) throw new RangeError(`${name} has no message for psk${position}`)
    if (position === 0) message.unshift("psk")
    else message.push("psk")
  }
  const pattern: Pattern = {
    name: name + pskPositions.map((position) => `psk${position}`).join("+"),
    hybrid,
    responderKnown: base.responderKnown,
    messages,
    psks: pskPositions.length
  }
  assertValid(pattern)
  return pattern
}

/** The sender of message `index`. */
export const senderOf = (index: number): Role => index % 2 === 0 ? "initiator" : "responder"

const assertValid = (pattern: Pattern): void => {
  const gaveRandomness = { initiator: false, responder: false }
  let pskMixed = false
  pattern.messages.forEach((tokens, index) => {
    const sender = senderOf(index)
    for (const token of [...tokens, "payload"] as const) {
      if (token === "psk") pskMixed = true
      if (token === "e" || token === "ekem") gaveRandomness[sender] = true
      const encrypts = token === "s" || token === "skem" || token === "payload"
      if (encrypts && pskMixed && !gaveRandomness[sender]) {
        throw new RangeError(`${pattern.name} encrypts under a pre-shared key before the ${sender} gave randomness`)
      }
      if (token === "skem") gaveRandomness[sender] = true
    }
  })
}
