/** Mailboxes as their two sides see them, over real channels (protocol.md §6, §8). */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import { MailboxId } from "@sotto/schema/Id"
import { MailboxSide } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Kit from "../kit/relayKit.ts"

layer(Kit.CryptoLive)("a mailbox over the wire", (it) => {
  it.effect("carries messages between two connections, waits for them, and survives a reconnect", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const { relay } = yield* Kit.makeRelay()
      const id = MailboxId.make(crypto.random(16))
      const draw = () => MailboxSide.make(crypto.random(16))
      const [a, b, c] = [draw(), draw(), draw()]
      const host = yield* Kit.connect(relay)
      yield* host.calls.MailboxCreate({ id, side: a, ttlMillis: 60_000 })
      const waiting = yield* Effect.forkChild(host.calls.MailboxReceive({ id, after: 0, waitMillis: 50_000 }))
      const guest = yield* Kit.connect(relay)
      assert.deepInclude(yield* Effect.flip(guest.calls.MailboxSend({ id, message: Uint8Array.of(0) })), {
        reason: "unknown"
      })
      yield* guest.calls.MailboxJoin({ id, side: b })
      yield* guest.calls.MailboxSend({ id, message: Uint8Array.of(1) })
      assert.deepStrictEqual(yield* Fiber.join(waiting), { messages: [Uint8Array.of(1)] })
      yield* host.calls.MailboxSend({ id, message: Uint8Array.of(2) })
      yield* guest.close
      yield* guest.ended
      const again = yield* Kit.connect(relay)
      yield* again.calls.MailboxJoin({ id, side: b })
      assert.deepStrictEqual(yield* again.calls.MailboxReceive({ id, after: 0, waitMillis: 0 }), {
        messages: [Uint8Array.of(2)]
      })
      yield* TestClock.adjust(20_000)
      assert.deepStrictEqual([host.frames, again.frames], [[], []])
      const third = yield* Kit.connect(relay)
      assert.deepInclude(yield* Effect.flip(third.calls.MailboxJoin({ id, side: c })), { reason: "crowded" })
      for (const { calls } of [host, again]) {
        assert.deepInclude(yield* Effect.flip(calls.MailboxReceive({ id, after: 0, waitMillis: 0 })), {
          reason: "crowded"
        })
      }
    }))

  it.effect("is burned by either side, and a call that waits is told", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const { relay } = yield* Kit.makeRelay()
      const id = MailboxId.make(crypto.random(16))
      const host = yield* Kit.connect(relay), guest = yield* Kit.connect(relay)
      yield* host.calls.MailboxCreate({ id, side: MailboxSide.make(crypto.random(16)), ttlMillis: 60_000 })
      yield* guest.calls.MailboxJoin({ id, side: MailboxSide.make(crypto.random(16)) })
      const waiting = yield* Effect.forkChild(
        Effect.flip(host.calls.MailboxReceive({ id, after: 0, waitMillis: 50_000 }))
      )
      yield* Kit.settle
      yield* guest.calls.MailboxClose({ id })
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "MailboxUnavailable", reason: "unknown" })
    }))
})
