/** What the parts of one relay share: its services, its options, and the few counts that span connections. */
import type { RelayKey, SigningKey } from "@sotto/schema/Id"
import { Overloaded, type RelayError, Standby } from "@sotto/schema/RelayError"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type { Crypto } from "../Crypto.ts"
import { monotonicMillis } from "../internal/monotonicMillis.ts"
import type { HeadSigner } from "./HeadSigner.ts"
import type { Hints } from "./Hints.ts"
import type { Hub } from "./Hub.ts"
import type { Mailboxes } from "./Mailbox.ts"
import type { RelayMetrics } from "./RelayMetrics.ts"
import type { RelayOptions } from "./RelayOptions.ts"
import { type RelayStore, RelayStoreFailed } from "./RelayStore.ts"
import type { Replicas } from "./Replicas.ts"

export interface Engine {
  readonly crypto: Crypto["Service"]
  readonly store: RelayStore["Service"]
  readonly hints: Hints["Service"]
  readonly clock: Clock.Clock
  readonly options: RelayOptions
  readonly relayKey: RelayKey
  /** What its signatures are verified with. */
  readonly signingKey: SigningKey
  /** It follows another relay, and serves nobody. */
  readonly standby: boolean
  readonly signer: HeadSigner
  readonly metrics: RelayMetrics
  readonly mailboxes: Mailboxes
  readonly replicas: Replicas
  /** Names this relay in its hints. */
  readonly origin: string
  /** Routes that somebody is attached to, by the hex of their id. */
  readonly hubByRoute: Map<string, Hub>
  /** Hubs that have something to hand out; each stands here at most once. */
  readonly work: Queue.Queue<Hub>
  readonly load: Load
}

/** Counts over all connections. */
export interface Load {
  /** Pushes that were taken and are not answered yet, and their bytes. */
  pushes: number
  pushBytes: number
  draining: boolean
  /** Standbys that follow this relay. */
  standbys: number
  /** When a failure of storage was last logged, as `elapsed` counts. */
  storeFailedMillis: number
}

/** When something is: what is stored and signed says so. */
export const now = (engine: Engine): number => engine.clock.currentTimeMillisUnsafe()

/** For how long something has lasted. */
export const elapsed = (engine: Engine): number => monotonicMillis(engine.clock)

/** What a standby answers to whoever wants to be served. */
export const standing = (engine: Engine): Standby =>
  new Standby({ retryAfterMillis: engine.options.limits.goAwayMillis })

/** How long a client should wait after storage failed under a call. */
const STORE_RETRY_MILLIS = 2000
/** How often a storage that keeps failing is written to the log. */
const STORE_LOG_MILLIS = 5000

/** Tells the operator that storage failed (not too often), and the client only that the relay cannot serve it now. */
export const overloaded = (engine: Engine, failed: RelayStoreFailed): Effect.Effect<Overloaded> =>
  Effect.suspend(() => {
    const refusal = new Overloaded({ retryAfterMillis: STORE_RETRY_MILLIS })
    engine.metrics.storeUp(false)
    const elapsedMillis = elapsed(engine)
    if (elapsedMillis - engine.load.storeFailedMillis < STORE_LOG_MILLIS) return Effect.succeed(refusal)
    engine.load.storeFailedMillis = elapsedMillis
    const { detail, operation, reason } = failed
    return Effect.as(Effect.logError("relay storage failed", { operation, reason, detail }), refusal)
  })

/** For a call whose other failures go to the client as they are. */
export const withStore = <A, E extends RelayError>(
  engine: Engine,
  use: Effect.Effect<A, E | RelayStoreFailed>
): Effect.Effect<A, E | Overloaded> =>
  use.pipe(Effect.catch((failure): Effect.Effect<never, E | Overloaded> =>
    failure instanceof RelayStoreFailed
      ? Effect.flatMap(overloaded(engine, failure), Effect.fail)
      : Effect.fail(failure)
  ))
