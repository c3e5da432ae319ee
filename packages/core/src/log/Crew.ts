/**
 * All relays of one space at work (protocol.md §7): a keeper for each, and what is asked of them together.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Hlc from "@sotto/schema/Hlc"
import type { DeviceId, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { NotConnected, type QuarantineFull, TooLarge, UnknownRelay } from "../ClientError.ts"
import type { Crypto, EntropyUnavailable } from "../Crypto.ts"
import * as Entropy from "../internal/entropy.ts"
import * as Signal from "../internal/signal.ts"
import * as Sliding from "../internal/sliding.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import * as Status from "../Status.ts"
import type { StoreFailed } from "../Store.ts"
import type { Transport } from "../Transport.ts"
import * as Attach from "./Attach.ts"
import * as Directory from "./Directory.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Inbox from "./Inbox.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"
import * as Places from "./Places.ts"
import * as Presence from "./Presence.ts"
import * as Quorum from "./Quorum.ts"
import * as RelayKeeper from "./RelayKeeper.ts"
import type * as RelaySession from "./RelaySession.ts"
import type * as RelayTalk from "./RelayTalk.ts"

/** What makes up a presence message, opened and checked. */
export interface PresenceMessage {
  readonly device: DeviceId
  readonly hlc: Hlc.Hlc
  readonly body: Uint8Array
}

/** One of the space's relays, as configured. */
export interface RelayInfo {
  readonly address: RelayAddress
  /** What it was caught with; null for a relay in good standing. */
  readonly misbehaved: RelayMisbehaved | null
  /**
   * Entries of its log did not come from it: they had expired or were pruned there, or were withheld. The `Gap` events told
   * which. Other relays and devices may have brought them, and so does a comparison with a relay that has them after all.
   */
  readonly gapped: boolean
}

export interface Relays {
  readonly list: Effect.Effect<ReadonlyArray<RelayInfo>, StoreFailed>
  /**
   * Adds a relay and sends it everything that this device has. `open`: with what to create the space's route if it is
   * not there. A relay that is there already is left as it is.
   */
  readonly add: (
    address: RelayAddress,
    open?: Directory.RouteOpening
  ) => Effect.Effect<void, StoreFailed | KeystoreFailed>
  /** Forgets a relay. What it keeps stays there. */
  readonly remove: (relay: RelayKey) => Effect.Effect<void, StoreFailed | KeystoreFailed | UnknownRelay>
  /**
   * Goes on with a relay that was caught, or that went back to an older state, knowing that: its log is read anew from
   * the start and everything that this device has is sent to it again. The evidence is kept.
   */
  readonly trustAgain: (relay: RelayKey) => Effect.Effect<void, StoreFailed | KeystoreFailed | UnknownRelay>
}

/** What comparing with one relay moved, or why it did not come about. */
export type Comparison =
  & { readonly relay: RelayKey }
  & (RelayTalk.Reconciled | { readonly failure: Status.Failure })

/** What the relays do together, as the client offers it. */
export interface Crew {
  /** Looks at what waits, then connects. */
  readonly start: Effect.Effect<void, StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable>
  readonly pull: Effect.Effect<void, NotConnected>
  readonly reconcile: Effect.Effect<ReadonlyArray<Comparison>>
  readonly settled: Effect.Effect<void>
  readonly acknowledge: Effect.Effect<void>
  readonly flush: (atMost?: Duration.Input) => Effect.Effect<number>
  readonly presence: {
    readonly publish: (body: Uint8Array) => Effect.Effect<void, NotConnected | TooLarge | EntropyUnavailable>
    readonly changes: Stream.Stream<PresenceMessage>
  }
  readonly status: {
    readonly current: Effect.Effect<Status.Status>
    readonly changes: Stream.Stream<Status.Status>
  }
  readonly events: Stream.Stream<Status.ClientEvent>
  /** Tells whoever listens to `events`. */
  readonly tell: (events: ReadonlyArray<Status.ClientEvent>) => Effect.Effect<void>
  readonly relays: Relays
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly wake: Effect.Effect<void>
}

