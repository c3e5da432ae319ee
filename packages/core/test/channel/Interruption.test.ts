/** A sender that is interrupted half way leaves the channel to others as it found it. */
import { describe, it } from "@effect/vitest"
import { equals } from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import { CryptoTest, message, open } from "./kit.ts"

const STEPS = 16

describe("a message", () => {
  // The fiber that is interrupted gives way after so many operations: between any two of them, in one of these.
  it.effect.each([2, 3, 4, 5, 6, 7])(
    "goes out after one that was interrupted, by turns of %i",
    (turn) =>
      Effect.gen(function*() {
        const { client, relay } = yield* open()
        for (let steps = 0; steps < STEPS; steps++) {
          const stepwise = Effect.provideService(client.send(message(3, steps)), References.MaxOpsBeforeYield, turn)
          const fiber = yield* Effect.forkChild(stepwise)
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          const last = message(4, steps)
          yield* Effect.forkChild(client.send(last))
          let arrived = false
          while (!arrived) arrived = (yield* relay.receive).some((each) => equals(each, last))
        }
      }).pipe(Effect.provide(CryptoTest), Effect.scoped)
  )
})
