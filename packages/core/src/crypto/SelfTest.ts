/**
 * The known-answer test that every backend passes before a Layer hands it out (protocol.md §4): a platform that lacks a
 * primitive, or computes another one, is found before it writes a byte that no other device can read.
 *
 * The answers are those of the RFCs named beside them; X-Wing's are the first vector of its draft, and ML-KEM's the half
 * of it that is ML-KEM, as @noble/post-quantum 0.7.1 gives it. The odd Ed25519 signatures are from C2SP/CCTV.
 *
 * Not tested here: Argon2id, which takes 50 to 300 ms at the floor, and encapsulation with randomness that is given,
 * which only reproduced runs ask for (a backend's answers are compared in the test suite); randomness, which has no known
 * answer.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import { type Aead, type Crypto, CryptoUnavailable, type Kem, type Signed } from "../Crypto.ts"
import { fromHex } from "../internal/hex.ts"
import { knownCiphertext } from "../internal/knownCiphertext.ts"

type CryptoService = Crypto["Service"]

/** One primitive and whether it gives its known answers. What it throws counts as a wrong answer. */
interface KnownAnswer {
  readonly primitive: string
  readonly holds: (crypto: CryptoService) => boolean
}

const gives = (actual: Uint8Array | undefined, expected: string): boolean =>
  actual !== undefined && Bytes.toHex(actual) === expected

/** Bytes that count up from `first`. */
const counting = (first: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i)

const ABC = Utf8.encode("abc")

/** RFC 4231 §4.3 */
const JEFE = { key: Utf8.encode("Jefe"), data: Utf8.encode("what do ya want for nothing?") }

