/** What a relay tells on one connection never goes back, whatever else it is asked meanwhile and whoever's turn it is. */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as Reconciling from "../kit/reconcileKit.ts"
import * as Kit from "../kit/relayKit.ts"

/** Lets others go first before the next step of whoever runs, when it is told to. */
class Interrupting extends Scheduler.MixedScheduler {
  hasBegun = false
  private isDue = false
  interrupt(): void {
    this.isDue = !this.hasBegun
    this.hasBegun = true
  }
  override shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (!this.isDue) return super.shouldYield(fiber)
    this.isDue = false
    return true
  }
}

/** A store whose appends, and whose ids for a reconciliation, wait for `open` once they are to be held up. */
const holding = (held: { isHeld: boolean; readonly open: Deferred.Deferred<void> }) => {
  const wait = Effect.suspend(() => held.isHeld ? Deferred.await(held.open) : Effect.void)
  return (store: RelayStore["Service"]): RelayStore["Service"] => ({
    ...store,
    append: (append) => Effect.andThen(wait, store.append(append)),
    ids: (page) => Effect.andThen(wait, store.ids(page))
  })
}

layer(Kit.CryptoLive)("a relay", (it) => {
  it.effect("tells no head that is older than one that it told while a page was on its way", () => {
    const scheduler = new Interrupting()
    return Effect.gen(function*() {
      const plain = yield* Crypto
      const held = { isHeld: false, open: Deferred.makeUnsafe<void>() }
      const signer: typeof plain.signature.signer = (key) => {
        const sign = plain.signature.signer(key)
        return (message) => {
          if (held.isHeld) scheduler.interrupt()
          return sign(message)
        }
      }
      const crypto = Crypto.of({ ...plain, signature: { ...plain.signature, signer } })
      const { relay } = yield* Effect.provideService(Kit.makeRelay({ store: holding(held) }), Crypto, crypto)
      const route = Kit.route(plain), keys = Kit.epochKeys(plain)
      const { client, handle } = yield* Kit.member(relay, route, keys)
      const envelopes = [Kit.envelope(plain), Kit.envelope(plain)]
      yield* Kit.push(client, handle, envelopes)
      const side = Reconciling.side(plain, envelopes)
      yield* Reconciling.reconcile(client, handle, side)
      // By then a head is signed anew, also when it says the same: the next page has one, and then it is the others' turn.
      yield* TestClock.adjust(6000)
      held.isHeld = true
      yield* client.send(
        { _tag: "Push", handle, request: 3, envelopes: [Kit.envelope(plain)] },
        Reconciling.frame(handle, Reconciling.hello(plain, side))
      )
      yield* Kit.settle
      yield* Kit.subscribe(client, handle)
      while (!scheduler.hasBegun) yield* Effect.yieldNow
      yield* Deferred.succeed(held.open, undefined)
      yield* Kit.settle
      const heads = client.frames.flatMap((frame) =>
        (frame._tag === "Deliver" || frame._tag === "Reconciled") && frame.head !== null
          ? [Number(frame.head.body.position)]
          : []
      )
      assert.deepStrictEqual(heads, heads.toSorted((a, b) => a - b))
      assert.strictEqual(heads.at(-1), 3)
    }).pipe(Effect.provideService(Scheduler.Scheduler, scheduler))
  })
})
