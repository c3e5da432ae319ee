import { assert, describe, it } from "@effect/vitest"
import * as Mailbox from "@sotto/core/relay/Mailbox"
import { LIMITS, type RelayLimits } from "@sotto/core/relay/RelayOptions"
import * as Bytes from "@sotto/schema/Bytes"
import { MailboxId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { MailboxSide } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

const id = (n: number) => MailboxId.make(new Uint8Array(16).fill(n))
const side = (n: number) => MailboxSide.make(new Uint8Array(16).fill(n))
const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const HOUR = Limit.mailboxMillisMax

const make = (limits?: Partial<RelayLimits>) => {
  const boxes = Mailbox.make({ equal: Bytes.equals }, { ...LIMITS, ...limits })
  return {
    ...boxes,
    create: (n: number, who: number, options?: { ttl?: number; address?: string; now?: number }) =>
      boxes.create({
        id: id(n),
        side: side(who),
        ttlMillis: options?.ttl ?? HOUR,
        address: options?.address ?? "a",
        nowMillis: options?.now ?? 0
      }),
    join: (n: number, who: number, options?: { address?: string; now?: number }) =>
      boxes.join({ id: id(n), side: side(who), address: options?.address ?? "a", nowMillis: options?.now ?? 0 })
  }
}

const reason = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => "reason" in error ? error.reason : error._tag)

