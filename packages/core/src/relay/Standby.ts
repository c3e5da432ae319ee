/**
 * A relay's standby: another process with the same relay key and storage of its own, which follows the relay and can take
 * its place (docs/operate/relay.md).
 *
 * ```
 *   relay ── RelayStore.copy ── Feed ◀──── channel ────▶ StandbyLine ── RouteCopying ── RelayStore.copy
 *                 │ committed    ▲
 *                 └──────────────┘
 * ```
 *
 * 1. The relay never waits for it: what the relay acknowledged and had not sent yet is not here. Who takes over then is to
 *    devices a relay that went back, which they notice, name, and fill up again once they are told to go on with it.
 * 2. Each route is at any moment one that the relay had: its end moves in one transaction, together with its keys and
 *    tags. Either side may be killed at any moment; a new connection compares all routes, and moves what differs.
 * 3. It deletes what the relay deleted. It never goes back with a relay that went back: it ends with `CopyDiffers`.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { RouteId } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import { ROUTES_MAX } from "@sotto/schema/Standby"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { RelayKeyMismatch } from "../channel/ChannelError.ts"
import * as RelayKeyring from "../channel/RelayKeyring.ts"
import { Crypto } from "../Crypto.ts"
import { monotonicMillis } from "../internal/monotonicMillis.ts"
import { type RelayUnreachable, Transport } from "../Transport.ts"
import { CopyDiffers, type RouteChange } from "./RelayCopy.ts"
import { RelayStore, RelayStoreFailed } from "./RelayStore.ts"
import * as RouteCopying from "./RouteCopying.ts"
import * as StandbyLine from "./StandbyLine.ts"
import * as StandbyMetrics from "./StandbyMetrics.ts"

/** There is no key to follow with. */
export class StandbyWithoutKey extends Schema.TaggedError<StandbyWithoutKey>()("StandbyWithoutKey", {}) {
  override get message() {
    return "A standby needs the key of the relay that it follows, and this directory has none. Nothing was changed: " +
      "put a backup of that relay's sotto.db there, and start again."
  }
}

/** The key is another relay's. */
export class StandbyOfAnother extends Schema.TaggedError<StandbyOfAnother>()("StandbyOfAnother", {}) {
  override get message() {
    return "This directory has the key of another relay than the address names. Nothing was changed: give the address of the " +
      "relay that the directory is a copy of, or put a backup of the one that you mean into an empty directory."
  }
}

/** Copying cannot go on by itself. */
export type StandbyFailed = CopyDiffers | RelayKeyMismatch

/** Where a standby stands. */
export interface StandbyStatus {
  /** Not connected; comparing all routes; told of each change. */
  readonly phase: "connecting" | "comparing" | "following"
  /** Since it last had all that the relay had, or since its start. */
  readonly lagMillis: number
  /** Envelopes that the relay is known to have and this one has not. */
  readonly lagPositions: number
}

export interface Standby {
  readonly status: Effect.Effect<StandbyStatus>
  /** Follows, for ever. */
  readonly run: Effect.Effect<never, StandbyFailed>
}

/** Routes that are copied at once. */
const ROUTES_AT_ONCE = 8
/** How often it asks when nothing changes, which is how it knows that the relay is still there. */
const ASK_MILLIS = 1000
/** How long an answer to that may take. */
const SILENT_MILLIS = 10_000
/** A lag below this is the time between two questions. */
const CALM_MILLIS = 2 * ASK_MILLIS
const RETRY_MILLIS_MIN = 500
const RETRY_MILLIS_MAX = 30_000

/** The relay whose key the storage has; fails when that is not the relay of `address`. */
const identityFor = Effect.fnUntraced(function*(
  crypto: Crypto["Service"],
  store: RelayStore["Service"],
  address: RelayAddress
) {
  const kept = yield* store.secret.get(RelayKeyring.KEPT_AS)
  if (kept === undefined) return yield* new StandbyWithoutKey()
  const decoded = RelayKeyring.decode(crypto, kept)
  kept.fill(0)
  if (Result.isFailure(decoded) || !Bytes.equals(decoded.success.relayKey, address.key)) {
    return yield* new StandbyOfAnother()
  }
  return decoded.success
})

/** A standby of the relay at `address`, over the storage of the context. */
export const make: (address: RelayAddress) => Effect.Effect<
  Standby,
  StandbyWithoutKey | StandbyOfAnother | RelayStoreFailed,
  Crypto | RelayStore | Transport | Scope.Scope
> = Effect.fn("Standby.make")(function*(address) {
  const crypto = yield* Crypto
  const store = yield* RelayStore
  const transport = yield* Transport
  const clock = yield* Clock.Clock
  const metrics = yield* StandbyMetrics.make
  const identity = yield* identityFor(crypto, store, address)
  const follower: Follower = {
    store,
    elapsed: () => monotonicMillis(clock),
    phase: "connecting",
    levelMillis: monotonicMillis(clock),
    lagPositions: 0
  }
  const status = Effect.sync(() => statusOf(follower))
  const measure = Effect.map(
    status,
    ({ lagMillis, lagPositions }) => metrics.lag({ millis: lagMillis, positions: lagPositions })
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(measure, Effect.sleep(ASK_MILLIS))))
  const connected = Effect.scoped(
    Effect.flatMap(
      StandbyLine.open({ address, identity, received: metrics.received }),
      (line) => follow(follower, line)
    )
  ).pipe(Effect.provideService(Transport, transport), Effect.provideService(Crypto, crypto))
  return { status, run: again(follower, connected) }
})

