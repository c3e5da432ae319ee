/**
 * A device is put out of the space while it goes on writing: who removes it says where its chains end, and may have seen
 * less of them than others have.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Sealing from "@sotto/core/log/Sealing"
import * as Membership from "@sotto/core/space/Membership"
import * as Rekey from "@sotto/core/space/Rekey"
import type { SpaceState } from "@sotto/core/space/SpaceState"
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId } from "@sotto/schema/Id"
import type { Cutoff } from "@sotto/schema/Space"
import type * as Node from "@sotto/simulation/Node"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import * as Workload from "@sotto/simulation/Workload"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Handle } from "../node/ClientNode.ts"

const factOf = (node: string): string => `device of ${node}`

/** Lets the others know which device this is. */
export const tellDevice = ({ client, host }: Handle): void =>
  host.facts.publish(factOf(host.name), Bytes.toHex(client.device))

/** The member that a node said to be. */
const memberOf = ({ facts }: Node.Base, state: SpaceState, node: string): DeviceId | undefined =>
  Membership.members(state.membership).find(({ id }) => Bytes.toHex(id) === facts.lookup(factOf(node)))?.id

/** Where the chains of a device stand, as far as this one has seen. */
const seenOf = Effect.fnUntraced(function*({ client }: Handle, device: DeviceId) {
  const state = yield* client.state
  const entries = yield* Stream.runCollect(client.entries())
  const cutoffByLane = new Map<string, Cutoff>()
  for (const { device: author, hash, ops, seq } of entries) {
    if (!Bytes.equals(author, device)) continue
    const lane = Sealing.laneOf(state, { ops: [...ops] })
    const key = Bytes.toHex(lane)
    if (seq > (cutoffByLane.get(key)?.seq ?? 0)) cutoffByLane.set(key, { device, lane, seq, hash })
  }
  return [...cutoffByLane.values()]
})

const Input = Schema.Struct({ node: Schema.String, lagMillis: Schema.Int })

const remove = Workload.command({
  weight: 0,
  input: Input,
  draw: () => ({ node: "", lagMillis: 0 }),
  run: (handle: Handle, { lagMillis, node }) =>
    Effect.gen(function*() {
      const { client, directory, host, identity } = handle
      const device = memberOf(host, yield* client.state, node)
      if (device === undefined) return
      const cutoffs = yield* seenOf(handle, device)
      yield* Effect.sleep(lagMillis)
      const crypto = Context.get(directory, Crypto)
      const state = yield* client.state
      const nowMillis = yield* Clock.currentTimeMillis
      const signer = Membership.deviceSigner(crypto, identity)
      const prepared = yield* Effect.try(() =>
        Rekey.prepare({ crypto, state, signer, removed: [device], cutoffs, nowMillis })
      )
      if (prepared === undefined) return
      yield* client.addMember(prepared.op)
      host.mark("removed a device")
    })
})

export const commands = { remove }

/** How long after it has looked the first device signs, at most: what it gets meanwhile it takes back itself. */
const LAG_MILLIS_MAX = 10_000

/** The scenario in which the first client removes the last one, which is switched off when all others are healed. */
export const apply = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  const clients = scenario.nodes.flatMap(({ kind, name }) => kind === "client" ? [name] : []).toSorted()
  const [first] = clients
  const last = clients.at(-1)
  if (first === undefined || last === undefined || first === last) return scenario
  const draws = Seed.draws(seed, "a device is removed")
  const { safetyMicros } = scenario.phases
  const command = {
    atMicros: Math.round(safetyMicros * (0.3 + 0.4 * draws.unit())),
    node: first,
    name: "remove",
    input: { node: last, lagMillis: draws.int(LAG_MILLIS_MAX) }
  }
  return {
    ...scenario,
    workload: [...scenario.workload, command].toSorted((a, b) => a.atMicros - b.atMicros),
    phases: { ...scenario.phases, heal: clients.slice(0, -1) }
  }
}
