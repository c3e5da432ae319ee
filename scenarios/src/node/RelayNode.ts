/**
 * A relay in the simulator: the shipped relay over a disk and a network that break.
 *
 * It knows nothing of what is written. What it may read of the world is its own disk; what it tells the world is its
 * address.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import type * as Files from "@sotto/simulation/Files"
import * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"
import * as SimRelayStore from "../adapter/SimRelayStore.ts"
import * as SimTransport from "../adapter/SimTransport.ts"
import * as Services from "./Services.ts"

export interface Options {
  /** Puts on the disk what the relay is to find there at its first start. */
  readonly seed?: (host: Node.Base, files: Files.Files) => Effect.Effect<void, unknown>
  /** What stands between the relay and its storage. */
  readonly storage?: (host: Node.Base, store: RelayStore["Service"], crypto: Crypto["Service"]) => RelayStore["Service"]
  readonly settings?: (host: Node.Base) => RelaySettings
}

/** What commands and probes of a relay work with. */
export interface Handle {
  readonly relay: Relay.Relay["Service"]
}

/** The fact under which a relay tells its address. */
export const addressFact = (node: string): string => `address of ${node}`

/** A relay's program, until it is stopped or killed. */
export const program = (options: Options) => (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const crypto = yield* Services.crypto(host)
    yield* options.seed?.(host, host.files) ?? Effect.void
    const store = failing(host, yield* SimRelayStore.open(host.files, crypto))
    const relay = yield* Relay.make(options.settings?.(host)).pipe(
      Effect.provideService(RelayStore, options.storage?.(host, store, crypto) ?? store),
      Effect.provideService(Hints.Hints, Hints.makeLocal()),
      Effect.provideService(Crypto, crypto)
    )
    host.facts.publish(addressFact(host.name), relay.address(SimTransport.urlOf(host.name)))
    host.ready({ relay })
    return yield* SimTransport.serve(host.network, host.name, relay)
  })

/** A store whose every append a fault may refuse, before it is done or after. */
const failing = (host: Node.Base, store: RelayStore["Service"]): RelayStore["Service"] => {
  const failed = Effect.fail(
    new RelayStoreFailed({ reason: "unavailable", operation: "append", detail: "as the fault wants" })
  )
  return RelayStore.of({
    ...store,
    append: (input) =>
      Effect.suspend(() =>
        host.attempt("append")
          ? Effect.flatMap(store.append(input), (answer) => host.attempt("appended") ? Effect.succeed(answer) : failed)
          : failed
      )
  })
}

/** A kind of node for relays. */
export const make = (options: Options & { readonly count: readonly [low: number, high: number] }): Node.Kind =>
  Node.make({ count: options.count, trust: "untrusted", program: program(options) })
