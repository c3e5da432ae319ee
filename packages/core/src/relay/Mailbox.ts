/**
 * Mailboxes (protocol.md §6, §8): where two devices that know only a code leave each other a few messages. They live in
 * the relay's memory and are gone after an hour at most.
 *
 * 1. A mailbox has two sides. A side is named by 16 random bytes that its device drew, so that the device can go on from
 *    another connection; any third name closes the mailbox for all, since a code has leaked then.
 * 2. 32 messages and 64 KiB in all; messages stay until the end, so that a side that reconnects can read again.
 * 3. Claims of new sides are limited per address and in all; taking up one's own side again is free.
 * 4. A mailbox that is closed leaves a mark until its time is over: its name is not given out again meanwhile. What the
 *    side that closed it had said before, the other one can still read: it would not know why otherwise.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { MailboxId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { MailboxSide } from "@sotto/schema/Relay"
import { MailboxUnavailable, Overloaded, RateLimited } from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Crypto } from "../Crypto.ts"
import * as RateLimit from "./RateLimit.ts"
import type { RelayLimits } from "./RelayOptions.ts"

type Side = 0 | 1

interface Box {
  /** One or two. */
  readonly sides: Array<MailboxSide>
  messages: Array<{ readonly from: Side; readonly bytes: Uint8Array }>
  readonly expiresMillis: number
  bytes: number
  /** Why it can no longer be used. */
  closed: "crowded" | "unknown" | undefined
  /** Completed, and replaced, when something changes. */
  changed: Deferred.Deferred<void>
}

/** A side of a mailbox that a connection has taken. Kept per connection. */
export interface Claim {
  readonly box: Box
  readonly side: Side
}

type Refused = MailboxUnavailable | RateLimited | Overloaded

export interface Mailboxes {
  readonly create: (create: {
    readonly id: MailboxId
    readonly side: MailboxSide
    readonly ttlMillis: number
    readonly address: string
    readonly nowMillis: number
  }) => Effect.Effect<Claim, Refused>
  readonly join: (join: {
    readonly id: MailboxId
    readonly side: MailboxSide
    readonly address: string
    readonly nowMillis: number
  }) => Effect.Effect<Claim, Refused>
  readonly send: (claim: Claim, message: Uint8Array, nowMillis: number) => Effect.Effect<void, MailboxUnavailable>
  /** Messages of the other side from number `after` on; waits for one, `waitMillis` at most. */
  readonly receive: (
    claim: Claim,
    after: number,
    waitMillis: number,
    nowMillis: number
  ) => Effect.Effect<ReadonlyArray<Uint8Array>, MailboxUnavailable>
  readonly close: (claim: Claim) => Effect.Effect<void>
  /** Forgets what is over; answers how many are left. */
  readonly sweep: (nowMillis: number) => number
}

/** How long after its end a mailbox still says that it expired. */
const EXPIRED_KNOWN_MILLIS = 600_000

const unavailable = (reason: MailboxUnavailable["reason"]) => Effect.fail(new MailboxUnavailable({ reason }))

const announce = (box: Box): void => {
  const { changed } = box
  box.changed = Deferred.makeUnsafe()
  Deferred.doneUnsafe(changed, Effect.void)
}

/** Closed by a side, whose last words stay, or by one too many. */
const end = (box: Box, by: Side | "crowded"): void => {
  box.closed ??= by === "crowded" ? by : "unknown"
  box.messages = box.messages.filter(({ from }) => from === by)
  announce(box)
}

const state = (box: Box, nowMillis: number): MailboxUnavailable["reason"] | undefined =>
  nowMillis >= box.expiresMillis ? "expired" : box.closed

interface Boxes {
  readonly crypto: Pick<Crypto["Service"], "equal">
  readonly limits: RelayLimits
  readonly boxByHex: Map<string, Box>
  /** Why this address may not claim a side now. */
  readonly limited: (address: string, nowMillis: number) => RateLimited | undefined
}

