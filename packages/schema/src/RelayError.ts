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

export class UnknownRoute extends Schema.TaggedError<UnknownRoute>()("UnknownRoute", {}) {
  readonly number = 1001
  override get message() {
    return "The relay does not know this space. Your data is safe on this device; " +
      "if the relay was reset or replaced, open the space there again."
  }
}

export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { detail }) {
  readonly number = 1002
  override get message() {
    return `The relay refused the proof of access (${this.detail}). Your data is safe on this device; ` +
      "ask another device of the space whether this one is still a member and has the current epoch."
  }
}

export class DeviceRevoked extends Schema.TaggedError<DeviceRevoked>()("DeviceRevoked", {}) {
  readonly number = 1003
  override get message() {
    return "This device's access ended with an epoch that it was not given. Local data is untouched; pair again to return."
  }
}

export class NotOwner extends Schema.TaggedError<NotOwner>()("NotOwner", { detail }) {
  readonly number = 1004
  override get message() {
    return `Only an administrator of the space may do this (${this.detail}). Nothing was changed.`
  }
}

export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", { scope: boundedText(32), retryAfterMillis }) {
  readonly number = 2000
  override get message() {
    return `Too many requests (${this.scope}). Nothing is lost; try again in ${this.retryAfterMillis} ms.`
  }
}

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

export class InvalidWakeEndpoint extends Schema.TaggedError<InvalidWakeEndpoint>()("InvalidWakeEndpoint", { detail }) {
  readonly number = 2003
  override get message() {
    return `The wake endpoint was refused: ${this.detail}. Syncing works without it.`
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

export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { retryAfterMillis }) {
  readonly number = 3000
  override get message() {
    return `The relay is busy or cannot write at the moment. Nothing is lost; trying again in ${this.retryAfterMillis} ms.`
  }
}

export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", { retryAfterMillis }) {
  readonly number = 3001
  override get message() {
    return `The relay is going down in an orderly way. All it acknowledged is kept; reconnecting in ${this.retryAfterMillis} ms.`
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
  ShuttingDown
])
export type RelayError = typeof RelayError.Type

/** The stable number of a refusal. */
export const numberOf = (error: RelayError): number => error.number

/** A refusal as a data frame carries it. */
export const toRefusal = (error: RelayError): Refusal => {
  const refusal = { number: error.number, detail: "", a: 0, b: 0 }
  switch (error._tag) {
    case "UnknownRoute":
    case "DeviceRevoked":
      return refusal
    case "InvalidMessage":
    case "Unauthorized":
    case "NotOwner":
    case "InvalidWakeEndpoint":
      return { ...refusal, detail: error.detail }
    case "RateLimited":
      return { ...refusal, detail: error.scope, a: error.retryAfterMillis }
    case "EnvelopeTooLarge":
      return { ...refusal, a: error.sizeBytes, b: error.maxBytes }
    case "QuotaExceeded":
      return { ...refusal, a: error.usedBytes, b: error.quotaBytes }
    case "MailboxUnavailable":
      return { ...refusal, detail: error.reason }
    case "Overloaded":
    case "ShuttingDown":
      return { ...refusal, a: error.retryAfterMillis }
  }
}

/** The encoded error that a refusal stands for, not yet checked; undefined when its number is not known. */
const encodedOf = ({ a, b, detail, number }: Refusal): unknown => {
  switch (number) {
    case 1000:
      return { _tag: "InvalidMessage", detail }
    case 1001:
      return { _tag: "UnknownRoute" }
    case 1002:
      return { _tag: "Unauthorized", detail }
    case 1003:
      return { _tag: "DeviceRevoked" }
    case 1004:
      return { _tag: "NotOwner", detail }
    case 2000:
      return { _tag: "RateLimited", scope: detail, retryAfterMillis: a }
    case 2001:
      return { _tag: "EnvelopeTooLarge", sizeBytes: a, maxBytes: b }
    case 2002:
      return { _tag: "QuotaExceeded", usedBytes: a, quotaBytes: b }
    case 2003:
      return { _tag: "InvalidWakeEndpoint", detail }
    case 2004:
      return { _tag: "MailboxUnavailable", reason: detail }
    case 3000:
      return { _tag: "Overloaded", retryAfterMillis: a }
    case 3001:
      return { _tag: "ShuttingDown", retryAfterMillis: a }
    default:
      return undefined
  }
}

const decode = Schema.decodeUnknownResult(RelayError)

/** The error of a refusal. One with an unknown number, or with a field that its number does not use, is malformed. */
export const fromRefusal = (refusal: Refusal): Result.Result<RelayError, CodecError> => {
  const encoded = encodedOf(refusal)
  if (encoded === undefined) return Result.fail(new CodecError({ reason: "unknown-tag", offset: 0 }))
  const decoded = decode(encoded)
  if (Result.isFailure(decoded)) return Result.fail(new CodecError({ reason: "out-of-range", offset: 0 }))
  const again = toRefusal(decoded.success)
  return again.detail === refusal.detail && again.a === refusal.a && again.b === refusal.b
    ? Result.succeed(decoded.success)
    : Result.fail(new CodecError({ reason: "not-canonical", offset: 0 }))
}
