/**
 * A device that is in no space when the run begins, and comes in when a member lets it: what it wrote has to count on
 * every device, whichever hears of it before it hears of its admission.
 */
import * as Sotto from "@sotto/core/Sotto"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"
import type * as ClientNode from "../node/ClientNode.ts"
import * as Device from "./Device.ts"
import * as Letters from "./Letters.ts"

const enter: ClientNode.Options["enter"] = (host) =>
  Effect.gen(function*() {
    if ((yield* Sotto.stateOf) === "space") return
    const { certificate } = yield* Sotto.device({ label: `label of ${host.name}` })
    Letters.ask(host, certificate)
    yield* Sotto.join(yield* Letters.welcomed(host))
    host.mark("joined")
  })

/** A kind of node for such devices: ready from the first moment, and out of reach until it is in. */
export const make = (options: Omit<Device.Options, "enter">): Node.Kind => {
  const kind = Device.make({ ...options, enter })
  return {
    ...kind,
    begin: (base, onReady) => {
      const life = kind.begin(base, () => undefined)
      return {
        program: Effect.suspend(() => {
          onReady()
          return life.program
        }),
        isReady: () => true,
        probe: () => life.probe() ?? Effect.succeed({ pending: "it is in no space yet" }),
        command: life.command
      }
    }
  }
}
