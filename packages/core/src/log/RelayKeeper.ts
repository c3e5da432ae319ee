/**
 * Keeps one relay connected (protocol.md §7): runs sessions one after the other, waits between them, and stops for what
 * trying again would not cure. What it knows is what `RelayStatus` shows.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Position, type RelayKey } from "@sotto/schema/Id"
import type { RelayError } from "@sotto/schema/RelayError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { Defect } from "../ClientError.ts"
import type { Crypto } from "../Crypto.ts"
import * as Signal from "../internal/signal.ts"
import { type ClientEvent, type Failure, failureOf, type RelayPhase, type RelayStatus } from "../Status.ts"
import type { Transport } from "../Transport.ts"
import type { Book, Journal } from "./Journal.ts"
import * as Misconduct from "./Misconduct.ts"
import * as Pump from "./Pump.ts"
import * as Reconnect from "./Reconnect.ts"
import * as RelaySession from "./RelaySession.ts"

/** What all relays of a client share. */
export interface Shared {
  readonly journal: Journal
  readonly paused: () => boolean
  readonly events: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void>
  readonly presence: (envelope: Uint8Array) => Effect.Effect<void>
  readonly caughtUp: Effect.Effect<void>
  /** Whether no relay but this one may still bring what is missing. */
  readonly last: (relay: RelayKey) => boolean
}

/** What a keeper knows, for whoever looks. */
export interface Keeper {
  readonly relay: RelayKey
  readonly status: () => RelayStatus
  readonly session: () => RelaySession.Session | undefined
  /** Everything that the relay had was here at some moment since this client was opened. */
  readonly everCaughtUp: () => boolean
  /** Sessions that ended since this client was opened. */
  readonly ended: () => number
  /** Ends a wait, and forgets earlier failures. */
  readonly wake: () => void
  /** Ends a session, and begins another one. */
  readonly restart: () => void
  readonly run: Effect.Effect<void, never, Transport | Crypto>
}

interface State {
  phase: RelayPhase
  failure: Failure | null
  retryAtMillis: number | null
  failures: number
  everCaughtUp: boolean
  ended: number
  restarts: number
  /** The evidence that was told of. */
  caught: number
  session: RelaySession.Session | undefined
}

/** A keeper that does not run yet. It ends when its relay is not one of the journal's any more. */
export const make = (shared: Shared, relay: RelayKey): Keeper => {
  const { journal } = shared
  const woken = Signal.make()
  const hex = Bytes.toHex(relay)
  const book = () => journal.books().bookByHex.get(hex)
  const state: State = {
    phase: shared.paused() ? "paused" : "connecting",
    failure: null,
    retryAtMillis: null,
    failures: 0,
    everCaughtUp: false,
    ended: 0,
    restarts: 0,
    caught: book()?.row.misbehaved ?? 0,
    session: undefined
  }
  const set = (change: Partial<State>) =>
    Effect.sync(() => {
      Object.assign(state, change)
      journal.changed.raise()
    })
  return {
    relay,
    status: () => statusOf(journal, relay, book(), state),
    session: () => state.session,
    everCaughtUp: () => state.everCaughtUp,
    ended: () => state.ended,
    wake: () => {
      state.failures = 0
      woken.raise()
    },
    restart: () => {
      state.restarts++
      state.failures = 0
      woken.raise()
      journal.changed.raise()
    },
    run: Effect.ensuring(keep({ shared, relay, state, set, book, woken }), set({ session: undefined }))
  }
}

interface Keeping {
  readonly shared: Shared
  readonly relay: RelayKey
  readonly state: State
  readonly set: (change: Partial<State>) => Effect.Effect<void>
  readonly book: () => Book | undefined
  readonly woken: Signal.Signal
}

const statusOf = (journal: Journal, relay: RelayKey, book: Book | undefined, state: State): RelayStatus => ({
  relay,
  url: book?.row.address.url ?? "",
  phase: state.phase,
  pending: book === undefined ? 0 : Pump.pendingOf(journal, book),
  received: book?.mark.cursor ?? NOWHERE,
  head: book?.mark.head?.body.position ?? NOWHERE,
  retryAtMillis: state.retryAtMillis,
  failure: state.failure
})

const NOWHERE = Position.make(0)

const keep = (keeping: Keeping): Effect.Effect<void, never, Transport | Crypto> => {
  const { book, set, shared, state, woken } = keeping
  const { changed } = shared.journal
  return Effect.gen(function*() {
    while (true) {
      const current = book()
      if (current === undefined) return
      if (shared.paused()) {
        yield* set({ phase: "paused", failure: null, retryAtMillis: null })
        yield* Signal.until(changed, () => shared.paused() ? undefined : true)
      } else if (current.row.misbehaved !== 0) {
        yield* stop(keeping, current)
      } else {
        yield* set({ phase: "connecting", retryAtMillis: null })
        const seen = woken.version()
        const ended = yield* session(keeping)
        yield* set({ session: undefined, ended: state.ended + 1 })
        if (ended !== undefined) yield* pauseAfter(keeping, ended, seen)
      }
    }
  })
}

