/**
 * A small world in memory: relays over disks that outlive them, devices over stores that outlive them, and a network
 * between them that can be cut. What runs in it is the shipped relay and the shipped client.
 */
import * as Connection from "@sotto/core/channel/Connection"
import type * as Client from "@sotto/core/Client"
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import type { DeviceIdentity } from "@sotto/core/Device"
import * as Keystore from "@sotto/core/Keystore"
import { Ordinal } from "@sotto/core/log/Cursor"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Secret from "@sotto/core/Secret"
import * as Sotto from "@sotto/core/Sotto"
import * as Membership from "@sotto/core/space/Membership"
import * as SpaceState from "@sotto/core/space/SpaceState"
import { makeMemory, type Pair, Store, StoreFailed } from "@sotto/core/Store"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, Signature } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Proof from "@sotto/schema/Proof"
import { ROLE, type Role } from "@sotto/schema/Space"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as RelayKit from "./relayKit.ts"

type StoreService = Store["Service"]
type Ends = readonly [Connection.End, Connection.End]

/** One crypto for all tests of a file: its self-test takes a while. */
export const CryptoLive = Layer.orDie(Portable.layer)

/** A relay's place in the network. */
export interface RelayHost {
  readonly url: string
  readonly address: RelayAddress
  readonly start: Effect.Effect<void>
  /** As a process that was killed: connections break, the disk stays. */
  readonly stop: Effect.Effect<void>
  readonly isRunning: () => boolean
  /** The running relay. */
  readonly relay: () => Relay.Relay["Service"]
  readonly disk: MemoryRelayStore.Disk
  /** What the disk holds now, to be put back later with `restore`. */
  readonly snapshot: () => MemoryRelayStore.Disk
  readonly restore: (snapshot: MemoryRelayStore.Disk) => void
  /** Forgets every route, but not the relay's key. */
  readonly wipe: () => void
}

/** What may happen to a device's store. Counts commits from 1; asked before each. */
export type Fault = (commit: number) => "ok" | "fail-before" | "fail-after" | "die-before" | "die-after"

export interface DeviceHost {
  readonly label: string
  /** The rows, whatever process is running. */
  readonly store: StoreService
  /** Commits so far, of all processes. */
  readonly commits: () => number
  readonly fault: (fault: Fault) => void
  /** Whether a fault has killed the process; its store then does nothing any more. */
  readonly isDead: () => boolean
  readonly run: <A, E>(
    effect: Effect.Effect<A, E, Store | Keystore.Keystore | Crypto | Transport | Scope.Scope>
  ) => Effect.Effect<A, E, Scope.Scope>
  /** Starts the client; it ends with `close`, `crash` or the test. */
  readonly open: Effect.Effect<Client.Client["Service"]>
  readonly openWith: (options: Client.ClientOptions) => Effect.Effect<Client.Client["Service"]>
  readonly close: Effect.Effect<void>
  /** The process dies: nothing is flushed, nothing is said, and its store takes nothing more. */
  readonly crash: Effect.Effect<void>
  readonly client: () => Client.Client["Service"]
  readonly isOpen: () => boolean
  readonly identity: () => DeviceIdentity
  /** Breaks its connections and lets no new ones come about. */
  readonly cut: Effect.Effect<void>
  readonly heal: Effect.Effect<void>
  /** From now on nothing comes through any more, in either direction, and nobody is told. */
  readonly freeze: Effect.Effect<void>
  /** The rows as they are, to be put back later with `putBack` while no process runs. */
  readonly copy: Effect.Effect<ReadonlyArray<Pair>>
  readonly putBack: (copy: ReadonlyArray<Pair>) => Effect.Effect<void>
  /** Connections that it tried to open. */
  readonly dials: () => number
}

export interface World {
  readonly crypto: Crypto["Service"]
  /** Over a disk in memory, unless a store is given: then `disk` and what is done to it mean nothing. */
  readonly makeRelay: (options?: {
    readonly settings?: RelaySettings
    readonly store?: RelayStore["Service"]
  }) => Effect.Effect<RelayHost, never, Scope.Scope>
  /** Over a store in memory, unless one is given. */
  readonly makeDevice: (label: string, store?: StoreService) => Effect.Effect<DeviceHost, never, Scope.Scope>
}

