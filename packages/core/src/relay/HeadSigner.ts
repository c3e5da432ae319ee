/**
 * Signs what a relay says about a route's log (protocol.md §2). A signature costs more than everything else that a push
 * of one envelope costs, so the head of a route is signed once and given to everybody who asks while it stays the same.
 */
import { type Head, headBodyCodec } from "@sotto/schema/Head"
import type { Position, RelayKey, RouteId } from "@sotto/schema/Id"
import { Signature } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import type { Crypto } from "../Crypto.ts"
import * as Secret from "../Secret.ts"

/** Where a log stands. */
export interface LogState {
  readonly position: Position
  readonly chain: Uint8Array
  readonly lowest: Position
}

/** The last head that was signed for a route. */
export interface HeadCache {
  head: Head | undefined
}

export interface HeadSigner {
  /** A head as of `millis`. */
  readonly sign: (route: RouteId, state: LogState, millis: number) => Head
  /** The cached head when it still says the same and is not older than `REUSE_MILLIS`; a new one otherwise. */
  readonly current: (cache: HeadCache, route: RouteId, state: LogState, nowMillis: number) => Head
}

/** How old the time in a head may be. */
const REUSE_MILLIS = 5000

export const make = (
  crypto: { readonly signature: Pick<Crypto["Service"]["signature"], "signer"> },
  relay: { readonly relayKey: RelayKey; readonly signing: Secret.Secret }
): HeadSigner => {
  const signed = crypto.signature.signer(Secret.reveal(relay.signing))
  const sign = (route: RouteId, { chain, lowest, position }: LogState, millis: number): Head => {
    const body = { relay: relay.relayKey, route, position, chain, lowest, millis }
    return { body, signature: Signature.make(signed(Proof.head(headBodyCodec.encode(body)))) }
  }
  const current = (cache: HeadCache, route: RouteId, state: LogState, nowMillis: number): Head => {
    const { head } = cache
    if (head !== undefined && says(head, state)) {
      const age = nowMillis - head.body.millis
      if (age >= 0 && age < REUSE_MILLIS) return head
    }
    return cache.head = sign(route, state, nowMillis)
  }
  return { sign, current }
}

/** The chain belongs to its position: the two move together. */
const says = ({ body }: Head, state: LogState): boolean =>
  body.position === state.position && body.lowest === state.lowest
