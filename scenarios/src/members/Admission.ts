/** What members do about members. Two may do it at once, neither knowing of the other. */
import { Crypto } from "@sotto/core/Crypto"
import { deviceIdOf } from "@sotto/core/Device"
import * as Membership from "@sotto/core/space/Membership"
import * as SpaceState from "@sotto/core/space/SpaceState"
import * as Bytes from "@sotto/schema/Bytes"
import { type MemberAction, ROLE } from "@sotto/schema/Space"
import * as Workload from "@sotto/simulation/Workload"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Handle } from "../node/ClientNode.ts"
import * as Letters from "./Letters.ts"

/** Signs a membership operation and writes it. */
const write = Effect.fnUntraced(function*({ client, directory, identity }: Handle, action: MemberAction) {
  const crypto = Context.get(directory, Crypto)
  const { membership } = yield* client.state
  const nowMillis = yield* Clock.currentTimeMillis
  const signer = Membership.deviceSigner(crypto, identity)
  yield* client.addMember(Membership.build(crypto, membership, signer, { action, nowMillis }))
})

/** Makes a device a member that asked for it, and tells it so; the second part alone where the first was done before. */
const letIn = Effect.fnUntraced(function*(handle: Handle, joiner: string) {
  const { client, directory, host } = handle
  const certificate = Letters.asked(host, joiner)
  if (certificate === undefined) return
  const crypto = Context.get(directory, Crypto)
  const { membership } = yield* client.state
  const device = deviceIdOf(crypto, membership.suite, certificate.body.signing)
  if (Membership.memberOf(membership, device) === undefined) {
    yield* write(handle, { _tag: "AddMember", certificate, role: ROLE.admin })
  }
  const relays = (yield* client.relays.list).map(({ address }) => address)
  Letters.welcome(host, joiner, certificate, SpaceState.toWelcome(crypto, yield* client.state, { relays, admin: true }))
})

/** How often the first device looks whether somebody wants in; the others look more rarely. */
const LOOK_MILLIS = 900

/** Lets in whoever asked and was not welcomed, for as long as the device runs. */
export const attend = (handle: Handle): Effect.Effect<never, unknown> => {
  const { host } = handle
  const waiting = () => host.others("joiner").filter((name) => !Letters.isWelcomed(host, name))
  return Effect.forever(Effect.andThen(
    Effect.sleep(LOOK_MILLIS * (host.index + 1)),
    Effect.suspend(() => Effect.forEach(waiting(), (joiner) => Effect.ignore(letIn(handle, joiner)), { discard: true }))
  ))
}

/**
 * Lets a device in while this one is offline, and for some time after: the others hear of what it writes before they hear
 * that it may. Whoever was welcomed before is added once more.
 */
const admit = Workload.command({
  weight: 2,
  input: Schema.Struct({ joiner: Schema.String, awayMillis: Schema.Int }),
  draw: (draws, { nodes }) => ({
    joiner: nodes("joiner").length === 0 ? "" : draws.pick(nodes("joiner")),
    awayMillis: draws.between(100, 8000)
  }),
  run: (handle: Handle, { awayMillis, joiner }) => {
    const { client } = handle
    const away = Effect.andThen(letIn(handle, joiner), Effect.sleep(awayMillis))
    return Effect.andThen(client.pause, Effect.ensuring(away, client.resume))
  }
})

/** A device calls itself otherwise. The label holds the canary, as what people write there may be theirs alone. */
const relabel = Workload.command({
  weight: 2,
  input: Schema.String,
  draw: (_, { canary }) => `label ${canary}`,
  run: (handle: Handle, label) => write(handle, { _tag: "Relabel", device: handle.identity.id, label })
})

/** Somebody's role is set anew. Nobody loses the right to write: what counted has to go on counting. */
const setRole = Workload.command({
  weight: 2,
  input: Schema.Struct({ at: Schema.Int, role: Schema.Literals([2, 3]) }),
  draw: (draws) => ({ at: draws.int(8), role: draws.chance(0.5) ? 2 as const : 3 as const }),
  run: (handle: Handle, { at, role }) =>
    Effect.gen(function*() {
      const { membership } = yield* handle.client.state
      const others = Membership.members(membership).filter(({ id, role }) =>
        role < ROLE.owner && !Bytes.equals(id, handle.identity.id)
      )
      const member = others[at % Math.max(1, others.length)]
      if (member !== undefined) yield* Effect.ignore(write(handle, { _tag: "SetRole", device: member.id, role }))
    })
})

/** Takes one more relay on, which has to be sent everything. */
const spare = Workload.command({
  weight: 3,
  input: Schema.Null,
  draw: () => null,
  run: ({ client, host, view }: Handle) =>
    Effect.gen(function*() {
      const address = Letters.relayOf(host, "spare")
      if (address === undefined) return
      // One that is known already is sent nothing again.
      if ((yield* client.relays.list).some((one) => Bytes.equals(one.address.key, address.key))) return
      const here = [...view.byId.keys()]
      const state = yield* client.state
      const recovery = state.genesis.body.recovery
      yield* client.relays.add(address, { token: null, retention: { _tag: "Durable" }, recovery })
      host.observe("spared", { ids: here })
    })
})

export const commands = { admit, relabel, setRole, spare }