/** Presence that a slow reader may fall behind. */
const PRESENCE_MAX = 256
/** How often entries that are dated ahead of this device's clock are looked at again. */
const CLOCK_LOOK_MILLIS = 60_000

/** What everything here shares. */
interface Bridge {
  readonly journal: Journal
  readonly keeperByHex: Map<string, RelayKeeper.Keeper>
  /** A keeper for each relay in use, and for no other. */
  readonly staff: Effect.Effect<void>
  paused: boolean
}

const keepersOf = ({ keeperByHex }: Bridge) => [...keeperByHex.values()]

/** The relays of the journal, not yet connected. They stop with the scope, after a last try to send what waits. */
export const make: (journal: Journal) => Effect.Effect<Crew, never, Transport | Crypto | Scope.Scope> = Effect
  .fnUntraced(function*(journal) {
    const heard = yield* Sliding.make<PresenceMessage>(PRESENCE_MAX)
    const fibers = yield* FiberMap.make<string>()
    const run = yield* FiberMap.runtime(fibers)<Transport | Crypto>()
    const keeperByHex = new Map<string, RelayKeeper.Keeper>()
    // At once: of two keepers of one relay, the one that runs must be the one that is asked.
    const staff = Effect.sync(() => {
      const { bookByHex } = journal.books()
      for (const hex of keeperByHex.keys()) if (!bookByHex.has(hex)) keeperByHex.delete(hex)
      for (const [hex, { relay }] of bookByHex) {
        if (keeperByHex.has(hex)) continue
        const keeper = RelayKeeper.make(shared, relay)
        keeperByHex.set(hex, keeper)
        run(hex, keeper.run)
      }
    })
    const bridge: Bridge = { journal, keeperByHex, staff, paused: false }
    const tell = (all: ReadonlyArray<Status.ClientEvent>) => Effect.asVoid(PubSub.publishAll(journal.events, all))
    const shared: RelayKeeper.Shared = {
      journal,
      paused: () => bridge.paused,
      events: tell,
      presence: (envelope) => hear(journal, heard, envelope),
      caughtUp: Effect.suspend(() => mayTruncate(bridge) ? lookAgain(bridge) : Effect.void),
      last: (relay) => isLast(bridge, relay)
    }
    yield* Effect.forkScoped(lookNowAndThen(bridge))
    yield* Effect.forkScoped(sweepNowAndThen(bridge))
    yield* Effect.addFinalizer(() => flush(bridge))
    return {
      start: Effect.gen(function*() {
        yield* Inbox.reconsider(journal, false)
        yield* staff
      }),
      pull: pull(bridge),
      reconcile: reconcile(bridge),
      settled: settled(bridge),
      acknowledge: acknowledge(bridge),
      flush: (atMost) => flush(bridge, atMost),
      presence: { publish: (body) => publish(bridge, body), changes: Stream.fromPubSub(heard) },
      status: { current: Effect.sync(() => statusOf(bridge)), changes: changes(bridge) },
      events: Stream.fromPubSub(journal.events),
      tell,
      relays: relays(bridge),
      pause: setPaused(bridge, true),
      resume: setPaused(bridge, false),
      wake: wake(bridge)
    }
  })

const setPaused = (bridge: Bridge, paused: boolean): Effect.Effect<void> =>
  Effect.sync(() => {
    bridge.paused = paused
    bridge.journal.changed.raise()
  })

const wake = (bridge: Bridge): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const keeper of keepersOf(bridge)) keeper.wake()
  })

// -- what waits --------------------------------------------------------------------------------------------------------

/** Whether every other relay has brought what it has, or cannot. */
const isLast = (bridge: Bridge, relay: RelayKey): boolean =>
  keepersOf(bridge).every((keeper) =>
    Bytes.equals(keeper.relay, relay) || keeper.everCaughtUp() || keeper.status().phase === "stopped"
  )

