/** Secret bytes show in no text, log, span or error, and are zero after their end. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto, CryptoUnavailable, EntropyUnavailable, PasswordParametersRefused } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as Secret from "@sotto/core/Secret"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

/** 32 bytes that nothing prints by chance, and the ways in which bytes are printed, without white space. */
const MARK = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i)
const TRACES = [
  Buffer.from(MARK).toString("hex"),
  Buffer.from(MARK).toString("base64").slice(0, 20),
  Buffer.from(MARK).toString("latin1").replace(/\s/g, ""),
  [...MARK.subarray(0, 8)].join(),
  [...MARK.subarray(0, 8)].map((byte) => byte.toString(16)).join(""),
  `"0":${MARK[0]},"1":${MARK[1]}`
]

const shows = (text: string): boolean => {
  const dense = text.replace(/\s/g, "")
  return TRACES.some((trace) => dense.includes(trace))
}

const json = (value: unknown): string =>
  JSON.stringify(value, (_, field) => typeof field === "bigint" ? String(field) : field) ?? ""

/** Every way in which a value becomes text. */
const texts = (value: unknown): ReadonlyArray<string> => [
  String(value),
  json(value),
  json({ inside: [value] }),
  inspect(value, { depth: 20, showHidden: true, getters: true }),
  inspect({ inside: [value] }, { depth: 20 })
]

const make = () => Secret.make(MARK.slice())

describe("Secret", () => {
  it("the traces find bytes that are not secret", () => {
    for (const text of [...texts(MARK), ...texts(Buffer.from(MARK)).slice(1), Buffer.from(MARK).toString("hex")]) {
      assert.isTrue(shows(text), text)
    }
  })

  it("gives its bytes to reveal and to nothing else", () => {
    const secret = make()
    assert.deepStrictEqual(Secret.reveal(secret), MARK)
    for (const text of texts(secret)) {
      assert.isFalse(shows(text), text)
      assert.include(text, "redacted")
    }
  })

  it("takes the array over, and fills it with zeros", () => {
    const bytes = MARK.slice()
    const secret = Secret.make(bytes)
    assert.strictEqual(Secret.reveal(secret), bytes)
    Secret.wipe(secret)
    assert.deepStrictEqual(bytes, new Uint8Array(32))
    assert.throws(() => Secret.reveal(secret))
    Secret.wipe(secret)
    assert.isTrue(Redacted.isRedacted(secret))
  })

  it.effect("is wiped with its scope: after success, failure and interruption", () =>
    Effect.gen(function*() {
      for (const exit of [Exit.void, Exit.fail("no"), Exit.interrupt(1)]) {
        const bytes = MARK.slice()
        const scope = yield* Scope.make()
        const secret = yield* Scope.provide(Secret.scoped(bytes), scope)
        assert.deepStrictEqual(Secret.reveal(secret), MARK)
        yield* Scope.close(scope, exit)
        assert.deepStrictEqual(bytes, new Uint8Array(32))
      }
    }))

  it.effect("is in no log and no span", () =>
    Effect.gen(function*() {
      const secret = make()
      const logged: Array<string> = []
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const loggers = [Logger.formatJson, Logger.formatLogFmt, Logger.formatSimple].map((format) =>
        Logger.map(format, (line) => logged.push(line))
      )
      yield* Effect.logInfo("opened", secret, { secret }).pipe(
        Effect.annotateLogs({ secret }),
        Effect.annotateSpans({ secret }),
        Effect.withSpan("unwrap", { attributes: { secret } }),
        Effect.andThen(Effect.fail({ _tag: "Failed", secret })),
        Effect.tapCause((cause) => Effect.logError("failed", cause)),
        Effect.withSpan("outer", { attributes: { key: [secret] } }),
        Effect.ignore,
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provide(Logger.layer(loggers))
      )
      assert.strictEqual(logged.length, 6)
      assert.strictEqual(spans.length, 2)
      const text = [
        ...logged,
        ...spans.flatMap((span) => [...texts(span), ...texts([...span.attributes])])
      ].join("\n")
      assert.include(text, "redacted")
      assert.isFalse(shows(text), text)
    }))

  it.effect("is in no error of Crypto, nor in what a wrong argument dies of", () =>
    Effect.gen(function*() {
      const crypto = Portable.make({ random: () => MARK.slice(1) })
      const failures: Array<unknown> = [
        new CryptoUnavailable({ primitive: "SHA-256", backend: "test" }),
        new EntropyUnavailable(),
        new PasswordParametersRefused({ memoryKib: 1, iterations: 1, parallelism: 1, saltBytes: 32 }),
        yield* Effect.flip(crypto.passwordKey(MARK, { memoryKib: 8, iterations: 1, parallelism: 1, salt: MARK })),
        Cause.die(new Error("a cause")),
        yield* Effect.sandbox(Secret.randomBytes(32)).pipe(Effect.provideService(Crypto, crypto), Effect.flip)
      ]
      const long = new Uint8Array([...MARK, ...MARK, ...MARK])
      for (
        const wrong of [
          () => crypto.aead.seal(long, MARK, MARK, MARK),
          () => crypto.aead.open(MARK, MARK, MARK, MARK),
          () => crypto.signature.keyPair(long),
          () => crypto.signature.sign(long, MARK),
          () => crypto.x25519.keyPair(long),
          () => crypto.x25519.sharedSecret(long, MARK),
          () => crypto.xWing.keyPair(long),
          () => crypto.mlKem.decapsulate(long, MARK),
          () => crypto.ristretto.multiply(long, MARK),
          () => crypto.ristretto.multiply(MARK, MARK),
          () => crypto.hkdfExpand(MARK.subarray(1), MARK, 32),
          () => crypto.random(32),
          () => Secret.reveal(wiped())
        ]
      ) {
        const exit = yield* Effect.exit(Effect.sync<unknown>(wrong))
        assert.isTrue(Exit.isFailure(exit))
        failures.push(exit)
        if (Exit.isFailure(exit)) failures.push(Cause.squash(exit.cause), Cause.pretty(exit.cause))
      }
      for (const failure of failures) for (const text of texts(failure)) assert.isFalse(shows(text), text)
    }))
})

const wiped = (): Secret.Secret => {
  const secret = make()
  Secret.wipe(secret)
  return secret
}

describe("randomBytes", () => {
  const over = (random: (length: number) => Uint8Array) => Effect.provideService(Crypto, Portable.make({ random }))

  it.effect("gives what Crypto.random gives", () =>
    Effect.gen(function*() {
      const bytes = yield* Secret.randomBytes(4).pipe(over((length) => new Uint8Array(length).fill(7)))
      assert.deepStrictEqual(bytes, Uint8Array.of(7, 7, 7, 7))
    }))

  it.effect("fails with EntropyUnavailable, and dies of a wrong length", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Secret.randomBytes(4).pipe(over(() => new Uint8Array(0))))
      assert.strictEqual(failed._tag, "EntropyUnavailable")
      const exit = yield* Effect.exit(Secret.randomBytes(-1).pipe(over((length) => new Uint8Array(length))))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))
})
