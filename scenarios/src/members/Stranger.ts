/**
 * Somebody who knows where a space's relay is, and the name of its route, and has no key. It comes in nowhere, and leaves
 * nothing behind however often it knocks.
 */
import * as Dial from "@sotto/core/channel/Dial"
import { Crypto } from "@sotto/core/Crypto"
import * as Secret from "@sotto/core/Secret"
import { Transport } from "@sotto/core/Transport"
import { Epoch, MailboxId, RouteId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { MailboxSide } from "@sotto/schema/Relay"
import * as Node from "@sotto/simulation/Node"
import * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Services from "../node/Services.ts"
import * as Letters from "./Letters.ts"
import * as Wire from "./Wire.ts"

interface Handle {
  readonly host: Node.Base
  readonly context: Context.Context<Crypto | Transport>
}

/** Attaches a route with proofs that are made up. */
const knock = Workload.command({
  weight: 1,
  input: Schema.Null,
  draw: () => null,
  run: ({ context, host }: Handle) =>
    Wire.using(Effect.gen(function*() {
      const address = Letters.relayOf(host)
      const route = Letters.route(host)
      if (address === undefined || route === undefined) return
      const noise = yield* Secret.randomBytes(64)
      const attached = Wire.attach(address, { route: RouteId.make(route), epoch: Epoch.make(1) }, () => noise)
      yield* Effect.catchIf(
        attached,
        (error) => error instanceof Error && "_tag" in error && error._tag === "Unauthorized",
        () => Effect.sync(() => host.mark("kept out"))
      ).pipe(Effect.tap((wire) => Effect.sync(() => wire === undefined ? undefined : host.observe("intruded", {}))))
    })).pipe(Effect.provideContext(context))
})

/** Comes and goes, some times, without a word. */
const pass = Workload.command({
  weight: 1,
  input: Schema.Int,
  draw: (draws) => draws.between(5, 12),
  run: ({ context, host }: Handle, times) =>
    Wire.using(Effect.gen(function*() {
      const address = Letters.relayOf(host)
      if (address === undefined) return
      for (let k = 0; k < times; k++) yield* Effect.ignore(Effect.scoped(Dial.dial(address)))
      host.mark("passed by")
    })).pipe(Effect.provideContext(context))
})

/** Makes a mailbox, and leaves more in it than it holds. */
const stuff = Workload.command({
  weight: 1,
  input: Schema.Null,
  draw: () => null,
  run: ({ context, host }: Handle) =>
    Wire.using(Effect.gen(function*() {
      const address = Letters.relayOf(host)
      if (address === undefined) return
      const { control } = yield* Dial.dial(address)
      const id = MailboxId.make(yield* Secret.randomBytes(16))
      const side = MailboxSide.make(yield* Secret.randomBytes(16))
      yield* control.MailboxCreate({ id, side, ttlMillis: 60_000 })
      const message = new Uint8Array(64)
      for (let k = 0; k <= Limit.mailboxMessagesMax; k++) yield* control.MailboxSend({ id, message })
      host.observe("overfull", {})
    })).pipe(Effect.provideContext(context))
})

const CALLS = 5
const PATIENCE_MILLIS = 5000

/**
 * Makes many calls at once, one of which takes its time, and then others. When those are answered, the connection works,
 * and the first ones have to be, too.
 */
const ask = Workload.command({
  weight: 3,
  input: Schema.Null,
  draw: () => null,
  run: ({ context, host }: Handle) =>
    Wire.using(Effect.gen(function*() {
      const address = Letters.relayOf(host)
      if (address === undefined) return
      const { control } = yield* Dial.dial(address)
      const id = MailboxId.make(yield* Secret.randomBytes(16))
      const side = MailboxSide.make(yield* Secret.randomBytes(16))
      yield* control.MailboxCreate({ id, side, ttlMillis: 60_000 })
      const wait = control.MailboxReceive({ id, after: 0, waitMillis: PATIENCE_MILLIS / 2 })
      const about = Array.from({ length: CALLS }, () => control.About())
      const all = yield* Effect.forkScoped(
        Effect.exit(Effect.all([wait, ...about], { concurrency: "unbounded", discard: true }))
      )
      const patiently = Effect.timeoutOption(Fiber.join(all), PATIENCE_MILLIS)
      const works = Effect.timeoutOption(control.About(), PATIENCE_MILLIS)
      if (Option.isSome(yield* patiently) || Option.isNone(yield* works)) return
      // What was on its way for long has its time as well.
      if (Option.isNone(yield* patiently) && Option.isSome(yield* works)) host.observe("unanswered", {})
    })).pipe(Effect.provideContext(context))
})

const program = (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const crypto = yield* Services.crypto(host)
    host.ready({ host, context: Context.make(Crypto, crypto).pipe(Context.add(Transport, Services.transport(host))) })
    return yield* Effect.never
  })

export const make = (count: readonly [low: number, high: number]): Node.Kind =>
  Node.make({ count, program, commands: { ask, knock, pass, stuff } })