const mayTruncate = ({ journal, ...bridge }: Bridge): boolean => {
  const { bookByHex, waitingByHex } = journal.books()
  const isGapped = [...bookByHex.values()].some(({ mark }) => mark.gapped)
  return isGapped && [...waitingByHex.values()].some(({ reason }) => reason === "gap") &&
    [...bridge.keeperByHex.values()].every((keeper) => keeper.everCaughtUp() || keeper.status().phase === "stopped")
}

/** Looks again at everything that waits. Where storage fails, it waits on: the next page, or start, looks again. */
const lookAgain = (bridge: Bridge): Effect.Effect<void> =>
  Inbox.reconsider(bridge.journal, mayTruncate(bridge)).pipe(
    Effect.catch((error) => Effect.logWarning(`what waits was not looked at: ${error.message}`))
  )

const lookNowAndThen = (bridge: Bridge): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    yield* Signal.until(bridge.journal.changed, () => isAhead(bridge) ? true : undefined)
    yield* Effect.sleep(CLOCK_LOOK_MILLIS)
    yield* lookAgain(bridge)
  }))

/** Sweeps at the start, and whenever the relays in use have changed, which may show late when storage failed. */
const sweepNowAndThen = ({ journal, staff }: Bridge): Effect.Effect<never> => {
  const numbers = () => [...journal.books().bookByHex.values()].map(({ number }) => number).join()
  return Effect.forever(Effect.gen(function*() {
    const swept = numbers()
    yield* Places.sweep(journal).pipe(
      Effect.catch((error) => Effect.logWarning(`places were not swept: ${error.message}`))
    )
    yield* Signal.until(journal.changed, () => numbers() === swept ? undefined : true)
    yield* staff
  }))
}

const isAhead = ({ journal }: Bridge): boolean => {
  for (const { reason } of journal.books().waitingByHex.values()) if (reason === "clock") return true
  return false
}

// -- status ------------------------------------------------------------------------------------------------------------

/** Entries that are here and at too few relays, as far as this device knows. */
const pendingOf = ({ journal: { books, lackedBy, quorum } }: Bridge): number => {
  const { bookByHex, meta } = books()
  if (bookByHex.size === 0) return meta.ordinal
  const offers = [...bookByHex.values()].map(({ mark }) => ({ after: mark.offered, through: mark.offerUntil }))
  return lackedBy(Quorum.lacking(quorum, bookByHex.size), offers)
}

const OWN_TROUBLE = new Set(["StoreFailed", "KeystoreFailed", "QuarantineFull"])

const statusOf = (bridge: Bridge): Status.Status => {
  const { refused, waitingByHex } = bridge.journal.books()
  const all = keepersOf(bridge).map((keeper) => keeper.status())
  const trouble = all.find(({ failure }) => failure !== null && OWN_TROUBLE.has(failure.tag))
  let quarantined = refused.length
  for (const { reason } of waitingByHex.values()) if (reason !== null) quarantined++
  return Status.make({
    paused: bridge.paused,
    pending: pendingOf(bridge),
    needed: Quorum.needed(bridge.journal.quorum, all.length),
    quarantined,
    conflicted: bridge.journal.undecided.count(),
    relays: all,
    failure: trouble?.failure ?? null
  })
}

interface Shown {
  readonly seen: number
  readonly status: Status.Status
}

const changes = (bridge: Bridge): Stream.Stream<Status.Status> => {
  const look = Effect.sync((): Shown => ({ seen: bridge.journal.changed.version(), status: statusOf(bridge) }))
  const another = (shown: Shown, seen: number): Effect.Effect<Shown> =>
    bridge.journal.changed.after(seen).pipe(
      Effect.andThen(look),
      Effect.filterOrElse(
        (next) => !Equal.equals(next.status, shown.status),
        (next) => another(shown, next.seen)
      )
    )
  return Stream.paginate<Shown | undefined, Status.Status>(undefined, (shown) =>
    Effect.map(
      shown === undefined ? look : another(shown, shown.seen),
      (next) => [[next.status], Option.some<Shown | undefined>(next)] as const
    ))
}

