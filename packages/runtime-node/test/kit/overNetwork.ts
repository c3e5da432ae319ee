/** A relay of another process, or of this one, as the relay's own test kit knows relays: reached through real sockets. */
import type * as Relay from "@sotto/core/relay/Relay"
import { type Connection, Transport } from "@sotto/core/Transport"
import * as NodeTransport from "@sotto/runtime-node/NodeTransport"
import * as Effect from "effect/Effect"

const pump = (from: Connection, to: Connection) =>
  Effect.forever(Effect.flatMap(from.receive, (messages) => Effect.forEach(messages, to.send, { discard: true })))

/** `serve` joins the connection to one of the network, until either ends. */
export const overNetwork = (relay: Relay.Relay["Service"], url: string): Relay.Relay["Service"] => ({
  ...relay,
  serve: (near) =>
    Effect.scoped(Effect.gen(function*() {
      const transport = yield* Transport
      const far = yield* transport.connect({ url })
      return yield* Effect.raceFirst(pump(near, far), pump(far, near))
    })).pipe(Effect.provide(NodeTransport.layer), Effect.ignore)
})
