/** What members do about members. Two may do it at once, neither knowing of the other. */
import { Crypto } from "@sotto/core/Crypto"
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

const Admit = Schema.Struct({ joiner: Schema.String, awayMillis: Schema.Int })

/**
 * Lets a device in that asked for it, and tells it so. Away: the member is offline while it does, and some time after, so
 * that the device is heard of before its admission is.
 */
const admit = Workload.command({
  weight: 4,
  input: Admit,
  draw: (draws, { nodes }) => ({
    joiner: nodes("joiner").length === 0 ? "" : draws.pick(nodes("joiner")),
    awayMillis: draws.chance(0.5) ? draws.between(100, 8000) : 0
  }),
  run: (handle: Handle, { awayMillis, joiner }) =>
    Effect.gen(function*() {
      const { client, directory, host } = handle
      const crypto = Context.get(directory, Crypto)
      const certificate = Letters.asked(host, joiner)
      if (certificate === undefined) return
      const letIn = Effect.gen(function*() {
        yield* write(handle, { _tag: "AddMember", certificate, role: ROLE.admin })
        const relays = (yield* client.relays.list).map(({ address }) => address)
        Letters.welcome(host, joiner, SpaceState.toWelcome(crypto, yield* client.state, { relays, admin: true }))
      })
      if (awayMillis === 0) return yield* letIn
      yield* client.pause
      yield* Effect.ensuring(Effect.andThen(letIn, Effect.sleep(awayMillis)), client.resume)
    })
})

/** A device calls itself otherwise. The label holds the canary, as what people write there may be theirs alone. */
const relabel = Workload.command({
  weight: 1,
  input: Schema.String,
  draw: (_, { canary }) => `label ${canary}`,
  run: (handle: Handle, label) => write(handle, { _tag: "Relabel", device: handle.identity.id, label })
})

/** Somebody's role is set anew. Nobody loses the right to write: what counted has to go on counting. */
const setRole = Workload.command({
  weight: 1,
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

export const commands = { admit, relabel, setRole }