// -- barriers ----------------------------------------------------------------------------------------------------------

const pull = (bridge: Bridge): Effect.Effect<void, NotConnected> =>
  Effect.suspend(() => {
    const keepers = keepersOf(bridge)
    if (keepers.length === 0) return Effect.fail(new NotConnected({ detail: "no relay is configured" }))
    if (bridge.paused) return Effect.fail(new NotConnected({ detail: "paused" }))
    return Effect.flatMap(
      Effect.forEach(keepers, (keeper) => pullFrom(bridge, keeper), { concurrency: "unbounded" }),
      (failures) => {
        const [first] = failures
        return failures.includes(undefined) || first === undefined ? Effect.void : Effect.fail(first)
      }
    )
  })

/** Undefined when everything that the relay has is here. The end of the connection is the keeper's to tell. */
const pullFrom = (bridge: Bridge, keeper: RelayKeeper.Keeper): Effect.Effect<NotConnected | undefined> =>
  Effect.match(
    over(bridge, keeper, ({ sync }) =>
      Effect.catchTags(sync, {
        ConnectionClosed: () => Effect.never,
        ChannelFailed: () => Effect.never
      })),
    {
      onFailure: (error) => error._tag === "NotConnected" ? error : new NotConnected({ detail: error.message }),
      onSuccess: () => undefined
    }
  )

/** Does something over a relay's connection, once it is live; fails when that comes to an end. */
const over = <A, E>(
  bridge: Bridge,
  keeper: RelayKeeper.Keeper,
  use: (session: RelaySession.Session) => Effect.Effect<A, E>
): Effect.Effect<A, E | NotConnected> =>
  Effect.suspend(() => {
    const ended = keeper.ended()
    if (keeper.status().phase !== "live") keeper.wake()
    const lost = Signal.until(bridge.journal.changed, () => {
      const { failure, phase } = keeper.status()
      const isOver = keeper.ended() > ended || phase === "stopped" || phase === "paused"
      return isOver && phase !== "live" ? new NotConnected({ detail: failure?.message ?? phase }) : undefined
    })
    const used = Effect.flatMap(
      Signal.until(
        bridge.journal.changed,
        () => keeper.status().phase === "live" ? keeper.session() : undefined
      ),
      use
    )
    return Effect.raceFirst(used, Effect.flatMap(lost, Effect.fail))
  })

/** One relay after the other: what the first brings the next one may need. */
const reconcile = (bridge: Bridge): Effect.Effect<ReadonlyArray<Comparison>> =>
  Effect.suspend(() =>
    Effect.forEach(keepersOf(bridge), (keeper) =>
      Effect.match(over(bridge, keeper, (session) => session.reconcile), {
        onFailure: (error): Comparison => ({ relay: keeper.relay, failure: Status.failureOf(error, true) }),
        onSuccess: (moved): Comparison => ({ relay: keeper.relay, ...moved })
      }))
  )

const settled = (bridge: Bridge): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { changed } = bridge.journal
    return Signal.until(changed, () => statusOf(bridge)._tag === "Synced" ? true : undefined).pipe(
      Effect.andThen(Effect.exit(pull(bridge))),
      Effect.flatMap((pulled) =>
        pulled._tag === "Success" && statusOf(bridge)._tag === "Synced" ? Effect.void : settled(bridge)
      )
    )
  })

const flush = (bridge: Bridge, atMost: Duration.Input = Limit.suspendFlushMillis): Effect.Effect<number> => {
  const isDone = () =>
    pendingOf(bridge) === 0 || keepersOf(bridge).every((keeper) => keeper.session() === undefined) ? true : undefined
  return Effect.map(
    Effect.timeoutOption(Signal.until(bridge.journal.changed, isDone), atMost),
    () => pendingOf(bridge)
  )
}