/** Stays away from a relay that was caught, until someone decides otherwise. */
const stop = Effect.fnUntraced(function*({ book, relay, set, shared, state }: Keeping, { row: { misbehaved } }: Book) {
  const { changed, store } = shared.journal
  const found = yield* Effect.orElseSucceed(Misconduct.read(store, misbehaved), () => undefined)
  const failure = found === undefined ? CAUGHT : failureOf(found, false)
  yield* set({ phase: "stopped", failure, retryAtMillis: null })
  if (state.caught !== misbehaved) {
    state.caught = misbehaved
    yield* shared.events([{ _tag: "Misbehaved", relay, failure }])
  }
  yield* Signal.until(changed, () => book()?.row.misbehaved !== misbehaved ? true : undefined)
})

/** For evidence that does not read any more. */
const CAUGHT: Failure = {
  tag: "RelayMisbehaved",
  message:
    "This relay contradicted itself earlier. Your data is safe on this device; use another relay, or go on with " +
    "this one knowing that.",
  retrying: false
}

/** One session; undefined when it was ended from this side. */
const session = (
  { book, relay, set, shared, state, woken }: Keeping
): Effect.Effect<Ended | undefined, never, Transport | Crypto> => {
  const { journal } = shared
  const listener: RelaySession.Listener = {
    attached: (session, writable) =>
      Effect.andThen(
        // Without the current epoch's key it was no success: the next tries come further and further apart.
        set({ session, phase: "catching-up", failure: null, ...(writable ? { failures: 0 } : {}) }),
        shared.events([{ _tag: "Connected", relay }])
      ),
    caughtUp: (position) =>
      set({ phase: "live", everCaughtUp: true }).pipe(
        Effect.andThen(shared.events([{ _tag: "CaughtUp", relay, position }])),
        Effect.andThen(shared.caughtUp)
      ),
    events: shared.events,
    refused: (error: RelayError | null) =>
      error === null && state.failure === null
        ? Effect.void
        : set({ failure: error === null ? null : failureOf(error, true) }),
    presence: shared.presence,
    last: () => shared.last(relay),
    poked: woken,
    readFirst: () => !state.everCaughtUp
  }
  const { restarts } = state
  const isOver = () =>
    shared.paused() || state.restarts !== restarts || (book()?.row.misbehaved ?? 0) !== 0 || book() === undefined
  const interrupted = Signal.until(journal.changed, () => isOver() ? true : undefined)
  return Effect.raceFirst(
    Effect.flatMap(Effect.exit(Effect.scoped(RelaySession.run(journal, relay, listener))), endOf),
    Effect.as(interrupted, undefined)
  )
}

/** Why a session ended. A bug in it ends the session, and nothing else of this device. */
const endOf = (exit: Exit.Exit<never, RelaySession.SessionEnded>): Effect.Effect<Ended> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  const { cause } = exit
  const error = Cause.findErrorOption(cause)
  if (Option.isSome(error)) return Effect.succeed(error.value)
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  return Effect.as(Effect.logError("a connection to a relay ended by a defect", cause), new Defect())
}

type Ended = RelaySession.SessionEnded | Defect

/** Waits as long as the end of a session asks for. */
const pauseAfter = Effect.fnUntraced(function*(
  { book, relay, set, shared, state, woken }: Keeping,
  ended: Ended,
  seen: number
) {
  const { changed } = shared.journal
  // The books say it: whoever keeps the relay finds it there.
  if (ended._tag === "RelayMisbehaved" || (ended._tag === "UnknownRelay" && book() === undefined)) return
  const stops = isFinal(ended)
  const failure = failureOf(ended, !stops)
  // The keys of the next epoch are there: nothing went wrong.
  if (ended._tag === "EpochMoved" && ended.ready && state.failures === 0) return
  state.failures++
  if (stops) {
    yield* set({ phase: "stopped", failure, retryAtMillis: null })
    yield* shared.events([{ _tag: "Disconnected", relay, failure, retryAtMillis: null }])
    const row = book()?.row
    const released = Signal.until(changed, () => book()?.row !== row || shared.paused() ? true : undefined)
    yield* Effect.raceFirst(woken.after(seen), released)
    return
  }
  const delay = yield* Reconnect.delayMillis(state.failures, retryAfterOf(ended))
  const retryAtMillis = (yield* Clock.currentTimeMillis) + delay
  yield* set({ phase: "waiting", failure, retryAtMillis })
  yield* shared.events([{ _tag: "Disconnected", relay, failure, retryAtMillis }])
  const released = Signal.until(changed, () => shared.paused() || book() === undefined ? true : undefined)
  yield* Effect.raceAllFirst([Effect.sleep(delay), woken.after(seen), released])
})

const retryAfterOf = (ended: Ended): number =>
  ended._tag === "RateLimited" || ended._tag === "Overloaded" || ended._tag === "ShuttingDown" ||
    ended._tag === "Standby"
    ? ended.retryAfterMillis
    : 0

const FINAL = new Set<Ended["_tag"]>(["RelayKeyMismatch", "DeviceRevoked", "NotOwner"])

/** Whether to try again would come to the same. */
const isFinal = (ended: Ended): boolean =>
  FINAL.has(ended._tag) || (ended._tag === "RelayUnreachable" && ended.reason === "address") ||
  (ended._tag === "ChannelFailed" && ended.reason === "version")
