/** The client's side of a reconciliation with a relay: a set, its envelopes, and the frames that make it whole. */
import { assert } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as Initiator from "@sotto/core/reconcile/Initiator"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as ShortId from "@sotto/core/reconcile/ShortId"
import * as Bytes from "@sotto/schema/Bytes"
import { type ClientFrame, clientFrameCodec, relayFrameCodec } from "@sotto/schema/Frame"
import type { Head } from "@sotto/schema/Head"
import type { Lane } from "@sotto/schema/Id"
import * as Wire from "@sotto/schema/Reconcile"
import * as Effect from "effect/Effect"
import * as Kit from "./relayKit.ts"

export type Reconcile = Extract<ClientFrame, { readonly _tag: "Reconcile" }>

/** The key of short ids that the members of these tests share. */
export const KEY = { key: new Uint8Array(16).fill(7), keyEpoch: 3 }

/** What a client holds. */
export interface Side {
  readonly set: ReconcileSet.ReconcileSet
  readonly envelopeByHex: Map<string, Uint8Array>
}

const take = (crypto: Pick<Crypto["Service"], "blake3">, side: Side, envelope: Uint8Array): Uint8Array => {
  const id = crypto.blake3(envelope)
  ReconcileSet.insert(side.set, id)
  side.envelopeByHex.set(Bytes.toHex(id), envelope)
  return id
}

/** A side that holds these. */
export const side = (
  crypto: Pick<Crypto["Service"], "blake3">,
  envelopes: ReadonlyArray<Uint8Array>,
  options: ReconcileSet.Options = KEY
): Side => {
  const made: Side = { set: ReconcileSet.make(options), envelopeByHex: new Map() }
  for (const envelope of envelopes) take(crypto, made, envelope)
  return made
}

export const idsOf = ({ envelopeByHex }: Side): ReadonlyArray<string> => [...envelopeByHex.keys()].sort()

export const frame = (
  handle: number,
  message: Uint8Array,
  options?: {
    readonly lanes?: ReadonlyArray<Lane>
    readonly request?: number
    readonly on?: boolean
    readonly begin?: { readonly key: Uint8Array; readonly keyEpoch: number }
  }
): Reconcile => ({
  _tag: "Reconcile",
  handle,
  request: options?.request ?? 100,
  begin: options?.on === true ? null : { ...(options?.begin ?? KEY), lanes: options?.lanes ?? [] },
  message
})

/** The first message of a side. */
export const hello = (crypto: Pick<Crypto["Service"], "random">, { set }: Side): Uint8Array => {
  const step = Initiator.begin({ replica: set, nonce: crypto.random(8) })
  assert(step._tag === "Ask")
  return step.message
}

/** The handles of these ids, as `Want` names them. */
export const handlesOf = (set: ReconcileSet.ReconcileSet, ids: ReadonlyArray<Uint8Array>): Float64Array =>
  Float64Array.from(ids, (id) => ShortId.handleOf(...ReconcileSet.shortOf(set, id))).sort()

/** What says that the sets are equal. */
export const SAME = Wire.encodeAnswer({ _tag: "Same" })

export const question = (request: Wire.Request): Uint8Array => Wire.encodeRequest(request)

/** A message that is always in order, and never true. */
export const check = (): Uint8Array =>
  Wire.encodeRequest({ _tag: "Check", nonce: new Uint8Array(8), proof: new Uint8Array(16) })

/** Pages until the last. */
export const pages = Effect.fnUntraced(function*(client: Kit.Client) {
  const all: Array<Kit.FrameOf<"Page">> = []
  let more = true
  while (more) {
    const page = yield* client.take("Page")
    all.push(page)
    more = page.more
  }
  return all
})

/** What a reconciliation came to. */
export interface Outcome {
  readonly roundTrips: number
  /** Of the frames that compare, both ways. */
  readonly bytes: number
  readonly pushed: number
  readonly received: ReadonlyArray<{ readonly position: number; readonly envelope: Uint8Array }>
  readonly pages: ReadonlyArray<Kit.FrameOf<"Page">>
  /** Of the last answer. */
  readonly head: Head
}

/** Reconciles to the end, and takes in and pushes what was found. Fails the test when the two do not agree. */
export const reconcile = Effect.fnUntraced(function*(
  client: Kit.Client,
  handle: number,
  mine: Side,
  options?: {
    readonly lanes?: ReadonlyArray<Lane>
    readonly strategy?: Initiator.Strategy
    /** What happens when the first answer has come. */
    readonly meanwhile?: Effect.Effect<unknown>
  }
) {
  const crypto = yield* Crypto
  const strategy = options?.strategy === undefined ? {} : { strategy: options.strategy }
  const found = { roundTrips: 0, bytes: 0, pushed: 0, pages: new Array<Kit.FrameOf<"Page">>() }
  const received: Array<{ readonly position: number; readonly envelope: Uint8Array }> = []
  let head: Head | undefined
  let step = Initiator.begin({ replica: mine.set, nonce: crypto.random(8), ...strategy })
  while (step._tag !== "Agreed") {
    assert(step._tag !== "Failed", step._tag === "Failed" ? step.error.message : "")
    if (step._tag === "Ask") {
      const on = found.roundTrips > 0
      const asked = frame(handle, step.message, { ...options, on, request: found.roundTrips + 1 })
      yield* client.send(asked)
      const answered = yield* client.take("Reconciled")
      assert.deepInclude(answered, { handle, request: asked.request })
      head = answered.head
      if (found.roundTrips === 0 && options?.meanwhile !== undefined) yield* options.meanwhile
      found.roundTrips++
      found.bytes += clientFrameCodec.encode(asked).length + relayFrameCodec.encode(answered).length
      step = Initiator.receive(step.initiator, mine.set, answered.message)
      continue
    }
    const came: Array<Uint8Array> = []
    if (step.message !== undefined) {
      yield* client.send(frame(handle, step.message, { on: true, request: 900 }))
      for (const page of yield* pages(client)) {
        assert.deepInclude(page, { handle, request: 900 })
        found.pages.push(page)
        received.push(...page.placed)
        came.push(...page.placed.map(({ envelope }) => take(crypto, mine, envelope)))
      }
    }
    const push = step.push.map((id) => mine.envelopeByHex.get(Bytes.toHex(id)) ?? Bytes.EMPTY)
    if (push.length > 0) yield* Kit.push(client, handle, push, 901)
    found.pushed += push.length
    step = Initiator.confirm(step.initiator, mine.set, came)
  }
  assert(head !== undefined)
  return { ...found, received, head } satisfies Outcome
})
