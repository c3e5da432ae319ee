/**
 * From facts to findings: what `sotto doctor` says about what its probes saw. Pure, so that each cause can be tried
 * without arranging it.
 *
 * A check that failed names the cause and what to do. One that could not be made, because an earlier one failed, is
 * `skipped`: it is never called healthy.
 */
import type { CallError } from "@sotto/core/channel/Control"
import type { DialFailed } from "@sotto/core/channel/Dial"
import type { Closed } from "@sotto/core/ClientError"
import type { CryptoUnavailable } from "@sotto/core/Crypto"
import type { RelayMisbehaved } from "@sotto/core/log/Evidence"
import type * as Sotto from "@sotto/core/Sotto"
import { Limit } from "@sotto/schema/Limit"
import type { GrantedLimits } from "@sotto/schema/Relay"
import type { RelayError } from "@sotto/schema/RelayError"
import type { Check, CheckResult, Diagnosis } from "./Event.ts"

const check = (result: CheckResult) => (name: string, detail: string, next: string | null = null): Check => ({
  type: "check",
  name,
  result,
  detail,
  next
})

export const ok = check("ok")
export const warning = check("warning")
export const failed = check("failed")
export const skipped = check("skipped")

// -- this device ---------------------------------------------------------------------------------------------------------

/** What the file system says about the home directory. */
export interface HomeFacts {
  readonly directory: string
  readonly exists: boolean
  /** Permission bits; null where there are none. */
  readonly mode: number | null
  readonly mine: boolean
  readonly writable: boolean
}

export const home = ({ directory, exists, mine, mode, writable }: HomeFacts): Check => {
  if (!exists) {
    return failed(
      "home",
      `${directory} is not there`,
      "Set this device up: `sotto init --relay ADDRESS` or `sotto join CODE`."
    )
  }
  if (!mine) return failed("home", `${directory} belongs to another user`, "Use a directory of your own: --home DIR.")
  if (!writable) return failed("home", `${directory} cannot be written`, `Make it writable: chmod u+rwx '${directory}'`)
  if (mode !== null && (mode & 0o077) !== 0) {
    return failed(
      "home",
      `${directory} is open to other users (mode ${(mode & 0o777).toString(8)})`,
      `Close it: chmod go-rwx '${directory}'`
    )
  }
  return ok("home", directory)
}

/** Why a device's directory does not open, by tag. */
type OpenFailed = Sotto.OpenFailed | CryptoUnavailable | Closed

/** What opening the device's key and store came to. */
export const opened = (failure: OpenFailed | undefined): ReadonlyArray<Check> => {
  if (failure === undefined) return [ok("key", "opens this device's secrets"), ok("store", "is whole, and reads")]
  switch (failure._tag) {
    case "KeystoreFailed":
      return [failed("key", failure.message), skipped("store", "needs the key")]
    case "StoreFailed":
      return [skipped("key", "needs the store"), failed("store", failure.message)]
    case "CryptoUnavailable":
    case "EntropyUnavailable":
      return [failed("crypto", failure.message, "Run it with the Node version that package.json names.")]
    case "Closed":
    case "IdentityDamaged":
    case "QuarantineFull":
    case "WrongDirectory":
      return [failed("device", failure.message)]
  }
}

export const device = (state: "empty" | "device" | "space"): Check => {
  switch (state) {
    case "empty":
      return failed("device", "there is no device here yet", "Run `sotto init --relay ADDRESS`, or `sotto join CODE`.")
    case "device":
      return failed(
        "device",
        "this device is in no space yet",
        "Run `sotto init --relay ADDRESS`, or `sotto join CODE`."
      )
    case "space":
      return ok("device", "has a space")
  }
}

// -- the way to the relay ------------------------------------------------------------------------------------------------

export const address = (url: string, wellFormed: boolean): Check =>
  wellFormed
    ? ok("address", url)
    : failed(
      "address",
      `${url} is not a relay's URL`,
      "Ask the relay's operator for its address, as `sotto relay` shows it."
    )

/** The names of the checks that a dialled connection settles, in the order in which it does. */
const DIALLED = ["relay-key", "handshake", "version"] as const

const refusedAt = (at: number, failure: Check): ReadonlyArray<Check> => [
  ...DIALLED.slice(0, at).map((name) => ok(name, name === "relay-key" ? "is the one that was pinned" : "done")),
  failure,
  ...DIALLED.slice(at + 1).map((name) => skipped(name, `needs ${failure.name}`))
]

/** What connecting to the relay came to. */
export const dialled = (failure: DialFailed | undefined): ReadonlyArray<Check> => {
  switch (failure?._tag) {
    case undefined:
      return [
        ok("relay-key", "is the one that was pinned"),
        ok("handshake", "both sides agree on keys"),
        ok("version", "both sides speak the same")
      ]
    case "RelayKeyMismatch":
      return refusedAt(
        0,
        failed(
          "relay-key",
          `another relay answers: expected ${failure.expected}, got ${failure.got}`,
          "If its operator says that the key changed, use the new address. Otherwise someone may be in between: do not."
        )
      )
    case "ChannelFailed":
      return failure.reason === "version"
        ? refusedAt(2, failed("version", failure.message, "Update whichever side is older."))
        : refusedAt(
          1,
          failed("handshake", failure.message, "Try from another network; a proxy may change the traffic.")
        )
    case "ConnectionClosed":
    case "RelayUnreachable":
      return refusedAt(
        1,
        failed(
          "handshake",
          failure.message,
          "Something answers there that is not a relay, or closes at once: look at its logs."
        )
      )
  }
}

