/**
 * What an operator may set (protocol.md §6): admission, retention and every default of `Limit` that is not part of the
 * wire. One value, checked once when the relay is made; a setting outside its bounds is refused, not trimmed.
 */
import { Limit } from "@sotto/schema/Limit"
import type { Retention } from "@sotto/schema/Relay"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Who may open a new route: everybody, who shows one of the tokens, nobody. Routes that are there stay usable. */
export type Admission =
  | { readonly _tag: "open" }
  | { readonly _tag: "token"; readonly tokens: ReadonlyArray<Redacted.Redacted<string>> }
  | { readonly _tag: "closed" }

/** The limits of one relay, by the names (and units) of `Limit`. */
export const LIMITS = {
  envelopeBytesMax: Limit.envelopeBytesMax,
  pushEnvelopesMax: Limit.pushEnvelopesMax,
  pageEnvelopesMax: Limit.pageEnvelopesMax,
  pageBytesMax: Limit.pageBytesMax,
  presenceBytesMax: Limit.presenceBytesMax,
  routeBytesMax: Limit.routeBytesMax,
  sessionsMax: Limit.sessionsMax,
  routesPerSessionMax: Limit.routesPerSessionMax,
  outboundBytesMax: Limit.outboundBytesMax,
  pushesInFlightMax: Limit.pushesInFlightMax,
  pushBytesInFlightMax: Limit.pushBytesInFlightMax,
  pushBytesInFlightTotalMax: Limit.pushBytesInFlightTotalMax,
  messagesPerSecond: Limit.messagesPerSecond,
  messagesBurst: Limit.messagesBurst,
  routeMessagesPerSecond: Limit.routeMessagesPerSecond,
  connectsPerMinute: Limit.connectsPerMinute,
  unauthenticatedPerAddressMax: Limit.unauthenticatedPerAddressMax,
  unauthenticatedMillis: Limit.unauthenticatedMillis,
  routesOpenedPerHour: Limit.routesOpenedPerHour,
  stallMillis: Limit.stallMillis,
  pruneGraceMillis: Limit.pruneGraceMillis,
  ackActiveMillis: Limit.ackActiveMillis,
  knownMillis: Limit.knownMillis,
  sweepMillis: Limit.sweepMillis,
  goAwayMillis: Limit.goAwayMillis,
  reconcileSetBytesMax: Limit.reconcileSetBytesMax,
  reconcileSavedIdsMin: Limit.reconcileSavedIdsMin,
  mailboxesMax: Limit.mailboxesMax,
  mailboxMessagesMax: Limit.mailboxMessagesMax,
  mailboxBytesMax: Limit.mailboxBytesMax,
  mailboxMillisMax: Limit.mailboxMillisMax,
  mailboxClaimsPerTenMinutes: Limit.mailboxClaimsPerTenMinutes,
  mailboxClaimsPerMinuteTotal: Limit.mailboxClaimsPerMinuteTotal
} as const

export type RelayLimits = { readonly [Name in keyof typeof LIMITS]: number }

/** A limit that the wire fixes: a relay may set it lower, not higher. */
const CEILINGS: Partial<RelayLimits> = {
  envelopeBytesMax: Limit.envelopeBytesMax,
  pushEnvelopesMax: Limit.pushEnvelopesMax,
  pageEnvelopesMax: Limit.pageEnvelopesMax,
  pageBytesMax: Limit.pageBytesMax,
  presenceBytesMax: Limit.presenceBytesMax,
  mailboxMessagesMax: Limit.mailboxMessagesMax,
  mailboxBytesMax: Limit.mailboxBytesMax,
  mailboxMillisMax: Limit.mailboxMillisMax,
  routesPerSessionMax: 0xffff
}

export interface RelayOptions {
  readonly admission: Admission
  readonly retention: {
    /** The kinds that this relay grants; another one is refused when a route is opened. */
    readonly kinds: ReadonlyArray<Retention["_tag"]>
    /** What `Ttl.Default` means, in milliseconds. */
    readonly defaultMillis: number
    /** The longest that a transit route may ask for; `undefined` for no bound, and only then may it be "never". */
    readonly millisMax: number | undefined
  }
  readonly limits: RelayLimits
  /** Name and version that `About` tells, at most 64 bytes. */
  readonly software: string
}

