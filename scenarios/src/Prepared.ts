/**
 * A space that is there already when a run begins: five devices at one or two relays, each of which was online once; or
 * at none, when each was connected to the first one. Made once by the shipped programs, then put on the disks of many
 * runs, so that these begin where something happens.
 *
 * The same for every run and process: it depends on the tier of cryptography, the relays and how they keep the space only;
 * and, when they keep it in transit, on which devices there are: the others never come, and nobody waits for them.
 */
import * as Connection from "@sotto/core/channel/Connection"
import { Crypto } from "@sotto/core/Crypto"
import * as Keystore from "@sotto/core/Keystore"
import * as Hints from "@sotto/core/relay/Hints"
import * as Relay from "@sotto/core/relay/Relay"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Secret from "@sotto/core/Secret"
import * as Sotto from "@sotto/core/Sotto"
import * as Membership from "@sotto/core/space/Membership"
import * as SpaceState from "@sotto/core/space/SpaceState"
import { makeMemory, type Pair, Store } from "@sotto/core/Store"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import { ROLE } from "@sotto/schema/Space"
import { Disk } from "@sotto/simulation/Disk"
import * as Files from "@sotto/simulation/Files"
import * as Journal from "@sotto/simulation/Journal"
import * as Kernel from "@sotto/simulation/Kernel"
import type * as Node from "@sotto/simulation/Node"
import * as Process from "@sotto/simulation/Process"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SimCrypto from "./adapter/SimCrypto.ts"
import * as SimRelayStore from "./adapter/SimRelayStore.ts"
import * as SimTransport from "./adapter/SimTransport.ts"
import * as Services from "./node/Services.ts"
import * as Transit from "./node/Transit.ts"

/** What lies on the disks. */
export interface Prepared {
  /** The bytes of each relay's journal. */
  readonly relayByName: ReadonlyMap<string, Uint8Array>
  /** The rows of each device's store. */
  readonly devices: ReadonlyArray<ReadonlyArray<Pair>>
}

/** Devices that a prepared space has. */
const DEVICES = 5

/** Before any run begins: an hour before the first of January 2026. */
const EPOCH_MILLIS = 1_767_225_600_000 - 3_600_000

const EVERYTHING = { from: Uint8Array.of(0), to: Uint8Array.of(0xff), limit: Number.MAX_SAFE_INTEGER }
const RELAY_FILE = "relay"

/** What a prepared space depends on. */
interface Plan {
  readonly tier: SimCrypto.Tier
  readonly relays: ReadonlyArray<string>
  readonly retention: Retention
  /** Devices that were online once. */
  readonly online: ReadonlyArray<string>
  /** 1: the space of all runs. 2: one of strangers at the same relays. */
  readonly seed: bigint
}

/** Makes a prepared space. Throws what went wrong: then the programs themselves do not work. */
const make = (plan: Plan): Prepared => {
  const kernel = Kernel.make({ seed: plan.seed, epochMillis: EPOCH_MILLIS })
  let prepared: Prepared | undefined
  const process = Process.start(kernel, {
    node: "prepare",
    context: Context.empty(),
    program: Effect.scoped(Effect.map(build(kernel, plan), (made) => {
      prepared = made
    }))
  })
  kernel.run({ micros: 600_000_000, predicate: () => prepared !== undefined || !process.alive })
  if (prepared !== undefined) return prepared
  throw new Error(
    `no space could be prepared: ${JSON.stringify(kernel.failure ?? process.exit ?? "it never ended")} ${
      JSON.stringify(kernel.escapes)
    }`
  )
}

const cryptoOf = ({ seed, tier }: Plan, node: string): Crypto["Service"] => {
  const draws = Seed.draws(seed, `prepare ${node}`)
  return SimCrypto.make({
    tier,
    node,
    random: (length) => draws.bytes(length),
    record: new SimCrypto.SealRecord(),
    onReuse: ({ cipher }) => {
      throw new Error(`${node} used a nonce of ${cipher} twice`)
    }
  })
}

