import { assert, describe, it } from "@effect/vitest"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as Portable from "../../src/crypto/Portable.ts"
import * as Cpace from "../../src/pairing/Cpace.ts"

const crypto = Portable.make({ random: (length) => new Uint8Array(length) })

const hex = (text: string): Uint8Array => Result.getOrThrow(Hex.decode(text.toLowerCase()))

/** draft-irtf-cfrg-cpace-21, appendix B.3 (ristretto255, SHA-512). */
const VECTOR = {
  password: hex("50617373776F7264"),
  channel: hex("0B415F696E69746961746F720B425F726573706F6E646572"),
  session: hex("7E4B4791D6A8EF019B936C79FB7F2C57"),
  scalarA: hex("DA3D23700A9E5699258AEF94DC060DFDA5EBB61F02A5EA77FAD53F4FF0976D08"),
  dataA: hex("414461"),
  elementA: hex("D6BAC480F2C386C394EFC7C47ADB9925DCD2630B64F240C50F8D0EEC482B9157"),
  scalarB: hex("D2316B454718C35362D83D69DF6320F38578ED5984651435E2949762D900B80D"),
  dataB: hex("414462"),
  elementB: hex("3EA7E0B19560D7C0B0F5734F63B955286DFA8232B5EBE63324E2D9E7433F7258"),
  key: "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd" +
    "2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"
}

const initiator = { element: VECTOR.elementA, data: VECTOR.dataA }
const responder = { element: VECTOR.elementB, data: VECTOR.dataB }

describe("Cpace", () => {
  it("gives the draft's shares and key on both sides", () => {
    assert.deepStrictEqual(Cpace.element(crypto, VECTOR, VECTOR.scalarA), VECTOR.elementA)
    assert.deepStrictEqual(Cpace.element(crypto, VECTOR, VECTOR.scalarB), VECTOR.elementB)
    const { session } = VECTOR
    const a = Cpace.sharedKey(crypto, {
      session,
      scalar: VECTOR.scalarA,
      remote: VECTOR.elementB,
      initiator,
      responder
    })
    const b = Cpace.sharedKey(crypto, {
      session,
      scalar: VECTOR.scalarB,
      remote: VECTOR.elementA,
      initiator,
      responder
    })
    assert.strictEqual(a === undefined ? undefined : Hex.encode(a), VECTOR.key)
    assert.strictEqual(b === undefined ? undefined : Hex.encode(b), VECTOR.key)
  })

  it("refuses the draft's invalid elements", () => {
    for (
      const invalid of [
        "2B3C6B8C4F3800E7AEF6864025B4ED79BD599117E427C41BD47D93D654B4A51C",
        "0000000000000000000000000000000000000000000000000000000000000000"
      ]
    ) {
      const remote = hex(invalid)
      const { scalarA: scalar, session } = VECTOR
      assert.isUndefined(Cpace.sharedKey(crypto, { session, scalar, remote, initiator, responder }), invalid)
    }
  })

  it("gives other keys for another password, channel, session or data", () => {
    const elementFor = (setting: Cpace.Setting) => Hex.encode(Cpace.element(crypto, setting, VECTOR.scalarA))
    const other = Uint8Array.of(1)
    const elements = new Set([
      elementFor(VECTOR),
      elementFor({ ...VECTOR, password: other }),
      elementFor({ ...VECTOR, channel: other }),
      elementFor({ ...VECTOR, session: other })
    ])
    assert.strictEqual(elements.size, 4)
    const { scalarA: scalar, session } = VECTOR
    const remote = VECTOR.elementB
    const key = Cpace.sharedKey(crypto, { session, scalar, remote, initiator, responder })
    const moved = Cpace.sharedKey(crypto, {
      session,
      scalar,
      remote,
      initiator: { ...initiator, data: other },
      responder
    })
    assert.notDeepEqual(key, moved)
  })

  it("confirms one share with one key only", () => {
    const { session } = VECTOR
    const key = hex(VECTOR.key)
    const tag = Cpace.confirmation(crypto, { session, key, party: initiator })
    assert.lengthOf(tag, 64)
    assert.notDeepEqual(tag, Cpace.confirmation(crypto, { session, key, party: responder }))
    assert.notDeepEqual(
      tag,
      Cpace.confirmation(crypto, { session, key: key.map((byte) => byte ^ 1), party: initiator })
    )
  })
})
