/**
 * A comparison with the relay of a session: `Conversation` over its frames. One message is on its way at a time; the
 * session's reader gives in what came.
 */
import { type ClientFrame, type RelayFrame } from "@sotto/schema/Frame"
import type { Head } from "@sotto/schema/Head"
import type { EnvelopeId, RelayKey } from "@sotto/schema/Id"
import type { RelayError } from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { ChannelFailed } from "../channel/ChannelError.ts"
import type { QuarantineFull, UnknownRelay } from "../ClientError.ts"
import type { EntropyUnavailable } from "../Crypto.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import type { StoreFailed } from "../Store.ts"
import type { ConnectionClosed } from "../Transport.ts"
import type { Opening, Peer } from "./Conversation.ts"
import * as Conversation from "./Conversation.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Inbox from "./Inbox.ts"
import type { Journal } from "./Journal.ts"
import * as Repair from "./Repair.ts"

type Of<Tag extends RelayFrame["_tag"]> = Extract<RelayFrame, { readonly _tag: Tag }>

/** What a conversation needs of the session that it takes place in. */
export interface Session {
  readonly journal: Journal
  readonly relay: RelayKey
  readonly handle: number
  /** The number of the next request. */
  readonly number: () => number
  readonly send: (frame: ClientFrame) => Effect.Effect<void, ConnectionClosed | ChannelFailed>
  /** Whether no other relay may still bring what is missing here. */
  readonly last: () => boolean
}

type TalkFailed = ConnectionClosed | ChannelFailed | RelayError

type TakeFailed =
  | ChannelFailed
  | RelayMisbehaved
  | QuarantineFull
  | UnknownRelay
  | StoreFailed
  | KeystoreFailed
  | EntropyUnavailable

export type CompareFailed =
  | TalkFailed
  | ReconcileFailed
  | UnknownRelay
  | StoreFailed
  | KeystoreFailed
  | EntropyUnavailable

/** What comparing with a relay moved. */
export interface Reconciled {
  /** Envelopes that only the relay had. */
  readonly received: number
  /** Entries that only this device had: they are in the relay's outbox now. */
  readonly sent: number
}

/** What is waited for. */
type Waiting =
  | { readonly _tag: "Answer"; readonly request: number; readonly done: Deferred.Deferred<Uint8Array, RelayError> }
  | {
    readonly _tag: "Envelopes"
    readonly request: number
    readonly count: number
    readonly ids: Array<EnvelopeId>
    readonly done: Deferred.Deferred<ReadonlyArray<EnvelopeId>, RelayError>
  }

type WaitingFor<Tag extends Waiting["_tag"]> = Extract<Waiting, { readonly _tag: Tag }>

export class RelayTalk {
  readonly #session: Session
  #waiting: Waiting | undefined
  #head: Head | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** Whether a frame with this number is for this conversation. */
  awaits(request: number): boolean {
    return this.#waiting?.request === request
  }

  /** What came. A relay that answers something else than it was asked for is left. */
  take(frame: Of<"Reconciled"> | Of<"Page">): Effect.Effect<void, TakeFailed> {
    const waiting = this.#waiting
    if (waiting?._tag === "Answer" && frame._tag === "Reconciled") return this.#answered(waiting, frame)
    if (waiting?._tag === "Envelopes" && frame._tag === "Page") return this.#came(waiting, frame)
    return Effect.fail(invalid("another answer than to what was asked"))
  }

  /** The request was refused. */
  refuse(error: RelayError): Effect.Effect<void> {
    const waiting = this.#waiting
    this.#waiting = undefined
    switch (waiting?._tag) {
      case undefined:
        return Effect.void
      case "Answer":
        return Effect.asVoid(Deferred.fail(waiting.done, error))
      case "Envelopes":
        return Effect.asVoid(Deferred.fail(waiting.done, error))
    }
  }

  /** Compares, and notes what comes of it. One at a time. */
  compare(): Effect.Effect<Reconciled, CompareFailed> {
    const { journal, relay } = this.#session
    const peer: Peer<TalkFailed> = {
      ask: (message, opening) => this.#ask(message, opening),
      fetch: (message, count) => this.#fetch(message, count)
    }
    return Effect.flatMap(Conversation.run(journal, peer, "relay"), ({ count, lacking, received }) =>
      Effect.map(
        this.#head === undefined
          ? Effect.succeed(0)
          : Repair.note(journal, relay, { head: this.#head, lacking, count }),
        (sent) => ({ received, sent })
      ))
  }

  #ask(message: Uint8Array, opening: Opening | null): Effect.Effect<Uint8Array, TalkFailed> {
    const { handle, number, send } = this.#session
    const begin = opening === null ? null : { ...opening, lanes: [] }
    return Effect.suspend(() => {
      const request = number()
      const done = Deferred.makeUnsafe<Uint8Array, RelayError>()
      this.#waiting = { _tag: "Answer", request, done }
      return Effect.andThen(send({ _tag: "Reconcile", handle, request, begin, message }), Deferred.await(done))
    })
  }

  #fetch(message: Uint8Array, count: number): Effect.Effect<ReadonlyArray<EnvelopeId>, TalkFailed> {
    const { handle, number, send } = this.#session
    return Effect.suspend(() => {
      const request = number()
      const done = Deferred.makeUnsafe<ReadonlyArray<EnvelopeId>, RelayError>()
      this.#waiting = { _tag: "Envelopes", request, count, ids: [], done }
      return Effect.andThen(send({ _tag: "Reconcile", handle, request, begin: null, message }), Deferred.await(done))
    })
  }

  /** The head that it speaks of is in the books before the next frame is looked at, as with a push. */
  #answered({ done }: WaitingFor<"Answer">, { head, message }: Of<"Reconciled">): Effect.Effect<void, TakeFailed> {
    const { journal, relay } = this.#session
    return Effect.flatMap(Repair.hear(journal, relay, head), (caught) => {
      if (caught !== undefined) return Effect.fail(caught)
      this.#head = head
      this.#waiting = undefined
      return Effect.asVoid(Deferred.succeed(done, message))
    })
  }

  /** Envelopes are taken in as they come: a relay is never ahead of this device's disk by more than a page. */
  #came({ count, done, ids }: WaitingFor<"Envelopes">, { more, placed }: Of<"Page">): Effect.Effect<void, TakeFailed> {
    const { journal, last, relay } = this.#session
    if (ids.length + placed.length > count) return Effect.fail(invalid("more envelopes than were asked for"))
    return Effect.flatMap(Inbox.acceptFound(journal, relay, { placed, last: last() }), (taken) => {
      ids.push(...taken.ids)
      if (!more) this.#waiting = undefined
      return more ? Effect.void : Effect.asVoid(Deferred.succeed(done, ids))
    })
  }
}

const invalid = (detail: string) => new ChannelFailed({ reason: "control", detail })