/** Everything that is ready to run has run. */
export const settle: Effect.Effect<void> = Effect.forEach(Array.from({ length: 300 }), () => Effect.yieldNow, {
  discard: true
})

/** Waits, without the clock, until `ready` holds. */
export const until = (what: string, ready: () => boolean, tries = 20_000): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (ready()) return Effect.void
    return tries === 0
      ? Effect.die(new Error(`it never came about: ${what}`))
      : Effect.andThen(Effect.yieldNow, until(what, ready, tries - 1))
  })

/** Like `until`, of what takes an effect to see. */
export const untilEffect = <E, R>(
  what: string,
  ready: Effect.Effect<boolean, E, R>,
  tries = 5000
): Effect.Effect<void, E, R> =>
  Effect.flatMap(ready, (is) => {
    if (is) return Effect.void
    return tries === 0
      ? Effect.die(new Error(`it never came about: ${what}`))
      : Effect.andThen(Effect.yieldNow, untilEffect(what, ready, tries - 1))
  })

/** A process of a device. When it is dead, its store answers nothing any more, until the test takes it away. */
interface Process {
  dead: boolean
  readonly gone: Deferred.Deferred<void>
}

const makeProcess = (): Process => ({ dead: false, gone: Deferred.makeUnsafe() })

const nothing = ({ gone }: Process): Effect.Effect<never> => Effect.andThen(Deferred.await(gone), Effect.interrupt)

const EVERYTHING = { from: Uint8Array.of(0), to: Uint8Array.of(0xff), limit: Number.MAX_SAFE_INTEGER }

const cloneDisk = (disk: MemoryRelayStore.Disk): MemoryRelayStore.Disk => structuredClone(disk)

