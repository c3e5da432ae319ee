/** A device of another space at the same relay, which hears what is meant for others if the relay mixes them up. */
import { Crypto } from "@sotto/core/Crypto"
import * as Presence from "@sotto/core/log/Presence"
import * as Sotto from "@sotto/core/Sotto"
import { currentEpoch } from "@sotto/core/space/SpaceState"
import * as Node from "@sotto/simulation/Node"
import * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ClientNode from "../node/ClientNode.ts"
import * as Letters from "./Letters.ts"
import * as Wire from "./Wire.ts"

const enter: ClientNode.Options["enter"] = (host) =>
  Effect.gen(function*() {
    if ((yield* Sotto.stateOf) === "space") return
    yield* Sotto.create({ label: "neighbour", relays: [yield* Letters.relay(host)] })
  })

/** Listens to its own route. Nobody else is there: what it hears and cannot open was meant for others. */
const listen = Workload.command({
  weight: 1,
  input: Schema.Int,
  draw: (draws) => draws.between(2000, 9000),
  run: ({ client, directory, host }: ClientNode.Handle, millis) =>
    Wire.using(Effect.gen(function*() {
      const [relay] = yield* client.relays.list
      if (relay === undefined) return
      const state = yield* client.state
      const crypto = Context.get(directory, Crypto)
      const wire = yield* Wire.attachAsMember(crypto, state, relay.address)
      yield* wire.say({
        _tag: "Subscribe",
        handle: wire.handle,
        request: 1,
        after: Wire.START,
        lanes: [],
        creditBytes: 1_000_000
      })
      yield* Effect.forever(Effect.map(wire.hear, (frames) => {
        for (const frame of frames) {
          if (frame._tag !== "Presence") continue
          const opened = Presence.open(crypto, state, { bytes: frame.envelope, nowMillis: 0 })
          if (Result.isFailure(opened) && opened.failure.reason !== "clock") host.observe("bled", {})
        }
      })).pipe(Effect.timeoutOption(millis))
      host.mark(`listened in epoch ${currentEpoch(state).epoch}`)
    })).pipe(Effect.provideContext(directory))
})

/** What it does in its own space is nobody's business here. */
const program = (host: Node.Host<ClientNode.Handle>) =>
  ClientNode.program({ enter })({
    ...host,
    observe: (what, data) => {
      if (what === "bled") host.observe(what, data)
    }
  })

export const make = (count: readonly [low: number, high: number]): Node.Kind =>
  Node.make({ count, program, commands: { listen } })
