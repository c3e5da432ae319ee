/**
 * The promise face of devices that are spoken to directly: the calls of `PeerDial`, with promises for effects. It belongs
 * to `Face`. How others connect to this device is each platform's, where it can be done at all.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { PeerInfo, PeerReconciled, Peers } from "./log/Peers.ts"
import * as PeerDial from "./PeerDial.ts"
import type { Transport } from "./Transport.ts"

/** Ends a call early; it then rejects, and what was durable by then stays. */
type CallOptions = Pick<Effect.RunOptions, "signal">

export interface FollowOptions extends CallOptions {
  /** Both have what the other had: after each time that it connected. */
  readonly onSynced?: (moved: PeerReconciled) => void
  /** A connection ended or did not come about; it is tried again after so long. */
  readonly onLost?: (error: PeerDial.PeerUnreachable, retryMillis: number) => void
}

/** Devices of the space, without a relay. */
export interface PeersHandle {
  /** Those that are connected now. */
  readonly connected: () => Promise<ReadonlyArray<PeerInfo>>
  /** Connects to the device at `ws://host:port/`; resolves when both have what the other had. Rejects with `PeerFailed`. */
  readonly sync: (url: string, options?: CallOptions) => Promise<PeerReconciled>
  /**
   * Stays connected, again and again, and gives and gets what comes: until `signal` or the handle's `close` ends it. Rejects
   * then, or with the `PeerFailed` that trying again would not cure.
   */
  readonly follow: (url: string, options?: FollowOptions) => Promise<never>
}

/** How effects run, and what they end with. */
export interface FacePeersOptions {
  readonly peers: Peers
  readonly run: <A, E>(effect: Effect.Effect<A, E, Transport>, options?: CallOptions) => Promise<A>
  readonly scope: Scope.Scope
}

/** The promise face of a client's peers. */
export const makePeers = ({ peers, run, scope }: FacePeersOptions): PeersHandle => {
  /** In the device's scope: nothing of it goes on once that is closed. */
  const within = <A, E>(effect: Effect.Effect<A, E, Transport>): Effect.Effect<A, E, Transport> =>
    Effect.flatMap(
      Effect.forkIn(effect, scope),
      (fiber) => Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
    )
  return {
    connected: () => run(peers.connected),
    sync: (url, options) => run(within(PeerDial.sync(peers, url)), options),
    follow: (url, { onLost, onSynced, ...options } = {}) =>
      run(
        within(PeerDial.follow(peers, url, {
          compared: (moved) => Effect.sync(() => onSynced?.(moved)),
          lost: (error, retryMillis) => Effect.sync(() => onLost?.(error, retryMillis))
        })),
        options
      )
  }
}
