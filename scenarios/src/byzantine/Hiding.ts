/**
 * A device that has much, and was away while others wrote, reads the relay's log anew: to compare is the shorter way then,
 * and the relay leaves out, when it is compared with, what the device lacks.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Canary from "@sotto/simulation/Canary"
import type { Command, Json, Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Handle } from "../node/ClientNode.ts"
import * as Lie from "./Lie.ts"

/** Starts over with each relay that was not caught: what one was caught with stays true. */
const startOver = Workload.command({
  weight: 0,
  input: Schema.Null,
  draw: () => null,
  run: ({ client, host }: Handle) =>
    Effect.gen(function*() {
      for (const { address, misbehaved } of yield* client.relays.list) {
        if (misbehaved !== null) continue
        host.mark("starts over with a relay")
        host.observe("reset", { relay: Bytes.toHex(address.key) })
        yield* client.relays.trustAgain(address.key)
      }
    })
})

export const commands = { startOver }

const SECOND = 1_000_000
const SHARE = 0.1
/** Enough that comparing is shorter than reading. */
const WRITES = 18

const asked = (node: string, name: string, atMicros: number, input: Json = null): Command => ({
  node,
  name,
  atMicros,
  input
})

/** In some scenarios the relay tells this lie, and no other one. */
export const apply = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  const draws = Seed.draws(seed, "hides")
  if (!draws.chance(SHARE)) return scenario
  const push = (atMicros: number): Command => {
    const canary = Canary.draw(Seed.draws(seed, "hides", atMicros))
    return asked("client-1", "push", atMicros, ["a", `item ${canary}`, `${canary}#0`])
  }
  const others = scenario.faults.filter(({ kind }) => kind !== "custom")
  const clients = scenario.nodes.flatMap(({ kind, name }) => kind === "client" ? [name] : [])
  const early = Array.from({ length: WRITES }, (_, k) => push(SECOND + k * SECOND / 5))
  const late = Array.from({ length: 8 }, (_, k) => push(8 * SECOND + k * SECOND / 5))
  return {
    ...scenario,
    faults: [...others, {
      kind: "custom",
      name: Lie.faultOf("hide"),
      node: "relay",
      atMicros: 6 * SECOND,
      durationMicros: 60 * SECOND,
      input: { kind: "hide", clients, k: draws.between(1, 6) }
    }],
    workload: [
      ...scenario.workload,
      ...early,
      asked("client-2", "away", 7 * SECOND, 4000),
      ...late,
      asked("client-2", "startOver", 10.5 * SECOND)
    ].toSorted((a, b) => a.atMicros - b.atMicros)
  }
}
