/**
 * What a relay gives to its standby: routes and rows as it asks for them, and word of what changes (schema/Standby).
 *
 * 1. Who signs this channel's handshake hash with the relay's own key is a standby of it; anybody else is refused, and
 *    counted as a stranger who shows wrong proofs. There is nothing to configure.
 * 2. The relay waits for a standby nowhere: a change is noted after its commit, once for each route, and sent when it was
 *    asked for. What waits is bounded; beyond that the standby is told to compare anew.
 * 3. While there is no standby nothing here runs.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { PLANE } from "@sotto/schema/Frame"
import * as Proof from "@sotto/schema/Proof"
import { InvalidMessage, type RelayError, toRefusal, Unauthorized } from "@sotto/schema/RelayError"
import {
  ROUTES_MAX,
  type StandbyAnswer,
  standbyAnswerCodec,
  type StandbyRequest,
  standbyRequestCodec
} from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Calls from "./Calls.ts"
import { type Engine, standing, withStore } from "./Engine.ts"
import type { RouteChange } from "./RelayCopy.ts"
import type { RelayStoreFailed } from "./RelayStore.ts"
import * as Session from "./Session.ts"

/** Routes that changed and were not asked for yet. */
const WAITING_MAX = 65_536

/** What one standby was not told yet. */
export class Feed {
  readonly #answer: (answer: StandbyAnswer) => void
  readonly #waitingMax: number
  readonly #changeByHex = new Map<string, RouteChange>()
  #lost = false
  /** The request that waits for a change. */
  #asked: number | undefined

  constructor(answer: (answer: StandbyAnswer) => void, waitingMax = WAITING_MAX) {
    this.#answer = answer
    this.#waitingMax = waitingMax
  }

  /** Takes note of a change. */
  note(change: RouteChange): void {
    const hex = Bytes.toHex(change.route)
    const before = this.#changeByHex.get(hex)
    if (before === undefined && this.#changeByHex.size >= this.#waitingMax) {
      this.#changeByHex.clear()
      this.#lost = true
    }
    this.#changeByHex.set(hex, { ...change, rows: change.rows || before?.rows === true })
    if (this.#asked !== undefined) this.#tell(this.#asked)
  }

  /** Answers with what there is, or with the next change. One that waits already is answered. */
  ask(request: number): void {
    if (this.#asked !== undefined) this.#tell(this.#asked)
    if (this.#changeByHex.size > 0 || this.#lost) this.#tell(request)
    else this.#asked = request
  }

  #tell(request: number): void {
    this.#asked = undefined
    const changes: Array<RouteChange> = []
    for (const [hex, change] of this.#changeByHex) {
      if (changes.length === ROUTES_MAX) break
      changes.push(change)
      this.#changeByHex.delete(hex)
    }
    const lost = this.#lost
    this.#lost = false
    this.#answer({ _tag: "Changed", request, changes, lost })
  }
}

/** Takes a message of the standby's plane, without the plane's byte. */
export const take = (engine: Engine, session: Session.Session, message: Uint8Array): Session.Job => {
  const decoded = standbyRequestCodec.decode(message)
  if (Result.isFailure(decoded)) {
    const { offset, reason } = decoded.failure
    return Effect.fail(new InvalidMessage({ detail: `a standby's request (${reason} at ${offset})` }))
  }
  const asked = decoded.success
  const answer = (answer: StandbyAnswer) => session.outbox.offer(toMessage(answer))
  const refuse = (error: RelayError) => answer({ _tag: "Refused", request: asked.request, refusal: toRefusal(error) })
  if (session.feed !== undefined) return serve(engine, session.feed, asked, { answer, refuse })
  const admitted = Session.admit(engine, session)
  if (Result.isFailure(admitted)) {
    if (admitted.failure._tag === "InvalidMessage") return Effect.fail(admitted.failure)
    refuse(admitted.failure)
  } else if (engine.standby) refuse(standing(engine))
  else if (asked._tag !== "Prove" || !isProved(engine, session, asked.signature)) {
    refuse(new Unauthorized({ detail: "a standby has to prove that it has this relay's key" }))
  } else {
    begin(engine, session, answer)
    answer({ _tag: "Proved", request: asked.request })
  }
  return undefined
}

const isProved = (engine: Engine, session: Session.Session, signature: Uint8Array): boolean =>
  Calls.verified(engine, session, engine.signingKey, Proof.standby(session.handshakeHash), signature)

const begin = (engine: Engine, session: Session.Session, answer: (answer: StandbyAnswer) => void): void => {
  const feed = new Feed(answer)
  const unwatch = engine.store.copy.watch((change) => feed.note(change))
  engine.load.standbys++
  engine.metrics.standbys(engine.load.standbys)
  session.feed = {
    ask: (request) => feed.ask(request),
    end: () => {
      unwatch()
      engine.load.standbys--
      engine.metrics.standbys(engine.load.standbys)
    }
  }
  Session.authenticated(session)
}

interface Reply {
  readonly answer: (answer: StandbyAnswer) => void
  readonly refuse: (error: RelayError) => void
}

/** One request after the other, each in its turn of the connection's reader; `Changes` alone waits, outside of it. */
const serve = (
  engine: Engine,
  feed: Session.Following,
  asked: StandbyRequest,
  reply: Reply
): Session.Job => {
  const { copy } = engine.store
  switch (asked._tag) {
    case "Prove":
      return Effect.fail(new InvalidMessage({ detail: "a standby proved its key twice" }))
    case "Changes":
      feed.ask(asked.request)
      return undefined
    case "Routes":
      return respond(
        engine,
        reply,
        Effect.map(copy.routes({ after: asked.after, limit: ROUTES_MAX }), (routes) => ({
          _tag: "RoutePage",
          request: asked.request,
          routes
        }))
      )
    case "Measure":
      return respond(
        engine,
        reply,
        Effect.map(copy.sums(asked), (sums) => ({ _tag: "Measured", request: asked.request, sums }))
      )
    case "Rows":
      return respond(engine, reply, rowsOf(engine, asked))
  }
}

const rowsOf = (engine: Engine, asked: Extract<StandbyRequest, { readonly _tag: "Rows" }>) => {
  const { from, have, request, route } = asked
  const has = (position: number) => ((have[(position - from) >>> 3] ?? 0) & (1 << ((position - from) & 7))) !== 0
  return Effect.map(
    engine.store.copy.rows({ route, from, has, bytesMax: engine.options.limits.pageBytesMax, staged: false }),
    (page): StandbyAnswer => ({ _tag: "RowPage", request, ...page })
  )
}

const respond = <E extends RelayError>(
  engine: Engine,
  { answer, refuse }: Reply,
  work: Effect.Effect<StandbyAnswer, E | RelayStoreFailed>
): Session.Job => Effect.match(withStore(engine, work), { onFailure: refuse, onSuccess: answer })

const toMessage = (answer: StandbyAnswer): Uint8Array => {
  const message = standbyAnswerCodec.encodeAfter(1, answer)
  message[0] = PLANE.standby
  return message
}