const hashes: ReadonlyArray<KnownAnswer> = [
  {
    primitive: "SHA-256", // FIPS 180-4
    holds: ({ sha256 }) => gives(sha256(ABC), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  },
  {
    primitive: "SHA-512",
    holds: ({ sha512 }) =>
      gives(
        sha512(ABC),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
      )
  },
  {
    primitive: "BLAKE3", // its test_vectors.json, empty input; and three bytes, from its reference
    holds: ({ blake3 }) =>
      gives(blake3(Bytes.EMPTY), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262") &&
      gives(blake3(ABC), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85")
  },
  {
    primitive: "HMAC-SHA-256",
    holds: ({ hmac }) =>
      gives(hmac(JEFE.key, JEFE.data), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  },
  {
    primitive: "HMAC-SHA-512",
    holds: ({ hmacSha512 }) =>
      gives(
        hmacSha512(JEFE.key, JEFE.data),
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554" +
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
      )
  },
  {
    primitive: "HKDF-SHA-256", // RFC 5869 A.1
    holds: ({ hkdfExpand, hkdfExtract }) => {
      const pseudoRandomKey = hkdfExtract(counting(0, 13), new Uint8Array(22).fill(0x0b))
      return gives(pseudoRandomKey, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5") &&
        gives(
          hkdfExpand(pseudoRandomKey, counting(0xf0, 10), 42),
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        )
    }
  }
]

/** RFC 8439 §2.8.2 and draft-irtf-cfrg-xchacha-03 A.3.1 share key, associated data and plaintext. */
const SUNSCREEN = Utf8.encode(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)
const AEAD_KEY = counting(0x80, 32)
const AEAD_DATA = fromHex("50515253c0c1c2c3c4c5c6c7")

const isAead = (aead: Aead, nonce: Uint8Array, expected: string): boolean => {
  const sealed = fromHex(expected)
  const opened = aead.open(AEAD_KEY, nonce, AEAD_DATA, sealed)
  const forged = sealed.with(3, 0)
  return gives(aead.seal(AEAD_KEY, nonce, AEAD_DATA, SUNSCREEN), expected) &&
    opened !== undefined && Bytes.equals(opened, SUNSCREEN) &&
    aead.open(AEAD_KEY, nonce, AEAD_DATA, forged) === undefined
}

const ciphers: ReadonlyArray<KnownAnswer> = [
  {
    primitive: "ChaCha20-Poly1305",
    holds: ({ channelAead }) =>
      isAead(
        channelAead,
        fromHex("070000004041424344454647"),
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b" +
          "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
          "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
      )
  },
  {
    primitive: "XChaCha20-Poly1305",
    holds: ({ aead }) =>
      isAead(
        aead,
        counting(0x40, 24),
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39" +
          "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" +
          "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
      )
  }
]

const signed = (publicKey: string, message: string, signature: string): Signed => ({
  publicKey: fromHex(publicKey),
  message: Utf8.encode(message),
  signature: fromHex(signature)
})

/** A has a component of small order. Members can make such keys; verifiers differ about them. */
const MIXED = "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f"

/** RFC 8032 §7.1, test 2. */
const ORDINARY = signed(
  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
  "r",
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)

/** Signatures under the one rule, and what it says of each. */
const RULE: ReadonlyArray<readonly [Signed, boolean]> = [
  [ORDINARY, true],
  [ // CCTV 303: A of small order, though the equation holds
    signed(
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ed25519vectors 5",
      "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506" +
        "05ba9a796274d80437afa36f1236563f2f3b0aa84cecddc3d20914615ba4fe02"
    ),
    false
  ],
  [ // CCTV 51: holds only when multiplied by the cofactor
    signed(
      MIXED,
      "ed25519vectors 3",
      "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506" +
        "030b03796b78f7afeadfccaedc9d09ce6d487d1ece1f16b1ae2b59b7e5c40603"
    ),
    false
  ],
  [ // CCTV 50: holds without it
    signed(
      MIXED,
      "ed25519vectors 5",
      "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a3506" +
        "08f32d206a7c0b7efa9a59e66546e8f1f599ef843fb502c9cc3c4ae8b7c11e05"
    ),
    true
  ]
]

/** What a KEM gives for a seed and a ciphertext; the public key as its SHA-256. */
interface KnownKem {
  readonly seed: Uint8Array
  readonly publicKey: string
  readonly ciphertext: Uint8Array
  readonly sharedSecret: string
}

/** The known answer; and what the backend makes with randomness of its own comes back. */
const isKem = (kem: Kem, { sha256 }: CryptoService, known: KnownKem): boolean => {
  const { publicKey, secretKey } = kem.keyPair(known.seed)
  const made = kem.encapsulate(publicKey)
  return made !== undefined &&
    gives(sha256(publicKey), known.publicKey) &&
    gives(kem.decapsulate(secretKey, known.ciphertext), known.sharedSecret) &&
    gives(kem.decapsulate(secretKey, made.ciphertext), Bytes.toHex(made.sharedSecret))
}

const CIPHERTEXT = knownCiphertext()

/** The ML-KEM that is in X-Wing's vector: the front of its expanded seed, and of its ciphertext. */
const ML_KEM: KnownKem = {
  seed: fromHex(
    "c44829d2b269887f6150dfaee5a25a704cbc607e57d18a2ffc8734633333cff0" +
      "f0fc6fa4e4827531168087ef223e9b070c5a78a789fd46d4c604d69b1139d4da"
  ),
  publicKey: "5a2d6b4ef8e254cbd147fc2434e4979bd82e010ef9624cc5a457dc517c365e7a",
  ciphertext: CIPHERTEXT.subarray(0, 1088),
  sharedSecret: "7631eaf24bcc7ba2d1656d8f53778f8caa5f1ce33180e8ab405b9247eab76dfc"
}

const X_WING: KnownKem = {
  seed: fromHex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"),
  publicKey: "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
  ciphertext: CIPHERTEXT,
  sharedSecret: "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"
}

const publicKeys: ReadonlyArray<KnownAnswer> = [
  {
    primitive: "Ed25519",
    holds: ({ signature }) => {
      const seed = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
      return RULE.every(([one, answer]) => signature.verify(one.publicKey, one.message, one.signature) === answer) &&
        Bytes.equals(signature.keyPair(seed).publicKey, ORDINARY.publicKey) &&
        Bytes.equals(signature.sign(seed, ORDINARY.message), ORDINARY.signature)
    }
  },
  {
    primitive: "X25519", // RFC 7748 §6.1
    holds: ({ x25519 }) => {
      const alice = fromHex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
      const bob = fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
      return gives(
        x25519.keyPair(bob).publicKey,
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
      ) &&
        gives(
          x25519.sharedSecret(bob, alice),
          "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
        ) &&
        x25519.sharedSecret(bob, new Uint8Array(32)) === undefined
    }
  },
  {
    primitive: "ML-KEM-768",
    holds: (crypto) => isKem(crypto.mlKem, crypto, ML_KEM)
  },
  {
    primitive: "X-Wing",
    holds: (crypto) => isKem(crypto.xWing, crypto, X_WING)
  },
  {
    primitive: "ristretto255", // RFC 9496 A.3, first string; A.1, twice the generator
    holds: ({ ristretto, sha512 }) =>
      gives(
        ristretto.fromUniform(sha512(Utf8.encode("Ristretto is traditionally a short shot of espresso coffee"))),
        "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"
      ) &&
      gives(
        ristretto.multiply(
          ristretto.scalar(new Uint8Array(64).with(0, 2)),
          fromHex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
        ),
        "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919"
      )
  },
  {
    primitive: "comparison",
    holds: ({ equal }) => equal(ABC, ABC.slice()) && !equal(ABC, ABC.with(2, 0)) && !equal(ABC, Bytes.EMPTY)
  }
]

const KNOWN_ANSWERS = [...hashes, ...ciphers, ...publicKeys]

const isRight = ({ holds }: KnownAnswer, crypto: CryptoService): boolean => {
  try {
    return holds(crypto)
  } catch {
    return false // what a platform throws for a primitive that it lacks
  }
}

/** The service itself when all its known answers come out; else the first primitive that is wrong. */
export const passed = Effect.fnUntraced(function*(crypto: CryptoService) {
  const unavailable = (primitive: string) => new CryptoUnavailable({ primitive, backend: crypto.backend })
  const wrong = KNOWN_ANSWERS.find((answer) => !isRight(answer, crypto))
  if (wrong !== undefined) return yield* unavailable(wrong.primitive)
  const [ordinary, forged] = yield* crypto.signature.verifyMany([ORDINARY, { ...ORDINARY, message: ABC }])
  if (ordinary !== true || forged !== false) return yield* unavailable("Ed25519 (many)")
  return crypto
})
