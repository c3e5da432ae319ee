/**
 * Somebody who knows where a space's relay is, and the name of its route, and has no key. It comes in nowhere, and leaves
 * nothing behind however often it knocks.
 */
import * as Dial from "@sotto/core/channel/Dial"
import { Crypto } from "@sotto/core/Crypto"
import { Transport } from "@sotto/core/Transport"
import { Epoch, RouteId } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Node from "@sotto/simulation/Node"
import * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { addressFact } from "../node/RelayNode.ts"
import * as Services from "../node/Services.ts"
import * as Letters from "./Letters.ts"
import * as Wire from "./Wire.ts"

interface Handle {
  readonly host: Node.Base
  readonly context: Context.Context<Crypto | Transport>
}

const relayOf = (host: Node.Base): RelayAddress | undefined => {
  const [relay] = host.others("relay")
  const text = relay === undefined ? undefined : host.facts.lookup(addressFact(relay))
  const address = typeof text === "string" ? relayAddressFromText(text) : undefined
  return address === undefined || Result.isFailure(address) ? undefined : address.success
}

/** Attaches a route with proofs that are made up. */
const knock = Workload.command({
  weight: 1,
  input: Schema.Null,
  draw: () => null,
  run: ({ context, host }: Handle) =>
    Effect.scoped(Effect.gen(function*() {
      const address = relayOf(host)
      const route = Letters.route(host)
      if (address === undefined || route === undefined) return
      const { random } = Context.get(context, Crypto)
      const attached = Wire.attach(address, { route: RouteId.make(route), epoch: Epoch.make(1) }, () => random(64))
      yield* Effect.catchIf(
        attached,
        (error) => error instanceof Error && "_tag" in error && error._tag === "Unauthorized",
        () => Effect.sync(() => host.mark("kept out"))
      ).pipe(Effect.tap((wire) => Effect.sync(() => wire === undefined ? undefined : host.observe("intruded", {}))))
    })).pipe(Effect.provideContext(context), Effect.asVoid)
})

/** Comes and goes, some times, without a word. */
const pass = Workload.command({
  weight: 1,
  input: Schema.Int,
  draw: (draws) => draws.between(5, 12),
  run: ({ context, host }: Handle, times) =>
    Effect.gen(function*() {
      const address = relayOf(host)
      if (address === undefined) return
      for (let k = 0; k < times; k++) yield* Effect.ignore(Effect.scoped(Dial.dial(address)))
      host.mark("passed by")
    }).pipe(Effect.provideContext(context))
})

const program = (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const crypto = yield* Services.crypto(host)
    host.ready({ host, context: Context.make(Crypto, crypto).pipe(Context.add(Transport, Services.transport(host))) })
    return yield* Effect.never
  })

export const make = (count: readonly [low: number, high: number]): Node.Kind =>
  Node.make({ count, program, commands: { knock, pass } })