export const make = (crypto: Pick<Crypto["Service"], "equal">, limits: RelayLimits): Mailboxes => {
  const perAddress = RateLimit.makeBuckets(RateLimit.rate(limits.mailboxClaimsPerTenMinutes, 600_000))
  const inAllRate = RateLimit.rate(limits.mailboxClaimsPerMinuteTotal, 60_000)
  const inAll = RateLimit.full(0)
  const limited = (address: string, nowMillis: number): RateLimited | undefined => {
    const ofAddress = perAddress.take(address, nowMillis)
    if (ofAddress > 0) return new RateLimited({ scope: "mailbox-address", retryAfterMillis: ofAddress })
    const ofAll = RateLimit.take(inAll, inAllRate, nowMillis)
    return ofAll > 0 ? new RateLimited({ scope: "mailbox", retryAfterMillis: ofAll }) : undefined
  }
  const boxes: Boxes = { crypto, limits, boxByHex: new Map(), limited }
  return {
    create: (wanted) => Effect.suspend(() => create(boxes, wanted)),
    join: (wanted) => Effect.suspend(() => join(boxes, wanted)),
    send: (claim, message, nowMillis) => Effect.suspend(() => send(boxes, claim, message, nowMillis)),
    receive: (claim, after, waitMillis, nowMillis) =>
      waitMillis === 0
        ? Effect.suspend(() => look(claim, after, nowMillis))
        : Effect.map(
          Effect.timeoutOption(
            follow(claim, after, nowMillis),
            Math.min(waitMillis, Math.max(0, claim.box.expiresMillis - nowMillis))
          ),
          Option.getOrElse((): ReadonlyArray<Uint8Array> => [])
        ),
    close: ({ box, side }) => Effect.sync(() => end(box, side)),
    sweep: (nowMillis) => {
      perAddress.evict(nowMillis)
      return sweep(boxes, nowMillis)
    }
  }
}

type Wanted<Name extends "create" | "join"> = Parameters<Mailboxes[Name]>[0]

const create = (boxes: Boxes, wanted: Wanted<"create">): Effect.Effect<Claim, Refused> => {
  const { boxByHex, limits } = boxes
  const { address, id, nowMillis, side, ttlMillis } = wanted
  const refused = boxes.limited(address, nowMillis)
  if (refused !== undefined) return Effect.fail(refused)
  const hex = Bytes.toHex(id)
  if (boxByHex.has(hex)) return unavailable("exists")
  if (boxByHex.size >= limits.mailboxesMax) return Effect.fail(new Overloaded({ retryAfterMillis: 60_000 }))
  const box: Box = {
    sides: [side],
    messages: [],
    expiresMillis: nowMillis + Math.min(ttlMillis, limits.mailboxMillisMax),
    bytes: 0,
    closed: undefined,
    changed: Deferred.makeUnsafe()
  }
  boxByHex.set(hex, box)
  return Effect.succeed({ box, side: 0 })
}

const join = (boxes: Boxes, { address, id, nowMillis, side }: Wanted<"join">): Effect.Effect<Claim, Refused> => {
  const box = boxes.boxByHex.get(Bytes.toHex(id))
  const mine = box?.sides.findIndex((taken) => boxes.crypto.equal(taken, side)) ?? -1
  const refused = mine < 0 ? boxes.limited(address, nowMillis) : undefined
  if (refused !== undefined) return Effect.fail(refused)
  if (box === undefined) return unavailable("unknown")
  const reason = state(box, nowMillis)
  if (reason !== undefined) return unavailable(reason)
  if (mine >= 0) return Effect.succeed({ box, side: mine === 0 ? 0 : 1 })
  if (box.sides.length === Limit.mailboxSides) {
    end(box, "crowded")
    return unavailable("crowded")
  }
  box.sides.push(side)
  return Effect.succeed({ box, side: 1 })
}

const send = ({ limits }: Boxes, { box, side }: Claim, message: Uint8Array, nowMillis: number) => {
  const reason = state(box, nowMillis)
  if (reason !== undefined) return unavailable(reason)
  if (box.messages.length >= limits.mailboxMessagesMax || box.bytes + message.length > limits.mailboxBytesMax) {
    return unavailable("full")
  }
  box.messages.push({ from: side, bytes: message.slice() })
  box.bytes += message.length
  announce(box)
  return Effect.void
}

type Found = Effect.Effect<ReadonlyArray<Uint8Array>, MailboxUnavailable>

const look = ({ box, side }: Claim, after: number, nowMillis: number): Found => {
  const reason = state(box, nowMillis)
  const found = box.messages.filter(({ from }) => from !== side).slice(after).map(({ bytes }) => bytes)
  const areLastWords = reason === "unknown" && found.length > 0
  return reason === undefined || areLastWords ? Effect.succeed(found) : unavailable(reason)
}

/** Looks and, when there is nothing, waits for the next change: one step, so that no change is missed between. */
const follow = (claim: Claim, after: number, nowMillis: number): Found =>
  Effect.suspend(() => {
    const { changed } = claim.box
    return Effect.filterOrElse(
      look(claim, after, nowMillis),
      (found) => found.length > 0,
      () => Effect.andThen(Deferred.await(changed), follow(claim, after, nowMillis))
    )
  })

const sweep = ({ boxByHex }: Boxes, nowMillis: number): number => {
  for (const [hex, box] of boxByHex) {
    if (nowMillis < box.expiresMillis) continue
    box.messages = []
    if (box.closed !== undefined || nowMillis >= box.expiresMillis + EXPIRED_KNOWN_MILLIS) boxByHex.delete(hex)
  }
  return boxByHex.size
}
