/**
 * A handful of the public Noise vectors, so that the engine is held to them where the full sets are not at hand. Sources:
 * haskell-cryptography/cacophony 8ee9d41 vectors/cacophony.txt; mcginty/snow 8ac60f5 tests/vectors/snow.txt (Apache-2.0 or
 * MIT); shurlinet/go-clatter 77c45a1 vectors/ (MIT), made by jmlepisto/clatter 2.2.0, its long messages by their hash.
 */
import type { Vector } from "./vectorRun.ts"

/** From cacophony, snow and clatter 2.2. */
export const CARRIED: ReadonlyArray<Vector> = [
  {
    name: "Noise_NK_25519_ChaChaPoly_SHA256",
    prologue: "4a6f686e2047616c74",
    psks: [],
    initiator: {
      draws: [
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"
      ]
    },
    responder: {
      static: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
      draws: [
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"
      ]
    },
    messages: [
      {
        payload: "4c756477696720766f6e204d69736573",
        ciphertext: "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79448134d00711fdb390a0d178fa008f6d47" +
          "d2891e5ea18ae136c3b4c23ac384efb0"
      },
      {
        payload: "4d757272617920526f746862617264",
        ciphertext: "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088438ea16e3701bc0d77744f117bee22451c" +
          "9afa7f4cdbbcff00c04a8ee0913c88"
      },
      {
        payload: "462e20412e20486179656b",
        ciphertext: "a62de29ce27cb80245d440d986ed816c156e9d757d7008df2198b0"
      },
      {
        payload: "4361726c204d656e676572",
        ciphertext: "174a35f11c689f4530d7208618e0564ae12f2f50ba8eb4df5382ff"
      },
      {
        payload: "4a65616e2d426170746973746520536179",
        ciphertext: "337e475ebb8eae60f91974c4e455a5af38d1d8628d1803b160d60442874b0a1777"
      },
      {
        payload: "457567656e2042f6686d20766f6e2042617765726b",
        ciphertext: "047e80e060b7bb08b53c5a23dfe9920cae135b9d1dc6302fc475003062723700366346ac9d"
      }
    ],
    handshakeHash: "2efa38a9c7c93ac98f3a097af25c2f58b9e7673787717bc27e98827118c2c1a5"
  },
  {
    name: "Noise_NNpsk0_25519_ChaChaPoly_SHA256",
    prologue: "4a6f686e2047616c74",
    psks: [
      "54686973206973206d7920417573747269616e20706572737065637469766521"
    ],
    initiator: {
      draws: [
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"
      ]
    },
    responder: {
      draws: [
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"
      ]
    },
    messages: [
      {
        payload: "4c756477696720766f6e204d69736573",
        ciphertext: "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c794479b962b8aff8485742ac32f905ba4536" +
          "9e2465fb59e138a93d67a0d1266b6a54"
      },
      {
        payload: "4d757272617920526f746862617264",
        ciphertext: "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d6062704d5a9c422a8e834423f8c1fea" +
          "da7e8d0d910a1a2cd030fb584221e3"
      },
      {
        payload: "462e20412e20486179656b",
        ciphertext: "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f"
      },
      {
        payload: "4361726c204d656e676572",
        ciphertext: "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e"
      },
      {
        payload: "4a65616e2d426170746973746520536179",
        ciphertext: "e2fa0bed0603b62d3ccac2ecabbf3fe33f3e86514909b323361626266cb2471cc8"
      },
      {
        payload: "457567656e2042f6686d20766f6e2042617765726b",
        ciphertext: "0c01dc9cec1fe4ddd692e8dd32188aa351088dc91183639a53b57aa4692b5ebdef8b8ca111"
      }
    ],
    handshakeHash: "f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf"
  },
  {
    name: "Noise_XXpsk3_25519_AESGCM_BLAKE2b",
    prologue: "4a6f686e2047616c74",
    psks: [
      "54686973206973206d7920417573747269616e20706572737065637469766521"
    ],
    initiator: {
      static: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
      draws: [
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"
      ]
    },
    responder: {
      static: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
      draws: [
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"
      ]
    },
    messages: [
      {
        payload: "4c756477696720766f6e204d69736573",
        ciphertext: "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79441a0e6699152df30e64f4b6f837d14a26" +
          "37d11f8d7aee7c0ea249dfe0b3bb12d4"
      },
      {
        payload: "4d757272617920526f746862617264",
        ciphertext: "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843e64bfb36e532b1b83415d4d9eeae4118" +
          "3f9115b8a4a9a9b86fd8d8755da5f627aa633ae1065631b282e5b160ece8f2901adb7b7e96e1a656dab14a7b2c70202d" +
          "649dab622c9cf613218f6d8fe01629"
      },
      {
        payload: "462e20412e20486179656b",
        ciphertext: "cb93fef33078034e315683070c27007f40c2e3a34aa89d942cf0a1b51d2b516a4ef34ec5f53c51c9904c32d0c83fab4c" +
          "686bf72f9c63251ff96f3efea03a4dad1e0331dfa7feb5915c13b4"
      },
      {
        payload: "4361726c204d656e676572",
        ciphertext: "44970d8d4a48d23bb9df738f2f5999229dcd8414071b58dda13da2"
      },
      {
        payload: "4a65616e2d426170746973746520536179",
        ciphertext: "ceac947046dca00efd5642fd8297729740d01d48ffce8b467dd6e2823d9e673f2c"
      },
      {
        payload: "457567656e2042f6686d20766f6e2042617765726b",
        ciphertext: "9df434e314412ea96c7958a07bc4ef2172cd998ed9ff8a6f078fec4786c3a41ae59fe0fed4"
      }
    ],
    handshakeHash: "e5b822a41359ba23258f1ccc02d2ee978c90352916b1c8b6334d16cc5f9f0a1b2604b99897a4b0262e64561e0fc44280" +
      "33a5a0b8922c00105b98b3c8a264fd60"
  },
  {
    name: "Noise_IK_25519_ChaChaPoly_BLAKE2s",
    prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e" +
      "6420626f72696e672e",
    psks: [],
    initiator: {
      static: "b7e117ce8ede06ceb89500799a3778d097fc54a3f90bea744493dfc24ec21f32",
      draws: [
        "cc95b4ccc4912c5a52c8d2f6b808e13712392c4468f4e3f02a7d2d1590cb9178"
      ]
    },
    responder: {
      static: "e3187f5c10734e934be3a73c398c7fae07ba3e0cde2fcd9ab03a1c93dcae10f8",
      draws: [
        "587f83fe736432043d2665fbd47b0506b2cd103b6ba8577f72e117c7ffeb5105"
      ]
    },
    messages: [
      {
        payload: "910ef4a7c04090f66403fcd8ffaed066e70ed38b576792c4a554cc5016fe5120",
        ciphertext: "df44a475167152d3e4767b9ad5b28468fb8bd6aaa0b0e7181afd87ede7a8c971e818de301c97393bfa71ac250becfc8a" +
          "cef64a969e039f407fe44c5ffc3d66d94ff57627ad4cc53882a1b2993babac3940edd1eaff34a3d3f08c53570166b3d2" +
          "9d06bd5de3cfb9b85b66001a60a5bb98d72b80da9485655f86db72b46f745c4e"
      },
      {
        payload: "3ce1e4d6e5f02bfeea1d6620cbf1473b5f55372d6954e98d3e12b6ffd04879d5",
        ciphertext: "2818be348d38de5f9e3ef545c62e8e276c12e2a64410801a0284e02dfb0d450a848d1001977ef31dfe04b5c824acc04c" +
          "7bda8490eab6cb6aaa844c4ddf0fda83ec84ed26cd6bee22fab17360b73de5b8"
      },
      {
        payload: "31e7554ebce419a76bf5cd464e00594ccf55bdc09c234c450850d26ab164238c",
        ciphertext: "89545eb9b2477d482156692214def7d5aecc00b9244b4435bdb768173841d2a2a2e52bcee32d64fe938c87594b17ee69"
      },
      {
        payload: "794f643ba08cc7ee7aa39bc055560a0850dbc77bf34d8ab22019bf160ab2c573",
        ciphertext: "fe35983c049b535cf9ca61cfad5b48e461da90c7c51cb5b873be10e58ae34a384aaebba7f96958b0ef0ac043c5e9c622"
      }
    ]
  },
  {
    name: "Noise_hybridXX_25519+MLKEM768_ChaChaPoly_SHA256",
    prologue: "5374756d626c696e6720616c6c2061726f756e64",
    psks: [],
    initiator: {
      static: "eff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e",
      staticKem: "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e" +
        "5f606162636465666768696a6b6c6d6e",
      draws: [
        "afb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdce",
        "cfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfe" +
        "ff000102030405060708090a0b0c0d0e",
        "8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadae"
      ]
    },
    responder: {
      static: "0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e",
      staticKem: "6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e" +
        "9fa0a1a2a3a4a5a6a7a8a9aaabacadae",
      draws: [
        "0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e",
        "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e",
        "4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e" +
        "7f808182838485868788898a8b8c8d8e",
        "afb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdce"
      ]
    },
    messages: [
      {
        payload: "",
        hash: "3c735b057fd0c5ac5b0a522ce7ea7e24ca0be14c3f85be45961e4f791a114f18"
      },
      {
        payload: "",
        hash: "c98910930b2962a69084a4648ede2ae39618d43ffbd8f50198149004be290e74"
      },
      {
        payload: "",
        hash: "242bd0fb3e58b5b99ee999cd26fb2ec1e4e92947f8e950d5703a7aece368a366"
      },
      {
        payload: "",
        hash: "674728ee52ec8810ef11a8f6e6ed70b6d1367d4f441fbcae741c69e86d5f597a"
      },
      {
        payload: "53637265616d20776974686f7574206120736f756e64",
        ciphertext: "3fe3f54e7165e5dea10c071c34deacf11b5c5028a9cd9f1f87026864c2d5993b99a95c09d19b"
      },
      {
        payload: "466c79696e67206f6666207468652068616e646c65",
        ciphertext: "45eadb3978b89caa828a4cedde1fc930dc62dfeeea6e1ad9a2f562c6dd3a3c52a04b798718"
      },
      {
        payload: "457567656e652067656e65207468652064616e6365206d616368696e65",
        ciphertext: "c9b0f42dac8130b3800983d2fe898fbb38f085d12ca37bdcb9361613816ea5badb93a91b06fe1d548105c95702"
      }
    ]
  },
  {
    name: "Noise_hybridIK_25519+MLKEM768_AESGCM_SHA512",
    prologue: "5374756d626c696e6720616c6c2061726f756e64",
    psks: [],
    initiator: {
      static: "eff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e",
      staticKem: "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e" +
        "5f606162636465666768696a6b6c6d6e",
      draws: [
        "afb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdce",
        "cfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedee",
        "eff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e" +
        "1f202122232425262728292a2b2c2d2e"
      ]
    },
    responder: {
      static: "0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e",
      staticKem: "6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e" +
        "9fa0a1a2a3a4a5a6a7a8a9aaabacadae",
      draws: [
        "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e",
        "4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e",
        "6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e",
        "8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe" +
        "bfc0c1c2c3c4c5c6c7c8c9cacbcccdce"
      ]
    },
    messages: [
      {
        payload: "",
        hash: "d7c93921e9aac411b312e78d0134b2f0064385a10bd2b0b24bab5ba6567d173cc6132d43eb22a6d194aa820de2d3e3f7" +
          "a7e664f5fc53ba8896b180dc7f7db5f5"
      },
      {
        payload: "",
        hash: "6163f5da2b69ee0adaa70b95ab62ec1f6ce1701a6870ebe4ba64c95e651db78d212e8bf40ba54fa8916463d156c793e7" +
          "34d098997797f87e4f3d1981e5bca511"
      },
      {
        payload: "53637265616d20776974686f7574206120736f756e64",
        ciphertext: "10e725595122e8879c64349236931c0c422ebbb722b374b0cf43c1b0c56d5a800e3a16dbc247"
      },
      {
        payload: "466c79696e67206f6666207468652068616e646c65",
        ciphertext: "f1f4aec0e4e7578c8e896ffb2562cd382ca7f0cf480989d55ce84fb6187f7d5007017514ac"
      },
      {
        payload: "457567656e652067656e65207468652064616e6365206d616368696e65",
        ciphertext: "568eda026cf813e5870d0574788e0d18cdee233def2d58085526a0d1a1724d7ce6864a1364a5d50de0a3e8c66a"
      }
    ]
  }
]

