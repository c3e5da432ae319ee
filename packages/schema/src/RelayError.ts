/**
 * The closed union of what a relay refuses (protocol.md §6), each with its stable number. They cross the wire as they
 * are: on the control plane as the error of a call, on the data plane inside a `Refused` frame.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { CodecError } from "./Codec.ts"
import type { Refusal } from "./Frame.ts"
import { boundedText, uint } from "./Wire.ts"

const detail = boundedText(256)
const retryAfterMillis = uint(86_400_000)

/** A frame or call that does not decode, is out of turn, or breaks a limit of the protocol. Closes the connection. */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", { detail }) {
  readonly number = 1000
  override get message() {
    return `The relay could not accept a message: ${this.detail}. Nothing was stored from it. ` +
      "If both sides run a current version, report this with the detail."
  }
}

/** The route was never opened here, or this relay lost it. */
export class UnknownRoute extends Schema.TaggedError<UnknownRoute>()("UnknownRoute", {}) {
  readonly number = 1001
  override get message() {
    return "The relay does not know this space. Your data is safe on this device; " +
      "if the relay was reset or replaced, open the space there again."
  }
}

/** A proof is missing, wrong, or for another epoch or capability. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { detail }) {
  readonly number = 1002
  override get message() {
    return `The relay refused the proof of access (${this.detail}). Your data is safe on this device; ` +
      "ask another device of the space whether this one is still a member and has the current epoch."
  }
}

/** The route moved to an epoch whose keys this device was not given. */
export class DeviceRevoked extends Schema.TaggedError<DeviceRevoked>()("DeviceRevoked", {}) {
  readonly number = 1003
  override get message() {
    return "This device's access ended with an epoch that it was not given. Local data is untouched; pair again to return."
  }
}

/** The call needs the admin capability or the recovery key. */
export class NotOwner extends Schema.TaggedError<NotOwner>()("NotOwner", { detail }) {
  readonly number = 1004
  override get message() {
    return `Only an administrator of the space may do this (${this.detail}). Nothing was changed; ask one of them.`
  }
}

/** Too much at once; `scope` says what is counted. */
export class RateLimited
  extends Schema.TaggedError<RateLimited>()("RateLimited", { scope: boundedText(32), retryAfterMillis })
{
  readonly number = 2000
  override get message() {
    return `Too many requests (${this.scope}). Nothing is lost; try again in ${this.retryAfterMillis} ms.`
  }
}

/** An envelope above the limit that `Attached` granted. */
export class EnvelopeTooLarge extends Schema.TaggedError<EnvelopeTooLarge>()("EnvelopeTooLarge", {
  sizeBytes: uint(),
  maxBytes: uint()
}) {
  readonly number = 2001
  override get message() {
    return `An envelope of ${this.sizeBytes} bytes is over this relay's limit of ${this.maxBytes}. ` +
      "It was not stored there and is kept on this device; split the value or raise the relay's limit."
  }
}

/** The route is full. */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {
  usedBytes: uint(),
  quotaBytes: uint()
}) {
  readonly number = 2002
  override get message() {
    return `The relay holds ${this.usedBytes} of ${this.quotaBytes} bytes for this space. What you wrote waits on this device; ` +
      "free space there or ask the relay's operator to raise the quota."
  }
}

/** A wake endpoint that this relay will not call. */
export class InvalidWakeEndpoint extends Schema.TaggedError<InvalidWakeEndpoint>()("InvalidWakeEndpoint", { detail }) {
  readonly number = 2003
  override get message() {
    return `The wake endpoint was refused: ${this.detail}. Syncing works without it; register another one.`
  }
}

/** Mailbox refusals: a code that is used, expired, unknown or crowded. */
export class MailboxUnavailable extends Schema.TaggedError<MailboxUnavailable>()("MailboxUnavailable", {
  reason: Schema.Literals(["unknown", "crowded", "expired", "full", "exists"])
}) {
  readonly number = 2004
  override get message() {
    return `The mailbox of this code cannot be used (${this.reason}). Nothing was shared; start again with a new code.`
  }
}

