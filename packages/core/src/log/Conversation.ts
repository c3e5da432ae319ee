/**
 * This device as the side that asks: what another replica has and this one lacks comes here, and what the other lacks is
 * named. Who the other is, a relay or a device, and how messages reach it, is the caller's.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { EntropyUnavailable } from "../Crypto.ts"
import * as Entropy from "../internal/entropy.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import * as Initiator from "../reconcile/Initiator.ts"
import { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import * as Union from "../reconcile/Union.ts"
import type { StoreFailed } from "../Store.ts"
import * as IdSet from "./IdSet.ts"
import type { Journal } from "./Journal.ts"

/** What begins a conversation: how short ids are made. */
export interface Opening {
  readonly key: Uint8Array
  readonly keyEpoch: number
}

/** The other replica. */
export interface Peer<E> {
  /** Sends a message and waits for its answer; `opening` comes with the first one. */
  readonly ask: (message: Uint8Array, opening: Opening | null) => Effect.Effect<Uint8Array, E>
  /** Sends a message that asks for envelopes; answers their ids, at most `count`, once all of them are taken in. */
  readonly fetch: (message: Uint8Array, count: number) => Effect.Effect<ReadonlyArray<Uint8Array>, E>
}

/** What a conversation that ended well came to. */
export interface Compared {
  /** Envelopes that came. */
  readonly received: number
  /** What the other side does not have. */
  readonly lacking: ReadonlyArray<Uint8Array>
  /** How many ids the other side said to have, as its answers come to. */
  readonly count: number
}

const NONCE_BYTES = 8

/**
 * Compares until everything that the other had when it last answered is here. What this device refused counts as here for
 * a relay, and as not here for a device, to which it could not be given.
 */
export const run = Effect.fn("Conversation.run")(function*<E>(
  journal: Journal,
  peer: Peer<E>,
  other: "relay" | "device"
): Effect.fn.Return<Compared, E | ReconcileFailed | StoreFailed | KeystoreFailed | EntropyUnavailable> {
  const sets = yield* IdSet.current(journal)
  const { kept, refused } = sets
  // A union is of one moment, so it is made anew for each step.
  const now = (): ReconcileSet.Replica =>
    other === "device" || ReconcileSet.count(refused) === 0 ? kept : Union.make([kept, refused])
  const nonce = yield* Entropy.attempt(() => journal.crypto.random(NONCE_BYTES))
  const epoch = Epoch.make(kept.keyEpoch)
  let opening: Opening | null = { key: journal.books().state.keys.shortIdKey(epoch), keyEpoch: epoch }
  const lackingByHex = new Map<string, Uint8Array>()
  let received = 0
  let step = Initiator.begin({ replica: now(), nonce })
  while (step._tag !== "Agreed") {
    switch (step._tag) {
      case "Failed":
        return yield* step.error
      case "Ask": {
        const answer: Uint8Array = yield* peer.ask(step.message, opening)
        opening = null
        step = Initiator.receive(step.initiator, now(), answer)
        break
      }
      case "Found": {
        const { initiator, message, need, push } = step
        for (const id of push) lackingByHex.set(Bytes.toHex(id), id)
        const ids: ReadonlyArray<Uint8Array> = message === undefined ? [] : yield* peer.fetch(message, need.length)
        received += ids.length
        step = Initiator.confirm(initiator, now(), ids)
        if (step._tag === "Failed" && other === "device" && ids.length < need.length) {
          // A device takes entries back, too: what it gave less than it had said to have may have left it meanwhile.
          const { received, request } = step.error
          return yield* new ReconcileFailed({ reason: "changing", request, received })
        }
        break
      }
    }
    if (!journal.ids.are(sets)) {
      return yield* new ReconcileFailed({ reason: "changing", request: Bytes.EMPTY, received: Bytes.EMPTY })
    }
  }
  return { received, lacking: [...lackingByHex.values()], count: ReconcileSet.count(now()) - lackingByHex.size }
})