/** An empty world over the context's Crypto. Everything in it ends with the scope. */
export const make: Effect.Effect<World, never, Crypto | Scope.Scope> = Effect.gen(function*() {
  const crypto = yield* Crypto
  const hostByUrl = new Map<
    string,
    { readonly host: RelayHost; readonly accept: (end: Connection.End) => Effect.Effect<void> }
  >()

  const makeRelay: World["makeRelay"] = Effect.fnUntraced(function*(options) {
    const url = `ws://relay-${hostByUrl.size + 1}/`
    const disk = MemoryRelayStore.makeDisk()
    let running: { readonly relay: Relay.Relay["Service"]; readonly scope: Scope.Closeable } | undefined
    const start = Effect.gen(function*() {
      const scope = yield* Scope.make()
      const relay = yield* Relay.make(options?.settings).pipe(
        Effect.provideService(RelayStore, options?.store ?? MemoryRelayStore.make(crypto, disk)),
        Effect.provideService(Hints.Hints, Hints.makeLocal()),
        Effect.provideService(Crypto, crypto),
        Scope.provide(scope),
        Effect.orDie
      )
      running = { relay, scope }
    })
    const stop = Effect.suspend(() => {
      const ending = running
      running = undefined
      return ending === undefined ? Effect.void : Scope.close(ending.scope, Exit.void)
    })
    yield* start
    yield* Effect.addFinalizer(() => stop)
    const relay = () => {
      if (running === undefined) throw new Error("the relay does not run")
      return running.relay
    }
    const replace = (other: MemoryRelayStore.Disk) => {
      disk.routeByHex.clear()
      for (const [hex, route] of other.routeByHex) disk.routeByHex.set(hex, route)
    }
    const host: RelayHost = {
      url,
      address: { url, key: relay().relayKey },
      start,
      stop,
      isRunning: () => running !== undefined,
      relay,
      disk,
      snapshot: () => cloneDisk(disk),
      restore: (snapshot) => replace(cloneDisk(snapshot)),
      wipe: () => replace(MemoryRelayStore.makeDisk())
    }
    hostByUrl.set(url, {
      host,
      accept: (end) =>
        Effect.suspend(() =>
          running === undefined
            ? Effect.void
            : Effect.asVoid(Effect.forkIn(Effect.ensuring(running.relay.serve(end), end.close), running.scope))
        )
    })
    return host
  })

  const makeDevice: World["makeDevice"] = Effect.fnUntraced(function*(label, rows = makeMemory()) {
    const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
    const wires = new Set<Ends>()
    let dials = 0
    let isCut = false
    let isFrozen = false
    let commits = 0
    let fault: Fault = () => "ok"
    let current: {
      readonly scope: Scope.Closeable
      readonly process: Process
      client?: Client.Client["Service"]
    } | undefined
    let identity: DeviceIdentity | undefined

    const transport = Transport.of({
      connect: Effect.fnUntraced(function*({ url }) {
        dials++
        const target = hostByUrl.get(url)
        if (isCut || target === undefined || !target.host.isRunning()) {
          return yield* new RelayUnreachable({ url, reason: "refused", detail: isCut ? "cut" : "not there" })
        }
        const ends = yield* Connection.pair
        wires.add(ends)
        yield* Effect.addFinalizer(() => Effect.sync(() => wires.delete(ends)))
        yield* target.accept(ends[1])
        const { receive, send } = ends[0]
        return {
          ...ends[0],
          send: (message) => Effect.suspend(() => isFrozen ? Effect.void : send(message)),
          receive: Effect.filterOrElse(receive, () => !isFrozen, () => Effect.never)
        }
      })
    })

    const storeOf = (process: Process): StoreService => ({
      get: (key) => process.dead ? nothing(process) : rows.get(key),
      getMany: (keys) => process.dead ? nothing(process) : rows.getMany(keys),
      scan: (range) => process.dead ? nothing(process) : rows.scan(range),
      commit: (writes) =>
        Effect.suspend(() => {
          if (process.dead) return nothing(process)
          const verdict = fault(++commits)
          const failed = new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the test wants" })
          switch (verdict) {
            case "ok":
              return rows.commit(writes)
            case "fail-before":
              return Effect.fail(failed)
            case "fail-after":
              return Effect.andThen(rows.commit(writes), Effect.fail(failed))
            case "die-before":
            case "die-after": {
              const kept = verdict === "die-after" ? rows.commit(writes) : Effect.void
              process.dead = true
              return Effect.andThen(kept, nothing(process))
            }
          }
        })
    })

    const services = (process: Process) =>
      Context.make(Store, Store.of(storeOf(process))).pipe(
        Context.add(Keystore.Keystore, keystore),
        Context.add(Crypto, crypto),
        Context.add(Transport, transport)
      )

    const end = Effect.suspend(() => {
      const ending = current
      current = undefined
      return ending === undefined ? Effect.void : Scope.close(ending.scope, Exit.void)
    })

    const breakWires = Effect.suspend(() => Effect.forEach([...wires], ([near]) => near.close, { discard: true }))

    const openWith: DeviceHost["openWith"] = Effect.fnUntraced(function*(options) {
      const scope = yield* Scope.make()
      const process = makeProcess()
      current = { scope, process }
      const sotto = yield* Sotto.openWith(options).pipe(
        Effect.provideContext(services(process)),
        Scope.provide(scope),
        Effect.orDie,
        Effect.onError(() => end)
      )
      identity = sotto.identity
      current = { scope, process, client: sotto.client }
      return sotto.client
    })

    const host: DeviceHost = {
      label,
      store: rows,
      commits: () => commits,
      fault: (next) => {
        fault = next
      },
      isDead: () => current?.process.dead === true,
      run: (effect) => Effect.provideContext(effect, services(makeProcess())),
      open: openWith({}),
      openWith,
      close: end,
      crash: Effect.uninterruptible(Effect.suspend(() => {
        if (current !== undefined) {
          current.process.dead = true
          Deferred.doneUnsafe(current.process.gone, Effect.void)
        }
        // What a dead process was about to save as it ended is interrupted with it.
        const ended = end.pipe(
          Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.failCause(cause))
        )
        return Effect.andThen(breakWires, ended)
      })),
      client: () => {
        if (current?.client === undefined) throw new Error(`${label} does not run`)
        return current.client
      },
      isOpen: () => current?.client !== undefined,
      identity: () => {
        if (identity === undefined) throw new Error(`${label} was never opened`)
        return identity
      },
      cut: Effect.suspend(() => {
        isCut = true
        return breakWires
      }),
      heal: Effect.sync(() => {
        isCut = false
        isFrozen = false
      }),
      freeze: Effect.sync(() => {
        isFrozen = true
      }),
      copy: Effect.orDie(rows.scan(EVERYTHING)),
      putBack: (copy) =>
        Effect.orDie(
          Effect.flatMap(rows.scan(EVERYTHING), (now) => rows.commit([...now.map(({ key }) => ({ key })), ...copy]))
        ),
      dials: () => dials
    }
    yield* Effect.addFinalizer(() => host.crash)
    return host
  })

  return { crypto, makeRelay, makeDevice }
})