const acknowledge = (bridge: Bridge): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.forEach(keepersOf(bridge), (keeper) => Effect.ignore(keeper.session()?.acknowledge ?? Effect.void), {
      discard: true
    })
  )

// -- presence ----------------------------------------------------------------------------------------------------------

const publish = Effect.fnUntraced(function*(bridge: Bridge, body: Uint8Array) {
  const max = Presence.PRESENCE_BODY_BYTES_MAX
  if (body.length > max) return yield* new TooLarge({ what: "presence", size: body.length, max })
  const { crypto, identity } = bridge.journal
  const { meta, state } = bridge.journal.books()
  const hlc = Hlc.tick(meta.hlc, yield* Clock.currentTimeMillis)
  const envelope = yield* Entropy.attempt(() => Presence.seal(crypto, state, { author: identity, hlc, body }))
  let sent = 0
  for (const keeper of keepersOf(bridge)) {
    const session = keeper.session()
    if (session !== undefined && Result.isSuccess(yield* Effect.result(session.publish(envelope)))) sent++
  }
  if (sent === 0) return yield* new NotConnected({ detail: "presence is for those who are connected now" })
})

const hear = Effect.fnUntraced(function*(
  { books, crypto }: Journal,
  heard: PubSub.PubSub<PresenceMessage>,
  envelope: Uint8Array
) {
  const nowMillis = yield* Clock.currentTimeMillis
  const opened = Presence.open(crypto, books().state, { bytes: envelope, nowMillis })
  if (Result.isFailure(opened)) return
  const { body, device, hlc } = opened.success
  yield* PubSub.publish(heard, { device, hlc, body })
})

// -- relays ------------------------------------------------------------------------------------------------------------

const relays = (bridge: Bridge): Relays => {
  const { journal, staff } = bridge
  return {
    list: Effect.suspend(() =>
      Effect.forEach(
        [...journal.books().bookByHex.values()],
        ({ mark: { gapped }, row: { address, misbehaved } }) =>
          Effect.map(
            misbehaved === 0 ? Effect.undefined : Misconduct.read(journal.store, misbehaved),
            (found) => ({ address, misbehaved: found ?? null, gapped })
          )
      )
    ),
    add: Effect.fn("Client.relays.add")(function*(address, open) {
      const adding = journal.update((books) => {
        const value = undefined
        if (books.bookByHex.has(Bytes.toHex(address.key))) return Effect.succeed({ books, writes: [], value })
        const number = Ledger.RelayNumber.make(books.meta.relays + 1)
        const meta = { ...books.meta, relays: number }
        const row = Directory.freshRelay(address, open ?? null)
        const mark = Directory.freshMark(books.meta.ordinal)
        return Effect.succeed({
          books: { ...Attach.withBook(books, { number, relay: address.key, row, mark }), meta },
          writes: [Ledger.meta.put("", meta), ...Directory.relayWrites(number, row, mark)],
          value
        })
      })
      yield* Effect.ensuring(adding, staff)
    }),
    remove: Effect.fn("Client.relays.remove")(function*(relay) {
      const removing = journal.update((books) => {
        const hex = Bytes.toHex(relay)
        const book = books.bookByHex.get(hex)
        if (book === undefined) return Effect.fail(new UnknownRelay())
        const bookByHex = new Map(books.bookByHex)
        bookByHex.delete(hex)
        return Effect.succeed({
          books: { ...books, bookByHex },
          writes: Attach.forget(journal, book),
          value: undefined
        })
      })
      yield* Effect.ensuring(removing, staff)
      journal.changed.raise()
    }),
    trustAgain: Effect.fn("Client.relays.trustAgain")(function*(relay) {
      yield* Attach.startOver(journal, relay)
      bridge.keeperByHex.get(Bytes.toHex(relay))?.restart()
    })
  }
}