const build = (kernel: Kernel.Kernel, plan: Plan) =>
  Effect.gen(function*() {
    const hosts = yield* Effect.forEach(plan.relays, (node) => makeRelay(kernel, plan, node))
    const transport = dialing(new Map(hosts.map((host) => [host.url, host.relay])))
    const make = (index: number) => makeDevice(plan, deviceOf(index), transport)
    const founder = make(0)
    const relayAddresses = hosts.map(({ relay, url }): RelayAddress => ({ url, key: relay.relayKey }))
    yield* founder.run(Sotto.create({ label: labelOf(0), relays: relayAddresses, retention: plan.retention }))
    const devices = [founder]
    yield* founder.run(Effect.scoped(Effect.gen(function*() {
      const { client, identity } = yield* Sotto.open
      for (let index = 1; index < DEVICES; index++) {
        const guest = make(index)
        devices.push(guest)
        const { certificate } = yield* guest.run(Sotto.device({ label: labelOf(index) }))
        const { membership } = yield* client.state
        const nowMillis = yield* Clock.currentTimeMillis
        const role = ROLE.admin
        yield* client.addMember(
          Membership.addMember(founder.crypto, membership, identity, { certificate, role, nowMillis })
        )
        const options = { relays: relayAddresses, admin: true }
        yield* guest.run(Sotto.join(SpaceState.toWelcome(founder.crypto, yield* client.state, options)))
      }
      if (hosts.length > 0) yield* client.settled
    })))
    for (const [index, device] of devices.entries()) {
      if (!plan.online.includes(deviceOf(index))) continue
      if (hosts.length === 0) {
        if (device !== founder) yield* connect(founder, device)
        continue
      }
      yield* device.run(
        Effect.scoped(Effect.flatMap(Sotto.open, ({ client }) => Effect.andThen(client.settled, client.ack)))
      )
    }
    const relayByName = new Map<string, Uint8Array>()
    for (const { files, node } of hosts) relayByName.set(node, yield* files.readAll(RELAY_FILE))
    return {
      relayByName,
      devices: yield* Effect.forEach(devices, ({ store }) => store.scan(EVERYTHING))
    }
  })

const deviceOf = (index: number): string => `client-${index + 1}`

const labelOf = (index: number): string => `device label ${index + 1}`

const makeRelay = Effect.fnUntraced(function*(kernel: Kernel.Kernel, plan: Plan, node: string) {
  const crypto = cryptoOf(plan, node)
  const disk = new Disk({ timeline: kernel, seed: plan.seed, recorder: kernel.trace, node })
  const files = Files.make(disk, { node, alive: () => true })
  const relay = yield* Relay.make().pipe(
    Effect.provideService(RelayStore, yield* SimRelayStore.open(files, crypto)),
    Effect.provideService(Hints.Hints, Hints.makeLocal()),
    Effect.provideService(Crypto, crypto)
  )
  return { node, url: SimTransport.urlOf(node), relay, files }
})

/** A network of pairs of queues. */
const dialing = (relayByUrl: ReadonlyMap<string, Relay.Relay["Service"]>): Transport["Service"] =>
  Transport.of({
    connect: Effect.fnUntraced(function*({ url }) {
      const relay = relayByUrl.get(url)
      if (relay === undefined) return yield* new RelayUnreachable({ url, reason: "network", detail: "nobody there" })
      const [near, far] = yield* Connection.pair
      yield* Effect.forkIn(Effect.ensuring(relay.serve(far), far.close), yield* Effect.scope)
      return near
    })
  })

type MadeDevice = ReturnType<typeof makeDevice>

const makeDevice = (plan: Plan, node: string, transport: Transport["Service"]) => {
  const crypto = cryptoOf(plan, node)
  const store = makeMemory()
  const directory = Context.make(Store, store).pipe(
    Context.add(Keystore.Keystore, Keystore.fromKey(crypto, Secret.make(Services.keyOf(node)))),
    Context.add(Crypto, crypto),
    Context.add(Transport, transport)
  )
  return {
    crypto,
    store,
    run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideContext(effect, directory)
  }
}

