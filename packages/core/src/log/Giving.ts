/**
 * This device as the side that is asked by another device: it answers from its own set, and gives the envelopes of what
 * is asked for.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, Epoch } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import * as Responder from "../reconcile/Responder.ts"
import type { StoreFailed } from "../Store.ts"
import * as IdSet from "./IdSet.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"

/** The other side's conversation with this one, as far as it got. */
export interface Conversation {
  readonly replica: ReconcileSet.ReconcileSet
  readonly responder: Responder.Responder
}

/** What a message led to: an answer, or ids whose envelopes are asked for. */
export interface Answered {
  readonly conversation: Conversation
  readonly message: Uint8Array | undefined
  readonly send: ReadonlyArray<Uint8Array>
}

/** Begins a conversation with short ids of that epoch. */
export const begin = Effect.fn("Giving.begin")(function*(
  journal: Journal,
  keyEpoch: number
): Effect.fn.Return<Conversation, StoreFailed | KeystoreFailed> {
  const { kept: current } = yield* IdSet.current(journal)
  return {
    replica: current.keyEpoch === keyEpoch ? current : rekeyed(journal, current, keyEpoch),
    responder: Responder.begin
  }
})

/** The same ids, as they are now, under the key of an epoch that the other side knows. */
const rekeyed = (
  { books }: Journal,
  current: ReconcileSet.ReconcileSet,
  keyEpoch: number
): ReconcileSet.ReconcileSet => {
  const key = books().state.keys.shortIdKey(Epoch.make(keyEpoch))
  const set = ReconcileSet.make({ key, keyEpoch, expected: ReconcileSet.count(current) })
  for (const id of ReconcileSet.ids(current)) ReconcileSet.insert(set, id)
  return set
}

/** Answers one message. */
export const respond = (
  { replica, responder }: Conversation,
  message: Uint8Array
): Result.Result<Answered, ReconcileFailed> =>
  Result.map(Responder.respond(responder, { replica }, message), (answered) => ({
    conversation: { replica, responder: answered.responder },
    message: answered.message,
    send: answered.send
  }))

/** Envelopes that go together in one message. */
export interface Load {
  readonly envelopes: ReadonlyArray<Uint8Array>
  readonly ids: ReadonlyArray<Uint8Array>
}

/** Bytes of a frame beside its envelopes, and of each envelope's own length. */
const FRAME_BYTES = 32
const ENVELOPE_FRAME_BYTES = 5

/** The first of these ids, as many as one message carries, with their envelopes; ids that are gone are left out. */
export const load = Effect.fn("Giving.load")(function*(
  journal: Journal,
  ids: ReadonlyArray<Uint8Array>
): Effect.fn.Return<Load & { readonly rest: ReadonlyArray<Uint8Array> }, StoreFailed> {
  const envelopes: Array<Uint8Array> = []
  const taken: Array<Uint8Array> = []
  let sizeBytes = FRAME_BYTES
  for (const [at, id] of ids.entries()) {
    if (envelopes.length === Limit.pushEnvelopesMax) return { envelopes, ids: taken, rest: ids.slice(at) }
    const envelope = yield* envelopeOf(journal, EnvelopeId.make(id))
    if (envelope === undefined) continue
    sizeBytes += envelope.length + ENVELOPE_FRAME_BYTES
    if (sizeBytes > Limit.messageBytesMax && envelopes.length > 0) return { envelopes, ids: taken, rest: ids.slice(at) }
    envelopes.push(envelope)
    taken.push(id)
  }
  return { envelopes, ids: taken, rest: [] }
})

/** An envelope that is accepted, or waits. */
const envelopeOf = Effect.fnUntraced(function*({ store }: Journal, id: EnvelopeId) {
  const known = yield* Ledger.known.get(store, id)
  if (known?._tag === "Accepted") return (yield* Ledger.entry.get(store, known.ordinal))?.envelope
  return known?._tag === "Waiting" ? (yield* Ledger.waiting.get(store, id))?.envelope : undefined
})

/** Ids in the order in which their entries were accepted here, those that wait last: so each comes after what it needs. */
export const inOrder = Effect.fn("Giving.inOrder")(function*(
  { store }: Journal,
  ids: ReadonlyArray<Uint8Array>
): Effect.fn.Return<ReadonlyArray<Uint8Array>, StoreFailed> {
  const placed: Array<{ readonly id: Uint8Array; readonly ordinal: number }> = []
  for (const id of ids) {
    const known = yield* Ledger.known.get(store, EnvelopeId.make(id))
    placed.push({ id, ordinal: known?._tag === "Accepted" ? known.ordinal : Number.POSITIVE_INFINITY })
  }
  return placed.sort((a, b) => a.ordinal === b.ordinal ? Bytes.compare(a.id, b.id) : a.ordinal - b.ordinal)
    .map(({ id }) => id)
})
