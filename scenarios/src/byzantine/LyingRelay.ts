/**
 * A relay that deceives: the shipped relay, with two faces of one identity. Whoever a lie is for is served by the second
 * face, over a storage that lies or that went another way; all others by the first, over the true one.
 *
 * Its storage is a perfect disk, so that nothing but a lie is ever wrong with it. A lie begins and ends with a restart.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import * as Relay from "@sotto/core/relay/Relay"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { Position } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import * as Node from "@sotto/simulation/Node"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as SimRelayStore from "../adapter/SimRelayStore.ts"
import * as SimTransport from "../adapter/SimTransport.ts"
import type { Handle } from "../node/RelayNode.ts"
import * as Services from "../node/Services.ts"
import * as Prepared from "../Prepared.ts"
import * as Lie from "./Lie.ts"

/** The storages of the relays of a run, which outlive their processes. */
interface Storage {
  readonly truth: MemoryRelayStore.Disk
  /** Envelopes of another space. */
  readonly strange: ReadonlyArray<Uint8Array>
  fork: MemoryRelayStore.Disk | undefined
  /** The position at which the log stood when that lie was begun. */
  end: number
  /** The lie that was begun last. */
  begun: string
}

const storages = Workload.model(() => new Map<string, Storage>())

type Sha256 = Pick<Crypto["Service"], "sha256">

const storageOf = Effect.fnUntraced(function*(host: Node.Base, crypto: Sha256) {
  const all = storages.of(host.facts)
  const known = all.get(host.name)
  if (known !== undefined) return known
  const truth = MemoryRelayStore.makeDisk()
  yield* SimRelayStore.redoAll(Prepared.recordsOf(host), MemoryRelayStore.make(crypto, truth))
  const elsewhere = MemoryRelayStore.makeDisk()
  yield* SimRelayStore.redoAll(Prepared.strangersRecordsOf(host), MemoryRelayStore.make(crypto, elsewhere))
  const strange = [...elsewhere.routeByHex.values()].flatMap(({ rowByPosition }) =>
    Array.from(rowByPosition.values(), ({ bytes }) => bytes)
  )
  if (strange.length === 0) return yield* Effect.die("the space of strangers is empty")
  const storage: Storage = { truth, strange, fork: undefined, end: 0, begun: "" }
  all.set(host.name, storage)
  return storage
})

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))

/** Another history with the same beginning. */
const copyOf = ({ routeByHex, secretByName }: MemoryRelayStore.Disk): MemoryRelayStore.Disk => ({
  secretByName: new Map(secretByName),
  routeByHex: new Map(
    Array.from(routeByHex, ([hex, route]) => [hex, {
      ...route,
      rowByPosition: new Map(Array.from(route.rowByPosition, ([at, row]) => [at, { ...row }])),
      knownByIdHex: new Map(route.knownByIdHex),
      tagByHex: new Map(Array.from(route.tagByHex, ([tag, mark]) => [tag, { ...mark }])),
      asideByHex: new Map(route.asideByHex)
    }])
  )
})

/** Makes all logs end `count` entries earlier. */
const rollBack = (crypto: Sha256, disk: MemoryRelayStore.Disk, count: number): void => {
  for (const [hex, route] of disk.routeByHex) {
    const end = Math.max(0, route.state.position - count)
    let chain: Uint8Array = new Uint8Array(32)
    let usedBytes = 0
    for (const [position, row] of [...route.rowByPosition].toSorted(([a], [b]) => a - b)) {
      if (position > end) {
        route.rowByPosition.delete(position)
        route.knownByIdHex.delete(row.idHex)
      } else {
        chain = crypto.sha256(Proof.chainLink(chain, fromHex(row.idHex)))
        usedBytes += row.bytes.length
      }
    }
    route.state = { ...route.state, position: Position.make(end), chain, usedBytes }
    disk.routeByHex.set(hex, route)
  }
}

/** What a lie changes in the storage once, when it begins. */
const begin = (crypto: Sha256, storage: Storage, lie: Lie.Lie | undefined): void => {
  const { truth } = storage
  storage.fork = lie?.kind === "fork" || lie?.kind === "forget" ? copyOf(truth) : undefined
  storage.end = Math.max(0, ...Array.from(truth.routeByHex.values(), ({ state }) => state.position))
  if (lie?.kind === "rollback") rollBack(crypto, truth, lie.k)
}

const program = (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const crypto = yield* Services.crypto(host)
    const storage = yield* storageOf(host, crypto)
    const fact = host.facts.lookup(Lie.factOf(host.name))
    const lie = Lie.fromJson(fact)
    const name = JSON.stringify(fact ?? null)
    if (storage.begun !== name) {
      storage.begun = name
      begin(crypto, storage, lie)
      if (lie !== undefined) host.mark(`lie: ${lie.kind}`)
    }
    const hints = Hints.makeLocal()
    const face = (store: RelayStore["Service"]) =>
      Relay.make().pipe(
        Effect.provideService(RelayStore, store),
        Effect.provideService(Hints.Hints, hints),
        Effect.provideService(Crypto, crypto)
      )
    const truth = MemoryRelayStore.make(crypto, storage.truth)
    const honest = yield* face(truth)
    const shown = storage.fork === undefined ? truth : MemoryRelayStore.make(crypto, storage.fork)
    const other = lie === undefined ? honest : yield* face(Lie.seenThrough(lie, shown, storage))
    if (!Bytes.equals(honest.relayKey, other.relayKey)) return yield* Effect.die("two faces with two keys")
    host.ready({ relay: honest })
    return yield* SimTransport.serve(host.network, host.name, {
      serve: (connection) =>
        (lie?.clients.includes(connection.remoteAddress) === true ? other : honest).serve(connection)
    })
  })

/** A kind of node for one such relay. */
export const make = (): Node.Kind => Node.make({ count: 1, trust: "untrusted", program })