/** Two devices get what the other one has. */
const connect = (asking: MadeDevice, asked: MadeDevice) =>
  Effect.scoped(Effect.gen(function*() {
    const [near, far] = yield* Connection.pair
    const open = Effect.map(Sotto.open, ({ client }) => client.peers)
    const [asker, answerer] = [yield* asking.run(open), yield* asked.run(open)]
    yield* Effect.raceFirst(asker.sync(near), answerer.speak(far, "responder"))
  }))

const cache = new Map<string, Prepared>()

/** The prepared space of some relays. To be called outside of runs first: what is being made is a run of its own. */
const of = (plan: Plan): Prepared => {
  const key = `${plan.seed} ${plan.tier} ${plan.relays.join()} ${plan.retention._tag} ${plan.online.join()}`
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = make(plan)
  cache.set(key, made)
  return made
}

/** All of them, unless a relay would wait for those that never come. */
const onlineOf = (knobs: Node.Base["knobs"], clients: ReadonlyArray<string>): ReadonlyArray<string> =>
  Transit.isWanted(knobs) ? clients : Array.from({ length: DEVICES }, (_, index) => deviceOf(index))

const planOf = ({ knobs, nodes }: Scenario, seed: bigint): Plan => {
  const names = (wanted: string) => nodes.filter(({ kind }) => kind === wanted).map(({ name }) => name).toSorted()
  return {
    tier: Services.tierOf(knobs),
    relays: names("relay"),
    retention: Transit.retentionOf(knobs),
    online: onlineOf(knobs, names("client")),
    seed
  }
}

/** Makes the space that a scenario's nodes begin with, if that was not done before. */
export const forScenario = (scenario: Scenario): Prepared => of(planOf(scenario, 1n))

/** Makes the space of strangers as well. */
export const strangersForScenario = (scenario: Scenario): Prepared => of(planOf(scenario, 2n))

const around = (host: Node.Base, seed = 1n): Prepared => {
  const { knobs } = host
  const names = (kind: string) => {
    const others = host.others(kind)
    return (host.kind === kind ? [...others, host.name] : others).toSorted()
  }
  return of({
    tier: Services.tierOf(knobs),
    relays: names("relay"),
    retention: Transit.retentionOf(knobs),
    online: onlineOf(knobs, names("client")),
    seed
  })
}

/** The number of a node in its name, from 0: it stays when others are taken away. */
const numberOf = (name: string): number => Number(/-(\d+)$/.exec(name)?.[1] ?? "1") - 1

/** What a relay's journal says. */
export const recordsOf = (host: Node.Base): ReadonlyArray<Uint8Array> => recordsIn(around(host), host)

/** What the same relay's journal would say of the space of strangers. */
export const strangersRecordsOf = (host: Node.Base): ReadonlyArray<Uint8Array> => recordsIn(around(host, 2n), host)

const recordsIn = ({ relayByName }: Prepared, { name }: Node.Base): ReadonlyArray<Uint8Array> => {
  const bytes = relayByName.get(name)
  return bytes === undefined ? [] : Journal.readBytes(bytes).records
}

/** Puts the relay's journal on its disk, at once or not at all, when there is none. */
export const seedRelay = Effect.fnUntraced(function*(host: Node.Base) {
  const { files } = host
  const bytes = around(host).relayByName.get(host.name)
  if (bytes === undefined || (yield* files.sizeOf(RELAY_FILE)) !== undefined) return
  const fresh = `${RELAY_FILE}.prepared`
  if ((yield* files.sizeOf(fresh)) !== undefined) yield* files.remove(fresh)
  yield* files.append(fresh, bytes)
  yield* files.sync(fresh)
  yield* files.rename(fresh, RELAY_FILE)
  yield* files.syncDirectory
})

/** Puts the device's rows into its store, at once, when it has none. */
export const seedDevice = Effect.fnUntraced(function*(host: Node.Base) {
  const store = yield* Store
  if ((yield* store.scan({ ...EVERYTHING, limit: 1 })).length > 0) return
  const rows = around(host).devices[numberOf(host.name)]
  if (rows === undefined) return yield* Effect.die(`no ${host.name} was prepared`)
  yield* store.commit(rows)
})