/** What to set; the rest is default. */
export interface RelaySettings {
  readonly admission?: Admission
  readonly retention?: Partial<RelayOptions["retention"]>
  readonly limits?: Partial<RelayLimits>
  readonly software?: string
}

/** A setting that the relay cannot run with. */
export class RelayOptionsInvalid extends Schema.TaggedError<RelayOptionsInvalid>()("RelayOptionsInvalid", {
  setting: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The relay was not started: ${this.setting} ${this.detail}. Nothing was changed; correct the setting.`
  }
}

const invalid = (setting: string, detail: string) => new RelayOptionsInvalid({ setting, detail })

const isName = (name: string): name is keyof RelayLimits => Object.hasOwn(LIMITS, name)

const wrongLimit = (limits: RelayLimits): RelayOptionsInvalid | undefined => {
  for (const [name, value] of Object.entries(limits)) {
    if (!isName(name)) return invalid(name, "is not a limit")
    const ceiling = CEILINGS[name] ?? Number.MAX_SAFE_INTEGER
    if (!Number.isSafeInteger(value) || value < 1 || value > ceiling) {
      return invalid(name, `must be an integer from 1 to ${ceiling}`)
    }
  }
  return undefined
}

const wrongRetention = (retention: RelayOptions["retention"]): RelayOptionsInvalid | undefined => {
  const { defaultMillis, kinds, millisMax } = retention
  if (kinds.length === 0) return invalid("retention.kinds", "is empty: no route could be opened")
  if (!Number.isSafeInteger(defaultMillis) || defaultMillis < 1) {
    return invalid("retention.defaultMillis", "must be a positive integer")
  }
  return millisMax === undefined || millisMax >= defaultMillis
    ? undefined
    : invalid("retention.millisMax", "is below the default")
}

const wrongRest = ({ admission, software }: RelayOptions): RelayOptionsInvalid | undefined => {
  if (admission._tag === "token" && admission.tokens.length === 0) {
    return invalid("admission", "is by token, but there is none; use closed")
  }
  return software.length > 64 ? invalid("software", "is longer than 64 characters") : undefined
}

/** The options with every default filled in. */
export const make = (settings: RelaySettings = {}): Result.Result<RelayOptions, RelayOptionsInvalid> => {
  const options: RelayOptions = {
    admission: settings.admission ?? { _tag: "open" },
    retention: {
      kinds: ["Transit", "Durable", "Vault"],
      defaultMillis: Limit.retentionMillis,
      millisMax: undefined,
      ...settings.retention
    },
    limits: { ...LIMITS, ...settings.limits },
    software: settings.software ?? "sotto"
  }
  const wrong = wrongLimit(options.limits) ?? wrongRetention(options.retention) ?? wrongRest(options)
  return wrong === undefined ? Result.succeed(options) : Result.fail(wrong)
}

/** What this relay grants to a route that wants `wanted`; `undefined` when it does not keep in this way. */
export const grant = (options: RelayOptions, wanted: Retention): Retention | undefined => {
  const { defaultMillis, kinds, millisMax } = options.retention
  if (!kinds.includes(wanted._tag)) return undefined
  if (wanted._tag !== "Transit" || millisMax === undefined) return wanted
  const millis = wanted.ttl._tag === "Never"
    ? millisMax
    : wanted.ttl._tag === "Millis"
    ? Math.min(wanted.ttl.millis, millisMax)
    : defaultMillis
  return wanted.ttl._tag === "Default" ? wanted : { _tag: "Transit", ttl: { _tag: "Millis", millis } }
}

/** When an envelope that is accepted now expires; `undefined` for never. */
export const expiresMillis = (options: RelayOptions, retention: Retention, nowMillis: number): number | undefined => {
  if (retention._tag !== "Transit") return undefined
  switch (retention.ttl._tag) {
    case "Default":
      return nowMillis + options.retention.defaultMillis
    case "Millis":
      return nowMillis + retention.ttl.millis
    case "Never":
      return undefined
  }
}