/** What a look-up and a TCP connection came to; the first that failed stops the others. */
export const reached = (host: string, port: number, facts: {
  readonly addresses: ReadonlyArray<string> | string
  readonly connected: number | string | null
}): ReadonlyArray<Check> => {
  if (typeof facts.addresses === "string") {
    return [
      failed(
        "name",
        `${host} is not known (${facts.addresses})`,
        "Check the relay's address, and this machine's network."
      ),
      skipped("port", "needs name")
    ]
  }
  const name = ok("name", `${host} is ${facts.addresses.slice(0, 3).join(", ")}`)
  return typeof facts.connected === "number"
    ? [name, ok("port", `${port} answers in ${facts.connected} ms`)]
    : [
      name,
      failed(
        "port",
        `no answer at port ${port} (${facts.connected ?? "not tried"})`,
        "The relay is down, or a firewall is in the way. What you wrote is saved here and goes out later."
      )
    ]
}

/** How far two clocks may be apart before it is worth a word. */
const CLOCK_NOTICED_MILLIS = 30_000

/** `skewMillis`: this device's clock less the relay's; positive when this one is ahead. */
export const clock = (skewMillis: number): Check => {
  const apart = Math.abs(skewMillis)
  const words = `this device's clock is ${Math.round(apart / 1000)} s ${
    skewMillis >= 0 ? "ahead of" : "behind"
  } the relay's`
  const next = "Set this machine's clock by the network, or ask the relay's operator about theirs."
  if (apart >= Limit.clockAheadMillisMax) {
    return failed("clock", `${words}: entries dated more than 10 minutes ahead are set aside by other devices`, next)
  }
  return apart >= CLOCK_NOTICED_MILLIS ? warning("clock", words, next) : ok("clock", "agrees with the relay's")
}

/** What attaching to the space's route came to. */
export const route = (refusal: RelayError | CallError | undefined, received: number): Check => {
  if (refusal === undefined) return ok("route", "the relay knows this space and lets this device in")
  if (refusal._tag === "UnknownRoute") {
    return failed(
      "route",
      received > 0 ? "the relay no longer knows this space: it was reset" : "the relay does not know this space",
      "Nothing is lost: the next `sotto push` or `sotto pull` opens it there again and sends everything that is here."
    )
  }
  if (refusal._tag === "Unauthorized" || refusal._tag === "DeviceRevoked") {
    return failed(
      "access",
      "the relay does not accept this device's epoch key: it may have been removed",
      "Ask another device of the space (`sotto devices` there). If it is still a member, `sotto pull` fetches the new key."
    )
  }
  return failed("route", refusal.message, "Try again later; `sotto status` shows when it works.")
}

const MEGABYTE = 1024 * 1024
const QUOTA_NOTICED = 0.9

export const quota = ({ quotaBytes, usedBytes }: Pick<GrantedLimits, "quotaBytes" | "usedBytes">): Check => {
  const words = `${(usedBytes / MEGABYTE).toFixed(1)} of ${(quotaBytes / MEGABYTE).toFixed(1)} MB used at the relay`
  const next = "Ask the relay's operator to raise the quota. What does not fit waits on this device."
  if (usedBytes >= quotaBytes) return failed("quota", words, next)
  return usedBytes >= quotaBytes * QUOTA_NOTICED ? warning("quota", words, next) : ok("quota", words)
}

// -- what this device has noted ------------------------------------------------------------------------------------------

/** `failure`: why what waits was refused, if the relay said so. */
export const outbox = (pending: number, failure: { readonly tag: string; readonly message: string } | null): Check => {
  if (pending === 0) return ok("outbox", "nothing waits to be sent")
  if (failure === null) return warning("outbox", `${pending} saved here, not yet at a relay`, null)
  return failed(failure.tag === "QuotaExceeded" ? "quota" : "outbox", `${pending} wait here: ${failure.message}`, null)
}

export const evidence = (caught: ReadonlyArray<Pick<RelayMisbehaved, "evidence">>): Check => {
  const last = caught[caught.length - 1]
  return last === undefined
    ? ok("evidence", "no relay was caught contradicting itself")
    : failed(
      "evidence",
      `a relay contradicted itself ${
        caught.length === 1 ? "once" : `${caught.length} times`
      } (last: ${last.evidence.reason})`,
      "Use another relay and keep this directory: the signed evidence is in it. A relay restored from a backup looks the same."
    )
}

export const quarantine = (aside: ReadonlyArray<{ readonly reason: string; readonly waiting: boolean }>): Check => {
  const reasonsOf = (waiting: boolean) =>
    [...new Set(aside.filter((one) => one.waiting === waiting).map(({ reason }) => reason))].sort().join(", ")
  const waiting = reasonsOf(true), final = reasonsOf(false)
  if (final !== "") {
    return warning(
      "quarantine",
      `envelopes were set aside for good (${final})`,
      "They change nothing here. If a device of yours wrote them, update it; if none did, someone holds a key of this space."
    )
  }
  return waiting === ""
    ? ok("quarantine", "nothing is set aside")
    : warning(
      "quarantine",
      `envelopes wait for something that is not here yet (${waiting})`,
      "They heal by themselves."
    )
}

// -- in all --------------------------------------------------------------------------------------------------------------

/** What the checks come to. */
export const conclude = (checks: ReadonlyArray<Check>): Diagnosis => {
  const cause = checks.find(({ result }) => result === "failed")
  const warnings = checks.filter(({ result }) => result === "warning").length
  if (cause !== undefined) {
    return { type: "diagnosis", healthy: false, cause: cause.name, message: `Cause: ${cause.name}. ${cause.detail}.` }
  }
  return {
    type: "diagnosis",
    healthy: true,
    cause: null,
    message: warnings === 0 ? "All is well." : `It works; ${warnings} to look at.`
  }
}