/** Busy, or not able to write at the moment. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { retryAfterMillis }) {
  readonly number = 3000
  override get message() {
    return `The relay is busy or cannot write at the moment. Nothing is lost; trying again in ${this.retryAfterMillis} ms.`
  }
}

/** An orderly end is under way. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", { retryAfterMillis }) {
  readonly number = 3001
  override get message() {
    return `The relay is going down in an orderly way. All it acknowledged is kept; reconnecting in ${this.retryAfterMillis} ms.`
  }
}

/** This relay is the standby of another one with the same address's key, and serves nobody while it follows that one. */
export class Standby extends Schema.TaggedError<Standby>()("Standby", { retryAfterMillis }) {
  readonly number = 3002
  override get message() {
    return "This relay is a standby: it copies another one and serves no devices. Nothing is lost, and what you wrote waits on " +
      `this device; trying again in ${this.retryAfterMillis} ms. If its operator wants it to serve, start it without --replicate.`
  }
}

/** The union, in the order of the numbers. */
export const RelayError = Schema.Union([
  InvalidMessage,
  UnknownRoute,
  Unauthorized,
  DeviceRevoked,
  NotOwner,
  RateLimited,
  EnvelopeTooLarge,
  QuotaExceeded,
  InvalidWakeEndpoint,
  MailboxUnavailable,
  Overloaded,
  ShuttingDown,
  Standby
])
export type RelayError = typeof RelayError.Type

/** The stable number of a refusal. */
export const numberOf = (error: RelayError): number => error.number

/**
 * Where each error's fields stand in a `Refusal`; a row without a name for a place leaves it empty. This is the table of
 * the stable numbers: docs/spec/protocol.md shows it, and a test holds the two together.
 */
export const REFUSALS = [
  { number: 1000, tag: "InvalidMessage", detail: "detail" },
  { number: 1001, tag: "UnknownRoute" },
  { number: 1002, tag: "Unauthorized", detail: "detail" },
  { number: 1003, tag: "DeviceRevoked" },
  { number: 1004, tag: "NotOwner", detail: "detail" },
  { number: 2000, tag: "RateLimited", detail: "scope", a: "retryAfterMillis" },
  { number: 2001, tag: "EnvelopeTooLarge", a: "sizeBytes", b: "maxBytes" },
  { number: 2002, tag: "QuotaExceeded", a: "usedBytes", b: "quotaBytes" },
  { number: 2003, tag: "InvalidWakeEndpoint", detail: "detail" },
  { number: 2004, tag: "MailboxUnavailable", detail: "reason" },
  { number: 3000, tag: "Overloaded", a: "retryAfterMillis" },
  { number: 3001, tag: "ShuttingDown", a: "retryAfterMillis" },
  { number: 3002, tag: "Standby", a: "retryAfterMillis" }
] as const satisfies ReadonlyArray<RefusalRow>

interface RefusalRow {
  readonly number: number
  readonly tag: RelayError["_tag"]
  readonly detail?: string
  readonly a?: string
  readonly b?: string
}

const rowByTag = new Map<string, RefusalRow>(REFUSALS.map((row) => [row.tag, row]))
const rowByNumber = new Map<number, RefusalRow>(REFUSALS.map((row) => [row.number, row]))
const decodeError = Schema.decodeUnknownResult(RelayError)

/** A refusal as a data frame carries it. */
export const toRefusal = (error: RelayError): Refusal => {
  const fields = new Map<string, unknown>(Object.entries(error))
  const row = rowByTag.get(error._tag)
  const numberAt = (name = ""): number => {
    const value = fields.get(name)
    return typeof value === "number" ? value : 0
  }
  const text = fields.get(row?.detail ?? "")
  return {
    number: error.number,
    detail: typeof text === "string" ? text : "",
    a: numberAt(row?.a),
    b: numberAt(row?.b)
  }
}

/** The error of a refusal. One with an unknown number, or with a field that its number does not use, is malformed. */
export const fromRefusal = (refusal: Refusal): Result.Result<RelayError, CodecError> => {
  const row = rowByNumber.get(refusal.number)
  if (row === undefined) return Result.fail(new CodecError({ reason: "unknown-tag", offset: 0 }))
  const decoded = decodeError({
    _tag: row.tag,
    ...(row.detail !== undefined && { [row.detail]: refusal.detail }),
    ...(row.a !== undefined && { [row.a]: refusal.a }),
    ...(row.b !== undefined && { [row.b]: refusal.b })
  })
  if (Result.isFailure(decoded)) return Result.fail(new CodecError({ reason: "out-of-range", offset: 0 }))
  const again = toRefusal(decoded.success)
  return again.detail === refusal.detail && again.a === refusal.a && again.b === refusal.b
    ? Result.succeed(decoded.success)
    : Result.fail(new CodecError({ reason: "not-canonical", offset: 0 }))
}
