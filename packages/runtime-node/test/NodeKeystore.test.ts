import { assert, describe, it } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import { Keystore, type KeystoreFailed } from "@sotto/core/Keystore"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeKeystore from "@sotto/runtime-node/NodeKeystore"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { temporaryDirectory } from "./kit/temporary.ts"

const COST = { memoryKib: 19 * 1024, iterations: 2 }
const secret = Uint8Array.of(1, 2, 3, 4)

const file = Effect.map(temporaryDirectory, (directory) => {
  mkdirSync(directory, { mode: 0o700 })
  return join(directory, "device.key")
})

const at = (path: string, options: { passphrase?: string; create?: boolean; cost?: typeof COST } = {}) => {
  const { cost = COST, create = true, passphrase } = options
  return NodeKeystore.layer({
    file: path,
    create,
    cost,
    ...(passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) })
  })
}
const within = <A, E>(layer: Layer.Layer<Keystore, KeystoreFailed, Crypto>, use: Effect.Effect<A, E, Keystore>) =>
  Effect.provide(use, layer, { local: true })
const seal = Keystore.use((keystore) => keystore.seal("device", secret))
const open = (sealed: Uint8Array, name = "device") => Keystore.use((keystore) => keystore.open(name, sealed))
const reason = <A, R>(effect: Effect.Effect<A, KeystoreFailed, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

describe("NodeKeystore", () => {
  it.layer(NodeCrypto.layer)((it) => {
    it.effect("what was sealed opens after a restart, under its own name only", () =>
      Effect.gen(function*() {
        const path = yield* file
        const sealed = yield* within(at(path), seal)
        assert.strictEqual((statSync(path).mode & 0o777).toString(8), "600")
        assert.deepStrictEqual(yield* within(at(path, { create: false }), open(sealed)), secret)
        assert.strictEqual(yield* reason(within(at(path), open(sealed, "other"))), "wrongKey")
        assert.strictEqual(yield* reason(within(at(path), open(sealed.subarray(0, 20)))), "changed")
        const changed = sealed.slice()
        changed[30] = (changed[30] ?? 0) ^ 1
        assert.strictEqual(yield* reason(within(at(path), open(changed))), "wrongKey")
        assert.notDeepEqual(yield* within(at(path), seal), sealed)
        assert.deepStrictEqual(readdirSync(dirname(path)), ["device.key"])
      }))

    it.effect("another key does not open it", () =>
      Effect.gen(function*() {
        const sealed = yield* within(at(yield* file), seal)
        assert.strictEqual(yield* reason(within(at(yield* file), open(sealed))), "wrongKey")
      }))

    it.effect("a missing file is not made unless that was asked for", () =>
      Effect.gen(function*() {
        const path = yield* file
        assert.strictEqual(yield* reason(within(at(path, { create: false }), seal)), "missing")
        assert.isFalse(existsSync(path))
      }))

    it.effect("a file that others may read is refused and not changed", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* within(at(path), seal)
        const before = readFileSync(path)
        chmodSync(path, 0o640)
        assert.strictEqual(yield* reason(within(at(path), seal)), "exposed")
        assert.deepStrictEqual([readFileSync(path), statSync(path).mode & 0o777], [before, 0o640])
      }))

    it.effect("a damaged file is never replaced by a new key", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* within(at(path), seal)
        const text = readFileSync(path, "utf8")
        const flipped = text.replace(/.(?=.{20}\n)/, (digit) => digit === "0" ? "1" : "0")
        for (
          const damaged of ["", "hello", text.slice(0, 40), flipped, text.replace("key-1", "key-2"), "x".repeat(5000)]
        ) {
          writeFileSync(path, damaged)
          assert.include(["damaged", "unreadable"], yield* reason(within(at(path), seal)))
          assert.strictEqual(readFileSync(path, "utf8"), damaged)
        }
        writeFileSync(path, text)
        yield* within(at(path), seal)
      }))

    it.effect("a passphrase closes the key, in any spelling of its letters", () =>
      Effect.gen(function*() {
        const path = yield* file
        const sealed = yield* within(at(path, { passphrase: "caf\u00e9 au lait" }), seal)
        assert.strictEqual(yield* reason(within(at(path), seal)), "passphraseNeeded")
        assert.strictEqual(yield* reason(within(at(path, { passphrase: "tea" }), seal)), "passphraseWrong")
        assert.deepStrictEqual(yield* within(at(path, { passphrase: "cafe\u0301 au lait" }), open(sealed)), secret)
      }))

    it.effect("parameters below the floor are refused, when a key is made and when it is read", () =>
      Effect.gen(function*() {
        const path = yield* file
        const weak = { memoryKib: 1024, iterations: 1 }
        const refused = yield* reason(within(at(path, { passphrase: "tea", cost: weak }), seal))
        assert.strictEqual(refused, "parameters")
        assert.isFalse(existsSync(path))
      }))

    it.effect("a passphrase is changed and taken off; the key stays", () =>
      Effect.gen(function*() {
        const path = yield* file
        const sealed = yield* within(at(path, { passphrase: "one" }), seal)
        const one = Redacted.make("one"), two = Redacted.make("two")
        assert.strictEqual(
          yield* reason(NodeKeystore.changePassphrase({ file: path, before: two, after: two, cost: COST })),
          "passphraseWrong"
        )
        yield* NodeKeystore.changePassphrase({ file: path, before: one, after: two, cost: COST })
        assert.strictEqual(yield* reason(within(at(path, { passphrase: "one" }), seal)), "passphraseWrong")
        assert.deepStrictEqual(yield* within(at(path, { passphrase: "two" }), open(sealed)), secret)
        yield* NodeKeystore.changePassphrase({ file: path, before: two })
        assert.deepStrictEqual(yield* within(at(path), open(sealed)), secret)
      }))

    it.effect("no key and no passphrase is in the file's errors, nor the key in a file with a passphrase", () =>
      Effect.gen(function*() {
        const open_ = yield* file, closed = yield* file
        const crypto = yield* Crypto
        const key = new Uint8Array(32).fill(0x5a)
        const fixed = Crypto.of({ ...crypto, random: (length) => length === 32 ? key.slice() : crypto.random(length) })
        const withKey = <A, E>(effect: Effect.Effect<A, E, Crypto>) => Effect.provideService(effect, Crypto, fixed)
        yield* withKey(within(at(open_), seal))
        assert.include(readFileSync(open_, "utf8"), "5a".repeat(32))
        yield* withKey(within(at(closed, { passphrase: "canary-passphrase" }), seal))
        assert.notInclude(readFileSync(closed, "utf8"), "5a".repeat(8))
        const failure = yield* Effect.flip(within(at(closed, { passphrase: "canary-wrong" }), seal))
        assert.notInclude(JSON.stringify(failure) + failure.message, "canary")
      }))
  })

  it("lies beside the data, or where the environment says", () => {
    assert.strictEqual(NodeKeystore.fileOf("/data", {}), "/data/device.key")
    assert.strictEqual(NodeKeystore.fileOf("/data", { SOTTO_KEY_FILE: "/mnt/key" }), "/mnt/key")
  })
})