/** Makes a device the first of a space at these relays; it does not run yet. */
export const create = (
  host: DeviceHost,
  label: string,
  relays: ReadonlyArray<RelayHost>,
  options: Partial<Sotto.CreateOptions> = {}
) => Effect.orDie(host.run(Sotto.create({ label, relays: relays.map(({ address }) => address), ...options })))

/** A device that creates a space at these relays, running. */
export const found = Effect.fnUntraced(function*(world: World, label: string, relays: ReadonlyArray<RelayHost>) {
  const host = yield* world.makeDevice(label)
  yield* create(host, label, relays)
  yield* host.open
  return host
})

/** What a device of the space does to let another in: the operation, durable, and the welcome. */
export const welcome = Effect.fnUntraced(function*(
  world: World,
  host: DeviceHost,
  certificate: DeviceIdentity["certificate"],
  role: Role
) {
  const client = host.client()
  const { membership } = yield* client.state
  const nowMillis = yield* Clock.currentTimeMillis
  const op = Membership.addMember(world.crypto, membership, host.identity(), { certificate, role, nowMillis })
  yield* Effect.orDie(client.addMember(op))
  const relays = (yield* Effect.orDie(client.relays.list)).map(({ address }) => address)
  return SpaceState.toWelcome(world.crypto, yield* client.state, { relays, admin: role >= ROLE.admin })
})

/** A new device in the space of another, not yet running. */
export const admit = Effect.fnUntraced(function*(
  world: World,
  host: DeviceHost,
  label: string,
  role: Role = ROLE.admin,
  store?: StoreService
) {
  const guest = yield* world.makeDevice(label, store)
  const { certificate } = yield* Effect.orDie(guest.run(Sotto.device({ label })))
  yield* Effect.orDie(guest.run(Sotto.join(yield* welcome(world, host, certificate, role))))
  return guest
})

/**
 * Puts into a running relay's log what it had hidden of a device's entries, and what the device has not sent: as a relay
 * does that shows one history to one and another to another, and is not careful enough.
 */
export const inject = Effect.fnUntraced(function*(relay: RelayHost, hidden: MemoryRelayStore.Disk, from: DeviceHost) {
  const { routeByHex } = relay.disk
  const client = yield* RelayKit.connect(relay.relay())
  const crypto = yield* Crypto
  for (const [hex, { state }] of routeByHex) {
    const known = routeByHex.get(hex)?.knownByIdHex
    const rows = [...hidden.routeByHex.get(hex)?.rowByPosition.values() ?? []]
    const unsent = yield* Effect.orDie(Ledger.entry.scan(from.store, { limit: 1000 }))
    const envelopes = [...rows.map(({ bytes }) => bytes), ...unsent.map(({ row }) => row.envelope)]
      .filter((bytes) => known?.has(Bytes.toHex(crypto.blake3(bytes))) === false)
    const epoch = SpaceState.currentEpoch(yield* from.client().state)
    const pair = epoch.writeCapability(relay.address.key)
    const attached = yield* Effect.orDie(client.calls.Attach({
      route: state.route,
      epoch: epoch.epoch,
      proofs: [{
        capability: "write",
        signature: Signature.make(crypto.signature.sign(
          pair.secretKey,
          Proof.attach({
            handshakeHash: client.handshakeHash,
            route: state.route,
            epoch: epoch.epoch,
            capability: "write"
          })
        ))
      }]
    }))
    yield* RelayKit.push(client, attached.handle, [
      ...new Map(envelopes.map((one) => [Bytes.toHex(one), one])).values()
    ])
  }
})

/** Fills the outbox of a closed device with as many rows, as if it had written so much without a relay. */
export const crowd = (host: DeviceHost, count: number): Effect.Effect<void> => {
  const id = EnvelopeId.make(new Uint8Array(32))
  const relay = Ledger.RelayNumber.make(1)
  const rows = Array.from(
    { length: count },
    (_, i) => Ledger.outbox.put({ relay, ordinal: Ordinal.make(1_000_000 + i) }, id)
  )
  return Effect.orDie(host.store.commit(rows))
}
