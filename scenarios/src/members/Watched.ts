/**
 * A relay with narrow limits whose keeper looks at everything that he could: what lies in the storage, how large it is,
 * what its plain parts give away, and how much of the relay's work is under way.
 */
import type { Crypto } from "@sotto/core/Crypto"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { label, Purpose } from "@sotto/schema/Purpose"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Node from "@sotto/simulation/Node"
import type { Json } from "@sotto/simulation/Scenario"
import type { Draws } from "@sotto/simulation/Seed"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as RelayNode from "../node/RelayNode.ts"
import * as Said from "../Said.ts"

type Store = RelayStore["Service"]

/** Limits as a scenario has them: each is as it is by default in half of the seeds. */
export const limits = (draws: Draws): { readonly [name: string]: Json } => {
  const narrow = (name: string, low: number, high: number) => {
    const value = draws.between(low, high)
    return draws.chance(0.5) ? { [name]: value } : {}
  }
  return {
    ...narrow("pageEnvelopesMax", 1, 16),
    ...narrow("pushEnvelopesMax", 1, 8),
    ...narrow("pushesInFlightMax", 1, 6),
    ...narrow("unauthenticatedPerAddressMax", 3, 6)
  }
}

const NAMES = ["pageEnvelopesMax", "pushEnvelopesMax", "pushesInFlightMax", "unauthenticatedPerAddressMax"] as const

const settings = ({ knobs }: Node.Base): RelaySettings => {
  const limits = NAMES.flatMap((name) => {
    const value = Said.number(knobs["limits"] ?? null, name)
    return Number.isNaN(value) ? [] : [[name, value] as const]
  })
  return { limits: Object.fromEntries(limits) }
}

/** Names that somebody may try who wants to know what lanes are called. */
const GUESSES = ["", "a", "b"]

/** What the name of a lane gives away to who has no key: the collection, when it is one of the guesses. */
const guess = ({ sha256 }: Crypto["Service"], lane: Uint8Array): string | null => {
  const known = GUESSES.find((name) =>
    [Utf8.encode(name), label(SUITE_DEFAULT, Purpose.lane, Utf8.encode(name))].some((bytes) =>
      Bytes.equals(sha256(bytes).slice(0, 8), lane)
    )
  )
  return known ?? null
}

/**
 * Tells of every envelope that is kept, and of those that turn out to be there when sets are compared: whoever died in the
 * moment in which it kept them told of none. Reading may fail when a fault wants it to.
 */
const storage = (host: Node.Base, store: Store, crypto: Crypto["Service"]): Store => {
  const told = new Set<string>()
  return RelayStore.of({
    ...store,
    append: (input) =>
      Effect.tap(store.append(input), ({ stored }) =>
        Effect.sync(() => {
          input.envelopes.forEach(({ bytes, id, lane }, at) => {
            const fresh = stored[at]?.duplicate === false
            told.add(Bytes.toHex(id))
            host.observe("kept", { id: Bytes.toHex(id), bytes: bytes.length, guess: guess(crypto, lane), fresh })
          })
        })),
    ids: (page) =>
      Effect.tap(store.ids(page), ({ ids }) =>
        Effect.sync(() => {
          for (const id of ids.map((one) => Bytes.toHex(one.id)).filter((hex) => !told.has(hex))) {
            told.add(id)
            host.observe("holds", { id })
          }
        })),
    read: (page) =>
      Effect.suspend(() =>
        host.attempt("read")
          ? store.read(page)
          : Effect.fail(
            new RelayStoreFailed({ reason: "unavailable", operation: "read", detail: "as the fault wants" })
          )
      )
  })
}

const LOOK_MILLIS = 100

/** Tells, whenever it changes, how much is under way. */
const watch = ({ relay }: RelayNode.Handle, host: Node.Base): Effect.Effect<never> => {
  let before = ""
  return Effect.forever(Effect.gen(function*() {
    const { connections, handles, pushesInFlight, unauthenticated } = yield* relay.stats
    const stats = { connections, handles, pushesInFlight, unauthenticated }
    if (JSON.stringify(stats) !== before) host.observe("stats", stats)
    before = JSON.stringify(stats)
    yield* Effect.sleep(LOOK_MILLIS)
  }))
}

const program = (options: RelayNode.Options) => (host: Node.Host<RelayNode.Handle>) =>
  Effect.gen(function*() {
    const ready = yield* Deferred.make<RelayNode.Handle>()
    yield* Effect.forkScoped(Effect.flatMap(Deferred.await(ready), (handle) => watch(handle, host)), {
      startImmediately: true
    })
    return yield* RelayNode.program({ ...options, settings, storage })({
      ...host,
      ready: (handle) => {
        Deferred.doneUnsafe(ready, Effect.succeed(handle))
        host.ready(handle)
      }
    })
  })

/** A kind of node for such relays. */
export const make = (
  { count, ...options }: Pick<RelayNode.Options, "seed"> & {
    readonly count: number | readonly [low: number, high: number]
  }
): Node.Kind => Node.make({ count, trust: "untrusted", program: program(options) })