interface Follower {
  readonly store: RelayStore["Service"]
  readonly elapsed: () => number
  phase: StandbyStatus["phase"]
  levelMillis: number
  lagPositions: number
}

const statusOf = ({ lagPositions, levelMillis, elapsed, phase }: Follower): StandbyStatus => {
  const sinceMillis = Math.max(0, elapsed() - levelMillis)
  const calm = phase === "following" && lagPositions === 0 && sinceMillis < CALM_MILLIS
  return { phase, lagMillis: calm ? 0 : sinceMillis, lagPositions }
}

type Failure = RouteCopying.CopyFailed | RelayUnreachable | RelayKeyMismatch

/** Connects again and again; what would come to the same each time ends it. */
const again = (follower: Follower, connected: Effect.Effect<never, Failure>): Effect.Effect<never, StandbyFailed> =>
  Effect.gen(function*() {
    let waitMillis = RETRY_MILLIS_MIN
    for (;;) {
      const failure = yield* Effect.flip(connected)
      if (failure._tag === "CopyDiffers" || failure._tag === "RelayKeyMismatch") return yield* failure
      if (follower.phase === "following") waitMillis = RETRY_MILLIS_MIN
      follower.phase = "connecting"
      yield* told(failure)
      yield* Effect.sleep(waitMillis)
      waitMillis = Math.min(RETRY_MILLIS_MAX, waitMillis * 2)
    }
  })

/** For the operator's log: no address, no route. */
const told = (failure: Exclude<Failure, StandbyFailed>) => {
  if (failure instanceof RelayStoreFailed) {
    const { detail, operation, reason } = failure
    return Effect.logError("standby storage failed", { operation, reason, detail })
  }
  return Effect.logWarning("standby is not connected", { reason: failure._tag })
}

const changes = (request: number) => ({ _tag: "Changes", request }) as const

/** One connection: everything is compared once, then what changes is copied. */
const follow = Effect.fnUntraced(function*(follower: Follower, line: StandbyLine.StandbyLine) {
  // From here on the relay notes what changes; so nothing falls between the comparison and the changes.
  let next = yield* line.begin("Changed", changes)
  yield* compareAll(follower, line)
  for (;;) {
    const standing = next
    const early = yield* Effect.timeoutOption(standing, ASK_MILLIS)
    // A second question has the first one answered.
    next = yield* line.begin("Changed", changes)
    const answer = Option.isSome(early) ? early : yield* Effect.timeoutOption(standing, SILENT_MILLIS)
    if (Option.isNone(answer)) return yield* StandbyLine.SILENT
    const askedMillis = follower.elapsed()
    if (answer.value.lost) yield* compareAll(follower, line)
    else yield* copyAll(follower, line, answer.value.changes)
    follower.levelMillis = askedMillis
    follower.phase = "following"
  }
})

const copyAll = Effect.fnUntraced(function*(
  follower: Follower,
  line: StandbyLine.StandbyLine,
  changes: ReadonlyArray<RouteChange>
) {
  const { store } = follower
  const behind = yield* Effect.forEach(changes, ({ position, route }) =>
    store.route(route).pipe(
      Effect.catchTag("UnknownRoute", () => Effect.succeed({ position: 0 })),
      Effect.map((mine) => Math.max(0, position - mine.position))
    ))
  follower.lagPositions = behind.reduce((sum, each) => sum + each, 0)
  yield* Effect.forEach(changes, (change, i) =>
    Effect.map(RouteCopying.copyRoute({ line, store }, change), () => {
      follower.lagPositions -= behind[i] ?? 0
    }), { concurrency: ROUTES_AT_ONCE, discard: true })
})

const compareAll = Effect.fnUntraced(function*(follower: Follower, line: StandbyLine.StandbyLine) {
  follower.phase = "comparing"
  let after: RouteId | null = null
  for (;;) {
    const routes: ReadonlyArray<Omit<RouteChange, "rows">> = yield* routesAfter(line, after)
    const through: RouteId | null = routes.at(-1)?.route ?? null
    yield* noneBeside(follower, after, through, new Set(routes.map(({ route }) => Bytes.toHex(route))))
    if (through === null) return
    yield* copyAll(follower, line, routes.map((route) => ({ ...route, rows: true })))
    after = through
  }
})

const routesAfter = (line: StandbyLine.StandbyLine, after: RouteId | null) =>
  Effect.map(line.ask("RoutePage", (request) => ({ _tag: "Routes", request, after })), ({ routes }) => routes)

/** Routes that are here and not there: the relay lost them. `through` is `null` for the rest of all. */
const noneBeside = Effect.fnUntraced(function*(
  { store }: Follower,
  after: RouteId | null,
  through: RouteId | null,
  hexes: ReadonlySet<string>
) {
  let at = after
  for (;;) {
    const mine: ReadonlyArray<{ readonly route: RouteId }> = yield* store.copy.routes({ after: at, limit: ROUTES_MAX })
    for (const { route } of mine) {
      if (through !== null && Bytes.compare(route, through) > 0) return
      if (!hexes.has(Bytes.toHex(route))) {
        return yield* new CopyDiffers({ detail: "a space that is here is unknown there" })
      }
    }
    at = mine.at(-1)?.route ?? at
    if (mine.length < ROUTES_MAX) return
  }
})
