/**
 * A member who lies: it has all keys of the space, and writes entries in the names of others, whose signatures it cannot
 * make. Nobody may show them, and nothing of what is true may suffer from them.
 */
import type { ReceivedEntry } from "@sotto/core/Client"
import { Crypto } from "@sotto/core/Crypto"
import { sign } from "@sotto/core/Device"
import { putOp } from "@sotto/core/log/Outbox"
import * as Sealing from "@sotto/core/log/Sealing"
import * as Secret from "@sotto/core/Secret"
import * as Membership from "@sotto/core/space/Membership"
import { currentEpoch, type SpaceState } from "@sotto/core/space/SpaceState"
import * as Bytes from "@sotto/schema/Bytes"
import { type Entry, entryCodec, unsignedEntryCodec } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import { type DeviceId, EntryHash, Seq, Signature } from "@sotto/schema/Id"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Workload from "@sotto/simulation/Workload"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as ClientNode from "../node/ClientNode.ts"
import * as Wire from "./Wire.ts"

/** How a forged entry is signed: not at all, by the liar, or with bytes that are no signature. */
const How = Schema.Literals(["unsigned", "own", "noise"])
type How = typeof How.Type

const signatureFor = (
  handle: ClientNode.Handle,
  { keys }: SpaceState,
  hash: EntryHash,
  how: How
): Entry["signature"] => {
  if (how === "unsigned") return null
  const crypto = Context.get(handle.directory, Crypto)
  const own = sign(crypto, handle.identity, Sealing.signedBytes(keys, hash))
  if (how === "own") return own
  const noise = own.map((byte, at) => at === 0 ? byte ^ 1 : byte)
  return Signature.make(noise)
}

/** A place in a chain. */
interface Place {
  readonly seq: Seq
  readonly prev: EntryHash
}

const FIRST: Place = { seq: Seq.make(1), prev: EntryHash.make(new Uint8Array(32)) }

/** Whether all of an entry is in one collection, and one that is written to again and again. */
const isUsual = ({ ops }: ReceivedEntry): boolean =>
  ops.every(({ collection }) => collection === ops[0]?.collection && !collection.startsWith("list "))

/** The place after the last entry that this device has of another one; undefined when it has none. */
const nextPlace = Effect.fnUntraced(function*({ client }: ClientNode.Handle) {
  const entries = yield* Stream.runCollect(client.entries())
  const last = entries.findLast((entry) => !entry.own && isUsual(entry))
  const collection = last?.ops[0]?.collection
  if (last === undefined || collection === undefined) return undefined
  return { collection, victim: last.device, place: { seq: Seq.make(last.seq + 1), prev: last.hash } }
})

/** The envelope of an entry that `victim` never wrote. */
const forge = (
  handle: ClientNode.Handle,
  state: SpaceState,
  { collection, how, nowMillis, place, random32, value, victim }: {
    readonly collection: string
    readonly how: How
    readonly nowMillis: number
    readonly place: Place
    readonly random32: Uint8Array
    readonly value: string
    readonly victim: DeviceId
  }
): Uint8Array => {
  const crypto = Context.get(handle.directory, Crypto)
  const { keys } = state
  const epoch = currentEpoch(state)
  const ops = [putOp(Utf8.encode(value), { collection })]
  const lane = Sealing.laneOf(state, { ops })
  const headerBytes = Envelope.encodeHeader({ suite: keys.suite, kind: Envelope.KIND.data, epoch: epoch.epoch, lane })
  const unsigned = {
    device: victim,
    ...place,
    hlc: { millis: nowMillis, counter: 0 },
    lastHead: null,
    ops
  }
  const hash = Sealing.entryHash(crypto, keys, headerBytes, unsignedEntryCodec.encode(unsigned))
  const plaintext = entryCodec.encode({ ...unsigned, signature: signatureFor(handle, state, hash, how) })
  return Sealing.seal(crypto, { keys, epoch, headerBytes, plaintext, random32 }).bytes
}

