/** A relay's log without a relay: places envelopes and signs heads, honestly or as a test wants. */
import { generate, type RelayIdentity } from "@sotto/core/channel/RelayKeyring"
import type { Crypto } from "@sotto/core/Crypto"
import type { Page } from "@sotto/core/log/Arrival"
import * as Evidence from "@sotto/core/log/Evidence"
import { envelopeId } from "@sotto/core/log/Sealing"
import * as Secret from "@sotto/core/Secret"
import type { Placed } from "@sotto/schema/Frame"
import { type Head, type HeadBody, headBodyCodec } from "@sotto/schema/Head"
import { Position, type RouteId, Signature } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"

export interface FakeRelay {
  readonly identity: RelayIdentity
  /** Puts envelopes at the next places; a page of them, without a head. */
  readonly place: (...envelopes: ReadonlyArray<Uint8Array>) => Page
  /** Leaves so many places empty, as if what stood there was pruned. */
  readonly skip: (count: number) => void
  /** Everything from `after` on, with the head. */
  readonly page: (after?: number) => Page
  readonly head: (change?: Partial<HeadBody>) => Head
  /** Goes back to how it was after so many places. */
  readonly rewind: (position: number) => void
}

export const make = (crypto: Crypto["Service"], route: (identity: RelayIdentity) => RouteId): FakeRelay => {
  const identity = generate(crypto)
  let placed: ReadonlyArray<Placed> = []
  let states: ReadonlyArray<Evidence.Running> = [Evidence.runningStart]
  let millis = 1
  const last = () => states.at(-1) ?? Evidence.runningStart
  const add = (envelope: Uint8Array): Placed => {
    const running = Evidence.advance(crypto, last(), [envelopeId(crypto, envelope)])
    states = [...states, running]
    const one = { position: running.position, envelope }
    placed = [...placed, one]
    return one
  }
  const head = (change: Partial<HeadBody> = {}): Head => {
    const body: HeadBody = {
      relay: identity.relayKey,
      route: route(identity),
      ...last(),
      lowest: Position.make(1),
      millis: millis++,
      ...change
    }
    const message = Proof.head(headBodyCodec.encode(body))
    return { body, signature: Signature.make(crypto.signature.sign(Secret.reveal(identity.signing), message)) }
  }
  return {
    identity,
    place: (...envelopes) => ({ placed: envelopes.map(add), head: null }),
    skip: (count) => {
      for (let i = 0; i < count; i++) {
        add(crypto.random(400))
        placed = placed.slice(0, -1)
      }
    },
    page: (after = 0) => ({ placed: placed.filter(({ position }) => position > after), head: head() }),
    head,
    rewind: (position) => {
      placed = placed.filter((one) => one.position <= position)
      states = states.slice(0, position + 1)
    }
  }
}