/**
 * Our own, frozen: no public vector has these two patterns. Noise.test.ts derives both a second time, by hand. The draws
 * count on: 00, 01, 02, …
 */
export const OWN: ReadonlyArray<Vector> = [
  {
    name: "Noise_hybridNK_25519+MLKEM768_ChaChaPoly_SHA256",
    prologue: "736f74746f",
    psks: [],
    initiator: {
      draws: [
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf" +
        "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
      ]
    },
    responder: {
      static: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
      staticKem: "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f" +
        "505152535455565758595a5b5c5d5e5f",
      draws: [
        "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f" +
        "505152535455565758595a5b5c5d5e5f"
      ]
    },
    messages: [
      {
        payload: "",
        hash: "7ce80e9edabf694a4a6de39f44e842824bc1ab8f281707358991e74db1645575"
      },
      {
        payload: "",
        hash: "6180703fce1a206b61ecbd8b1dac3dbf5aac0da004d8dfe93a4878a75c12205d"
      },
      {
        payload: "696e69746961746f722073617973",
        ciphertext: "93c5066210fb85775f47896d577ec38a770a8a4726b257018c893b8c8831"
      },
      {
        payload: "726573706f6e6465722073617973",
        ciphertext: "824022fc16595c2471b4846ad6c5e1d66f639eeb939054bb49d0f0da9ea9"
      }
    ],
    handshakeHash: "6180703fce1a206b61ecbd8b1dac3dbf5aac0da004d8dfe93a4878a75c12205d"
  },
  {
    name: "Noise_hybridNNpsk0_25519+MLKEM768_ChaChaPoly_SHA256",
    prologue: "736f74746f",
    psks: [
      "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
    ],
    initiator: {
      draws: [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f" +
        "505152535455565758595a5b5c5d5e5f"
      ]
    },
    responder: {
      draws: [
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf" +
        "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
      ]
    },
    messages: [
      {
        payload: "",
        hash: "75c132e18e04bbcc930f4edea7f54552eec1d883225fb30cb9b8d43ae405a122"
      },
      {
        payload: "",
        hash: "03f93ea2707022ace603b1fa81eb2d687b09bd5315d9c0a9103c349df1c39db1"
      },
      {
        payload: "696e69746961746f722073617973",
        ciphertext: "a378e624ff6397b50c955507dacbfa677b56c6cce36115863a928f7e0885"
      },
      {
        payload: "726573706f6e6465722073617973",
        ciphertext: "470907a47968b49f7edc51c48b576dab8693ba7564ca9cefc66a66a190af"
      }
    ],
    handshakeHash: "03f93ea2707022ace603b1fa81eb2d687b09bd5315d9c0a9103c349df1c39db1"
  }
]