/**
 * Writes such an entry and pushes it to the first relay: in a lane of its own, or, unsigned, where somebody writes next, so
 * that it waits for a signature until the true entry of that place comes.
 */
const lie = Workload.command({
  weight: 6,
  input: Schema.Struct({ at: Schema.Int, how: How, value: Schema.String, next: Schema.Boolean }),
  draw: (draws, { canary }) => ({
    at: draws.int(8),
    how: draws.pick<How>(["unsigned", "own", "noise"]),
    value: `forged ${canary}`,
    next: draws.chance(0.5)
  }),
  run: (handle: ClientNode.Handle, { at, how: wanted, next, value }) =>
    Wire.using(Effect.gen(function*() {
      const { client, identity } = handle
      const state = yield* client.state
      const others = Membership.members(state.membership).filter(({ id }) => !Bytes.equals(id, identity.id))
      const other = others[at % Math.max(1, others.length)]
      const [relay] = yield* client.relays.list
      if (other === undefined || relay === undefined) return
      const wire = yield* Wire.attachAsMember(Context.get(handle.directory, Crypto), state, relay.address)
      const nowMillis = yield* Clock.currentTimeMillis
      const found = next ? yield* nextPlace(handle) : undefined
      const where = found ?? { collection: `lane of ${value}`, place: FIRST, victim: other.id }
      const how = found === undefined ? wanted : "unsigned"
      const random32 = yield* Secret.randomBytes(32)
      const envelope = forge(handle, state, { ...where, how, nowMillis, random32, value })
      yield* wire.say({ _tag: "Push", handle: wire.handle, request: 1, envelopes: [envelope] })
      yield* wire.hear
      handle.host.mark(`lied (${found === undefined ? how : "next"})`)
    })).pipe(Effect.provideContext(handle.directory))
})

/** Pushes one thing many times over without waiting for an answer. */
const flood = Workload.command({
  weight: 2,
  input: Schema.String,
  draw: (_, { canary }) => `flood ${canary}`,
  run: (handle: ClientNode.Handle, value) =>
    Wire.using(Effect.gen(function*() {
      const { client, identity } = handle
      const state = yield* client.state
      const [relay] = yield* client.relays.list
      if (relay === undefined) return
      const wire = yield* Wire.attachAsMember(Context.get(handle.directory, Crypto), state, relay.address)
      const nowMillis = yield* Clock.currentTimeMillis
      const random32 = yield* Secret.randomBytes(32)
      const lie = { collection: value, how: "noise", nowMillis, place: FIRST, random32, value } as const
      const envelope = forge(handle, state, { ...lie, victim: identity.id })
      for (let request = 1; request <= FLOOD; request++) {
        yield* wire.say({ _tag: "Push", handle: wire.handle, request, envelopes: [envelope] })
      }
      yield* Effect.timeoutOption(Effect.forever(wire.hear), FLOOD_MILLIS)
    })).pipe(Effect.provideContext(handle.directory))
})

const FLOOD = 100
const FLOOD_MILLIS = 2000

/** Subscribes with credit for one page, and gives none back. */
const starve = Workload.command({
  weight: 2,
  input: Schema.Null,
  draw: () => null,
  run: ({ client, directory, host }: ClientNode.Handle) =>
    Wire.using(Effect.gen(function*() {
      const state = yield* client.state
      const [relay] = yield* client.relays.list
      if (relay === undefined) return
      const wire = yield* Wire.attachAsMember(Context.get(directory, Crypto), state, relay.address)
      const { handle } = wire
      yield* wire.say({ _tag: "Subscribe", handle, request: 1, after: Wire.START, lanes: [], creditBytes: 1 })
      let pages = 0
      yield* Effect.forever(Effect.map(wire.hear, (frames) => {
        pages += frames.filter((frame) => frame._tag === "Deliver" && frame.placed.length > 0).length
        if (pages > 1) host.observe("overdrawn", { pages })
      })).pipe(Effect.timeoutOption(FLOOD_MILLIS))
    })).pipe(Effect.provideContext(directory))
})

export const commands = { lie, flood, starve }
