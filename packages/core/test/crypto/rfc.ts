/** Published answers for one primitive each, as hex unless said otherwise. */
import mlKemVectors from "./vectors/mlkem768.json" with { type: "json" }
import xWingVectors from "./vectors/xwing.json" with { type: "json" }

/** RFC 5869, appendix A.1 to A.3. */
export const hkdf = [
  {
    inputKey: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    pseudoRandomKey: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
    output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
  },
  {
    inputKey: counting(0x00, 80),
    salt: counting(0x60, 80),
    info: counting(0xb0, 80),
    pseudoRandomKey: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
    output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
      "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
  },
  {
    inputKey: "0b".repeat(22),
    salt: "",
    info: "",
    pseudoRandomKey: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
    output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
  }
]

/** RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
export const hmac = [
  {
    key: "0b".repeat(20),
    data: "4869205468657265",
    sha256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    sha512: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde" +
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
  },
  {
    key: "4a656665",
    data: "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
    sha256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    sha512: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554" +
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
  },
  {
    key: "aa".repeat(131),
    data: Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First").toString("hex"),
    sha256: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    sha512: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352" +
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
  }
]

/** RFC 8032, section 7.1, tests 1 to 3. */
export const ed25519 = [
  {
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
  },
  {
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
  },
  {
    seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
  }
]

/** RFC 7748, section 5.2 (scalar and u), and 6.1 (Bob's secret key, Alice's public one). */
export const x25519 = [
  {
    secretKey: "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    publicKey: "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
    sharedSecret: "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
  },
  {
    secretKey: "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
    publicKey: "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
    sharedSecret: "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
  },
  {
    secretKey: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    publicKey: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    sharedSecret: "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
  }
]

/** RFC 7748, section 5.2: after one and after a thousand rounds of k, u = X25519(k, u), k. */
export const x25519Iterated = {
  once: "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
  thousand: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"
}

const sunscreen = {
  key: counting(0x80, 32),
  data: "50515253c0c1c2c3c4c5c6c7",
  plaintext: Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
  ).toString("hex")
}

/** RFC 8439, section 2.8.2. */
export const chacha20Poly1305 = {
  ...sunscreen,
  nonce: "070000004041424344454647",
  sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b" +
    "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
    "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
}

/** draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
export const xchacha20Poly1305 = {
  ...sunscreen,
  nonce: counting(0x40, 24),
  sealed: "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39" +
    "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" +
    "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
}

/** draft-irtf-cfrg-xchacha-03, section 2.2.1. */
export const hchacha20 = {
  key: counting(0, 32),
  nonce: "000000090000004a0000000031415927",
  subkey: "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
}

/** RFC 9106, section 5.3 (with a secret and associated data, which `Crypto` does not offer). */
export const argon2id = {
  password: "01".repeat(32),
  salt: "02".repeat(16),
  secret: "03".repeat(8),
  data: "04".repeat(12),
  iterations: 3,
  memoryKib: 32,
  parallelism: 4,
  tag: "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
}

/** At the floor; noble, hash-wasm 4.13 and OpenSSL 3.5 agree on it. */
export const argon2idFloor = {
  password: Buffer.from("correct horse battery staple").toString("hex"),
  salt: counting(0, 16),
  tag: "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085"
}

/** RFC 9496, appendix A.1: multiples 0 to 4 of the generator. */
export const ristrettoMultiples = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
  "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
  "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
  "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57"
]

/** RFC 9496, appendix A.2: not canonical, negative, or on no point. */
export const ristrettoInvalid = [
  "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"
]

/** RFC 9496, appendix A.3: SHA-512 of the text gives the uniform bytes. */
export const ristrettoFromUniform = [
  {
    text: "Ristretto is traditionally a short shot of espresso coffee",
    element: "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"
  },
  {
    text: "made with the normal amount of ground coffee but extracted with",
    element: "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b"
  }
]

/** BLAKE3-team/BLAKE3 test_vectors.json: input byte i is i mod 251. */
export const blake3 = [
  { length: 0, hash: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" },
  { length: 1, hash: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213" },
  { length: 63, hash: "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b" },
  { length: 64, hash: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98" },
  { length: 1024, hash: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7" },
  { length: 1025, hash: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444" },
  { length: 31744, hash: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47" }
]

interface KemCase {
  readonly seed: string
  readonly randomness?: string
  readonly publicKey: string
  readonly ciphertext: string
  readonly sharedSecret: string
}

/** An ordinary case, and one whose ciphertext was changed: implicit rejection gives another secret. */
export const mlKem: ReadonlyArray<KemCase> = mlKemVectors.cases
export const xWing: ReadonlyArray<KemCase> = xWingVectors.cases

/** Hex of bytes that count up from `first`. */
function counting(first: number, length: number): string {
  return Buffer.from(Array.from({ length }, (_, i) => first + i)).toString("hex")
}
