import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Control from "../../src/channel/Control.ts"
import { settle } from "./kit.ts"

it.effect("the end of calls waits for none whose request the plane still keeps", () =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const full = {
      send: () => Effect.never,
      sendAll: () => Effect.never,
      receive: Effect.never,
      fail: () => Effect.void
    }
    const client = yield* Scope.provide(Control.makeClient(full), scope)
    const waiting = yield* Effect.forkScoped(Effect.flip(client.About()))
    yield* settle
    const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
    yield* settle
    assert.isDefined(closing.pollUnsafe())
    assert.deepInclude(yield* Fiber.join(waiting), { _tag: "ConnectionClosed", clean: true })
  }))
