/** Runs one vector of the three public formats, brought into one shape, through the Noise engine, byte for byte. */
import { assert } from "@effect/vitest"
import * as Result from "effect/Result"
import type { Cipher } from "../../src/channel/Cipher.ts"
import * as Noise from "../../src/channel/Noise.ts"
import * as Pattern from "../../src/channel/Pattern.ts"
import { parseProtocol } from "./noblePrimitives.ts"

/**
 * A message of a vector, in hex. `hash` is the handshake hash after it, where the vector tells: it covers every byte, so
 * that a long message can be left out.
 */
export interface VectorMessage {
  readonly payload: string
  readonly ciphertext?: string
  readonly hash?: string
}

/** A side's keys and what it draws, in hex. */
export interface VectorSide {
  readonly static?: string
  readonly staticKem?: string
  readonly draws: ReadonlyArray<string>
}

export interface Vector {
  readonly name: string
  readonly prologue: string
  readonly psks: ReadonlyArray<string>
  readonly initiator: VectorSide
  readonly responder: VectorSide
  readonly messages: ReadonlyArray<VectorMessage>
  readonly handshakeHash?: string
}

export const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Random bytes that are the given ones, in order; anything else asked for is a failure. */
const scripted = (draws: ReadonlyArray<string>): (length: number) => Uint8Array => {
  const left = draws.map(fromHex)
  return (length) => {
    const next = left.shift()
    assert.strictEqual(next?.length, length, "a draw of another length")
    return next ?? new Uint8Array(length)
  }
}

const NAMES = ["NN", "NK", "XX", "IK", "hybridNN", "hybridNK", "hybridXX", "hybridIK"] as const

const patternOf = (name: string, psks: ReadonlyArray<number>): Pattern.Pattern => {
  const known = NAMES.find((candidate) => candidate === name)
  if (known === undefined) throw new Error(`no pattern ${name}`)
  return Pattern.make(known, ...psks)
}

/** A side of a vector before its first message. */
const start = (vector: Vector, role: Pattern.Role): Noise.Handshake => {
  const { pattern, primitives, psks } = parseProtocol(vector.name)
  const keyOf = (side: VectorSide) =>
    side.static === undefined
      ? undefined
      : Noise.privateKey(primitives, {
        dh: fromHex(side.static),
        ...(side.staticKem !== undefined && { kem: fromHex(side.staticKem) })
      })
  const local = keyOf(vector[role])
  const responder = keyOf(vector.responder)
  const chosen = patternOf(pattern, psks)
  const draw = scripted(vector[role].draws)
  return Noise.initialize({
    primitives,
    pattern: chosen,
    role,
    prologue: fromHex(vector.prologue),
    random: draw,
    kemRandom: draw,
    psks: vector.psks.map(fromHex),
    ...(local !== undefined && { static: local }),
    ...(chosen.responderKnown && role === "initiator" && responder !== undefined && { remoteStatic: responder.public })
  })
}

const orFail = <A>(result: Result.Result<A, string>): A =>
  Result.isSuccess(result) ? result.success : assert.fail(result.failure)

/** Throws an assertion where the engine and the vector part. */
export const runVector = (vector: Vector): void => {
  let initiator = start(vector, "initiator")
  let responder = start(vector, "responder")
  assert.strictEqual(Noise.protocolName(initiator.options.pattern, initiator.options.primitives), vector.name)
  const steps = initiator.options.pattern.messages.length
  vector.messages.slice(0, steps).forEach((expected, index) => {
    const fromInitiator = index % 2 === 0
    const written = orFail(Noise.write(fromInitiator ? initiator : responder, fromHex(expected.payload)))
    assert.isDefined(expected.ciphertext ?? expected.hash)
    if (expected.ciphertext !== undefined) {
      assert.strictEqual(toHex(written.message), expected.ciphertext, `message ${index + 1}`)
    }
    const got = orFail(Noise.read(fromInitiator ? responder : initiator, written.message))
    assert.strictEqual(toHex(got.payload), expected.payload)
    initiator = fromInitiator ? written.handshake : got.handshake
    responder = fromInitiator ? got.handshake : written.handshake
    if (expected.hash !== undefined) assert.strictEqual(toHex(initiator.symmetric.hash), expected.hash)
  })
  const left = Noise.finish(initiator) ?? assert.fail("not finished")
  const right = Noise.finish(responder) ?? assert.fail("not finished")
  assert.deepStrictEqual(left.handshakeHash, right.handshakeHash)
  if (vector.handshakeHash !== undefined) assert.strictEqual(toHex(left.handshakeHash), vector.handshakeHash)
  vector.messages.slice(steps).forEach((expected, index) => {
    const fromInitiator = (steps + index) % 2 === 0
    transport(fromInitiator ? left.send : right.send, fromInitiator ? right.receive : left.receive, expected)
  })
}

const transport = (send: Cipher, receive: Cipher, expected: VectorMessage): void => {
  const sealed = send.seal(fromHex(expected.payload))
  assert.strictEqual(toHex(sealed), expected.ciphertext)
  assert.strictEqual(toHex(receive.open(sealed) ?? assert.fail("does not open")), expected.payload)
}