describe("Mailbox", () => {
  it.effect("carries messages both ways, in order, once per reader's count", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      yield* boxes.send(a, bytes(1), 0)
      const b = yield* boxes.join(1, 2)
      yield* boxes.send(a, bytes(2), 0)
      yield* boxes.send(b, bytes(9), 0)
      assert.deepStrictEqual(yield* boxes.receive(b, 0, 0, 0), [bytes(1), bytes(2)])
      assert.deepStrictEqual(yield* boxes.receive(b, 1, 0, 0), [bytes(2)])
      assert.deepStrictEqual(yield* boxes.receive(b, 2, 0, 0), [])
      assert.deepStrictEqual(yield* boxes.receive(a, 0, 0, 0), [bytes(9)])
    }))

  it.effect("a third side closes it for all", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      const b = yield* boxes.join(1, 2)
      assert.strictEqual(yield* reason(boxes.join(1, Limit.mailboxSides + 1)), "crowded")
      assert.strictEqual(yield* reason(boxes.send(a, bytes(1), 0)), "crowded")
      assert.strictEqual(yield* reason(boxes.receive(b, 0, 0, 0)), "crowded")
      assert.strictEqual(yield* reason(boxes.join(1, 1)), "crowded")
      assert.strictEqual(yield* reason(boxes.create(1, 1)), "exists")
    }))

  it.effect("a side that comes back goes on where it was, as often as it likes", () =>
    Effect.gen(function*() {
      const boxes = make({ mailboxClaimsPerTenMinutes: 2 })
      const a = yield* boxes.create(1, 1)
      const b = yield* boxes.join(1, 2)
      yield* boxes.send(b, bytes(5), 0)
      for (let i = 0; i < 50; i++) {
        const again = yield* boxes.join(1, 1)
        assert.deepStrictEqual(yield* boxes.receive(again, 0, 0, 0), [bytes(5)])
      }
      const other = yield* boxes.join(1, 2)
      yield* boxes.send(other, bytes(6), 0)
      assert.deepStrictEqual(yield* boxes.receive(a, 1, 0, 0), [bytes(6)])
    }))

  it.effect("a name is taken once, and stays taken when it is burned", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      assert.strictEqual(yield* reason(boxes.create(1, 2)), "exists")
      assert.strictEqual(yield* reason(boxes.join(2, 2)), "unknown")
      yield* boxes.close(a)
      assert.strictEqual(yield* reason(boxes.join(1, 2)), "unknown")
      assert.strictEqual(yield* reason(boxes.receive(a, 0, 0, 0)), "unknown")
      assert.strictEqual(yield* reason(boxes.create(1, 1)), "exists")
      assert.strictEqual(boxes.sweep(HOUR - 1), 1)
      assert.strictEqual(boxes.sweep(HOUR), 0)
    }))

  it.effect("ends with its time, an hour at most", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1, { ttl: 1000 })
      const long = yield* boxes.create(2, 1, { ttl: 10 * HOUR })
      assert.deepStrictEqual(yield* boxes.receive(a, 0, 0, 999), [])
      assert.strictEqual(yield* reason(boxes.receive(a, 0, 0, 1000)), "expired")
      assert.strictEqual(yield* reason(boxes.join(1, 2, { now: 1000 })), "expired")
      assert.strictEqual(yield* reason(boxes.send(long, bytes(1), HOUR)), "expired")
      assert.strictEqual(boxes.sweep(1000), 2)
      assert.strictEqual(boxes.sweep(1000 + 600_000), 1)
    }))

  it.effect("what was said before the end is read after it by the other side, and by nobody else", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      const b = yield* boxes.join(1, 2)
      yield* boxes.send(a, bytes(1), 0)
      yield* boxes.send(b, bytes(2), 0)
      yield* boxes.send(a, bytes(3), 0)
      yield* boxes.close(a)
      assert.deepStrictEqual(yield* boxes.receive(b, 0, 0, 0), [bytes(1), bytes(3)])
      assert.deepStrictEqual(yield* boxes.receive(b, 1, 5000, 0), [bytes(3)])
      assert.strictEqual(yield* reason(boxes.receive(b, 2, 5000, 0)), "unknown")
      assert.strictEqual(yield* reason(boxes.receive(a, 0, 0, 0)), "unknown")
      assert.strictEqual(yield* reason(boxes.send(b, bytes(4), 0)), "unknown")
      assert.strictEqual(yield* reason(boxes.join(1, 2)), "unknown")
      assert.strictEqual(yield* reason(boxes.receive(b, 0, 0, HOUR)), "expired")
    }))

  it.effect("nobody waits beyond its time", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1, { ttl: 1000 })
      const waiting = yield* Effect.forkChild(boxes.receive(a, 0, 25_000, 400), { startImmediately: true })
      yield* TestClock.adjust(600)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      assert.strictEqual(yield* reason(boxes.receive(a, 0, 25_000, 1000)), "expired")
    }))

  it.effect("holds 32 messages and 64 KiB in all", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      const b = yield* boxes.join(1, 2)
      for (let i = 0; i < Limit.mailboxMessagesMax; i++) yield* boxes.send(i % 2 === 0 ? a : b, bytes(i), 0)
      assert.strictEqual(yield* reason(boxes.send(a, bytes(1), 0)), "full")
      const c = yield* boxes.create(2, 1)
      yield* boxes.send(c, new Uint8Array(Limit.mailboxBytesMax - 1), 0)
      assert.strictEqual(yield* reason(boxes.send(c, bytes(1, 2), 0)), "full")
      yield* boxes.send(c, bytes(1), 0)
      assert.strictEqual(yield* reason(boxes.send(c, bytes(1), 0)), "full")
    }))

  it.effect("claims are limited per address and in all", () =>
    Effect.gen(function*() {
      const boxes = make({ mailboxClaimsPerTenMinutes: 3, mailboxClaimsPerMinuteTotal: 5 })
      yield* boxes.create(1, 1)
      yield* boxes.join(1, 2)
      assert.strictEqual(yield* reason(boxes.join(9, 2)), "unknown")
      const limited = yield* Effect.flip(boxes.join(9, 2))
      assert.deepInclude(limited, { _tag: "RateLimited", scope: "mailbox-address", retryAfterMillis: 200_000 })
      yield* boxes.create(2, 1, { address: "b" })
      yield* boxes.create(3, 1, { address: "c" })
      assert.deepInclude(yield* Effect.flip(boxes.create(4, 1, { address: "d" })), {
        _tag: "RateLimited",
        scope: "mailbox"
      })
      yield* boxes.create(4, 1, { address: "d", now: 12_000 })
      yield* boxes.join(3, 2, { now: 200_000 })
    }))

  it.effect("there are so many and not more", () =>
    Effect.gen(function*() {
      const boxes = make({ mailboxesMax: 2 })
      yield* boxes.create(1, 1)
      yield* boxes.create(2, 1)
      assert.strictEqual(yield* reason(boxes.create(3, 1)), "Overloaded")
    }))

  it.effect("a reader waits for what comes, for the end, or its time", () =>
    Effect.gen(function*() {
      const boxes = make()
      const a = yield* boxes.create(1, 1)
      const b = yield* boxes.join(1, 2)
      const first = yield* Effect.forkChild(boxes.receive(a, 0, 5000, 0), { startImmediately: true })
      const second = yield* Effect.forkChild(boxes.receive(a, 1, 5000, 0), { startImmediately: true })
      const late = yield* Effect.forkChild(boxes.receive(b, 0, 5000, 0), { startImmediately: true })
      yield* boxes.send(b, bytes(1), 0)
      assert.deepStrictEqual(yield* Fiber.join(first), [bytes(1)])
      yield* boxes.send(b, bytes(2), 0)
      assert.deepStrictEqual(yield* Fiber.join(second), [bytes(2)])
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(yield* Fiber.join(late), [])
      const last = yield* Effect.forkChild(reason(boxes.receive(a, 2, 60_000, 0)), { startImmediately: true })
      yield* boxes.close(b)
      assert.strictEqual(yield* Fiber.join(last), "unknown")
    }))
})
