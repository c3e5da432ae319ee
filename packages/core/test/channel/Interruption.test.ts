/** Whoever is interrupted half way leaves the channel to others as it found it. */
import { assert, describe, it } from "@effect/vitest"
import { equals } from "@sotto/schema/Bytes"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Control from "../../src/channel/Control.ts"
import * as Demux from "../../src/channel/Demux.ts"
import { CryptoTest, message, open } from "./kit.ts"

const STEPS = 16

/** The fiber that is interrupted gives way after so many operations: between any two of them, in one of these. */
const TURNS = [3, 4, 5, 6, 7]

/** Begins something, lets it come so many turns far, and interrupts it. */
const interruptAfter = <A, E, R>(steps: number, turn: number, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.provideService(effect, References.MaxOpsBeforeYield, turn))
    for (let step = 0; step < steps; step++) yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    return yield* Fiber.await(fiber)
  })

describe("a message", () => {
  it.effect.each(TURNS)("goes out after one that was interrupted, by turns of %i", (turn) =>
    Effect.gen(function*() {
      const { client, relay } = yield* open()
      for (let steps = 0; steps < STEPS; steps++) {
        yield* interruptAfter(steps, turn, client.send(message(3, steps)))
        const last = message(4, steps)
        yield* Effect.forkChild(client.send(last))
        let arrived = false
        while (!arrived) arrived = (yield* relay.receive).some((each) => equals(each, last))
      }
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))
})

describe("a call", () => {
  it.effect.each(TURNS)(
    "ends with its interruption and nothing worse, wherever it was, by turns of %i",
    (turn) =>
      Effect.gen(function*() {
        const { client: near, relay: far } = yield* open()
        const client = yield* Control.makeClient((yield* Demux.make(near)).control)
        // Nobody answers: a call has not ended before it is interrupted.
        yield* Demux.make(far)
        let ended = 0
        for (let steps = 0; steps < STEPS; steps++) {
          const after = Effect.ensuring(client.About(), Effect.sync(() => ended++))
          const exit = yield* interruptAfter(steps, turn, after)
          assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), `after ${steps} turns`)
        }
        // All but those that had not begun.
        assert.isAtLeast(ended, STEPS - 2)
      }).pipe(Effect.provide(CryptoTest), Effect.scoped)
  )
})
