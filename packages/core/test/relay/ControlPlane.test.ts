/** What serves calls is there while calls are, and no call is lost between one and the next. */
import { assert, describe, it } from "@effect/vitest"
import * as Control from "@sotto/core/channel/Control"
import { ControlPlane } from "@sotto/core/relay/ControlPlane"
import { Outbox } from "@sotto/core/relay/Outbox"
import { callRequestCodec, callResponseCodec } from "@sotto/schema/Call"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { settle } from "../kit/World.ts"

const about = { version: 1, millis: 5, admission: "open" as const, software: "test" }
const unused = () => Effect.die("not called in this test")

/** Handlers of which `About` answers after `turns` yields. */
const handlers = (turns: () => number) => ({
  About: () => Effect.as(Effect.forEach(Array.from({ length: turns() }), () => Effect.yieldNow), about),
  Open: unused,
  Attach: unused,
  Detach: unused,
  SetEpoch: unused,
  Ack: unused,
  Prune: unused,
  MailboxCreate: unused,
  MailboxJoin: unused,
  MailboxSend: unused,
  MailboxReceive: unused,
  MailboxClose: unused
} satisfies Control.Handlers)

const call = (id: number) => callRequestCodec.encode({ _tag: "Call", id, method: "About", payload: new Uint8Array(0) })

/** Bursts of calls, each with the yields before it and the yields of its handler. */
type Bursts = ReadonlyArray<ReadonlyArray<readonly [before: number, within: number]>>

/** A connection's control plane, and which calls were answered. */
const connection = Effect.gen(function*() {
  const answered: Array<number> = []
  const turns: Array<number> = []
  const counts = { begun: 0, over: 0 }
  const outbox = new Outbox({ clock: yield* Clock.Clock, roomBytes: 1e6, onRoom: () => undefined })
  const take = (messages: ReadonlyArray<Uint8Array>) =>
    Effect.sync(() => {
      for (const bytes of messages) answered.push(Result.getOrThrow(callResponseCodec.decode(bytes.subarray(1))).id)
    })
  yield* Effect.forkScoped(outbox.run(take))
  let plane: ControlPlane | undefined
  const put = (message: Uint8Array, within: number): Effect.Effect<void> => {
    turns.push(within)
    if (plane !== undefined) return plane.put(message) ?? Effect.void
    const begun = plane = new ControlPlane({ outbox, fail: Effect.die })
    counts.begun++
    begun.put(message)
    const serve = Control.serve(handlers(() => turns.shift() ?? 0), begun, (served) => begun.rest(served))
    const over = () => {
      plane = undefined
      counts.over++
    }
    return Effect.asVoid(Effect.forkDetach(begun.run(Effect.ignore(serve), over)))
  }
  return { answered, counts, put }
})

const drive = Effect.fnUntraced(function*(bursts: Bursts) {
  const { answered, counts, put } = yield* connection
  let sent = 0
  for (const burst of bursts) {
    for (const [before, within] of burst) {
      for (let i = 0; i < before; i++) yield* Effect.yieldNow
      yield* put(call(++sent), within)
    }
    yield* settle
    assert.deepStrictEqual(answered.toSorted((a, b) => a - b), Array.from({ length: sent }, (_, i) => i + 1))
    assert.strictEqual(counts.over, counts.begun)
  }
}, Effect.scoped)

describe("ControlPlane", () => {
  it.effect("answers every call, whenever it comes, and is put away when all are answered", () => {
    const bursts = fc.array(fc.array(fc.tuple(fc.nat(12), fc.nat(6)), { minLength: 1, maxLength: 8 }), { maxLength: 4 })
    return Effect.forEach(fc.sample(bursts, { numRuns: 200, seed: 7 }), drive)
  })
})
