/**
 * From a URL to another device of the space (protocol.md §8): it is dialled, spoken with, and what can go wrong on the way
 * comes to one of two errors. Who answers at the URL is found out by the handshake: an address needs no key.
 *
 * 1. `PeerUnreachable`: later, or from elsewhere, it may come about. `PeerRefused`: trying again comes to the same.
 * 2. What came before the end is durable, and what did not goes on from there the next time.
 */
import { RelayError } from "@sotto/schema/RelayError"
import { isRelayUrl } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChannelFailed } from "./channel/ChannelError.ts"
import type { QuarantineFull } from "./ClientError.ts"
import type { EntropyUnavailable } from "./Crypto.ts"
import type { KeystoreFailed } from "./Keystore.ts"
import type { PeerEnded, PeerReconciled, Peers, PeerWatch } from "./log/Peers.ts"
import * as Reconnect from "./log/Reconnect.ts"
import type { StoreFailed } from "./Store.ts"
import { type Connection, type RelayUnreachable, Transport } from "./Transport.ts"

const UNREACHABLE = {
  address: "is not of the form ws://host:port/ or wss://host:port/. Correct it",
  refused: "takes no connection now. Start `sotto serve` there, or try again when it has fewer",
  timeout: "did not answer. Check that both devices are in one network, and try again",
  network: "could not be reached. Check that both devices are in one network, and try again",
  "hung-up":
    "hung up before it had shown who it is. Check that `sotto serve` runs there; the address of a relay is none " +
    "of a device",
  ended: "ended the connection before both had the same. Connect again",
  silent: "stopped answering. Connect again when it is in reach"
} as const

/** No device was reached, or the connection to it ended. */
export class PeerUnreachable extends Schema.TaggedError<PeerUnreachable>()("PeerUnreachable", {
  url: Schema.String,
  reason: Schema.Literals(["address", "refused", "timeout", "network", "hung-up", "ended", "silent"]),
  detail: Schema.String
}) {
  override get message() {
    return `What is at ${this.url} ${
      UNREACHABLE[this.reason]
    } (${this.detail}). What came is kept, and what you wrote ` +
      "is saved on this device."
  }
}

const REFUSED = {
  "other-space": "It is not a device of this space, or not in Sotto's protocol. Check the address",
  version: "It speaks another version of the protocol. Update whichever is older",
  unknown:
    "It does not know this device as a member. Let it get what the relay has, or connect it with the device that " +
    "let this one in; then try again",
  revoked: "It knows this device as one that was removed from the space. To return, pair again",
  stranger:
    "This device does not know it as a member. Get what the relay has, or connect with the device that let it in; " +
    "then try again",
  removed: "It was removed from the space. To let it in again, pair it",
  itself: "It is this device itself. Give the address of another one",
  misbehaved: "It does not keep to the protocol. If both run a current version, report this with the detail"
} as const

/** The two devices do not speak with each other. */
export class PeerRefused extends Schema.TaggedError<PeerRefused>()("PeerRefused", {
  url: Schema.String,
  reason: Schema.Literals([
    "other-space",
    "version",
    "unknown",
    "revoked",
    "stranger",
    "removed",
    "itself",
    "misbehaved"
  ]),
  detail: Schema.String
}) {
  override get message() {
    return `No sync with the device at ${this.url}. ${REFUSED[this.reason]} (${this.detail}). ` +
      "What was accepted before is kept, and your data is safe."
  }
}

/** Why this device did not get together with another one. */
export type PeerFailed =
  | PeerUnreachable
  | PeerRefused
  | QuarantineFull
  | StoreFailed
  | KeystoreFailed
  | EntropyUnavailable

/** What `follow` tells of its connections, which come one after the other. */
export interface FollowWatch extends PeerWatch {
  /** A connection ended or did not come about; it is tried again after so long. */
  readonly lost?: (error: PeerUnreachable, retryMillis: number) => Effect.Effect<void>
}

/** A URL as a person may give it: the slash after the port may be left out. */
const urlOf = (text: string): string => /^wss?:\/\/[^/]+$/.test(text) ? `${text}/` : text

/** Whether a text is a URL that a device may be reached at. */
export const isPeerUrl = (text: string): boolean => isRelayUrl(urlOf(text))

/** Connects to the device at a URL, and stays until both have what the other had. */
export const sync = (
  peers: Pick<Peers, "sync">,
  url: string
): Effect.Effect<PeerReconciled, PeerFailed, Transport> =>
  Effect.withSpan(line(url, (connection, met) => peers.sync(connection, { met })), "PeerDial.sync")

/**
 * Connects to the device at a URL, and stays connected: again after a while whenever that ends, as with a relay
 * (`Reconnect`). It ends with what trying again would not cure.
 */
export const follow: (
  peers: Pick<Peers, "speak">,
  url: string,
  watch?: FollowWatch
) => Effect.Effect<never, PeerFailed, Transport> = Effect.fn("PeerDial.follow")(function*(peers, url, watch = {}) {
  let failures = 0
  const compared: PeerWatch["compared"] = (moved) =>
    Effect.suspend(() => {
      failures = 0
      return watch.compared?.(moved) ?? Effect.void
    })
  while (true) {
    const error = yield* Effect.flip(line(url, (connection, met) =>
      peers.speak(connection, "initiator", {
        met: (device) => Effect.andThen(met(), watch.met?.(device) ?? Effect.void),
        compared
      })))
    if (error._tag !== "PeerUnreachable" || error.reason === "address") return yield* Effect.fail(error)
    const retryMillis = yield* Reconnect.delayMillis(++failures)
    yield* watch.lost?.(error, retryMillis) ?? Effect.void
    yield* Effect.sleep(retryMillis)
  }
})

/** One connection, from dialling to its end. `met` is to be called when the other side is known. */
const line = <A>(
  text: string,
  use: (connection: Connection, met: () => Effect.Effect<void>) => Effect.Effect<A, PeerEnded>
): Effect.Effect<A, PeerFailed, Transport> =>
  Effect.scoped(Effect.gen(function*() {
    const url = urlOf(text)
    let isMet = false
    const failed = (error: PeerEnded | RelayUnreachable) => failureOf(url, error, isMet)
    const transport = yield* Transport
    const connection = yield* Effect.mapError(transport.connect({ url }), failed)
    const met = () =>
      Effect.sync(() => {
        isMet = true
      })
    return yield* Effect.mapError(use(connection, met), failed)
  }))

type OwnFailed = Exclude<PeerFailed, PeerUnreachable | PeerRefused>

/** This device's own trouble. */
const OWN = new Set<string>(
  ["StoreFailed", "KeystoreFailed", "QuarantineFull", "EntropyUnavailable"] satisfies ReadonlyArray<OwnFailed["_tag"]>
)
const isOwn = (error: PeerEnded | RelayUnreachable): error is OwnFailed => OWN.has(error._tag)

const isRefusal = Schema.is(RelayError)

/** What a failure comes to for people. */
const failureOf = (url: string, error: PeerEnded | RelayUnreachable, isMet: boolean): PeerFailed => {
  if (isOwn(error)) return error
  if (isRefusal(error)) return refusal(url, error)
  switch (error._tag) {
    case "RelayUnreachable":
      return new PeerUnreachable({ url, reason: error.reason, detail: error.detail })
    case "ConnectionClosed":
      return new PeerUnreachable({ url, reason: isMet ? "ended" : "hung-up", detail: error.detail })
    case "PeerSilent":
      return new PeerUnreachable({ url, reason: "silent", detail: `nothing for ${error.millis} ms` })
    case "PeerUnknown":
      return new PeerRefused({ url, reason: error.reason, detail: "as this device knows the space" })
    case "ChannelFailed":
      return channelFailure(url, error)
    case "ReconcileFailed": {
      const detail = `comparing: ${error.reason}`
      return error.isMisconduct
        ? new PeerRefused({ url, reason: "misbehaved", detail })
        : new PeerUnreachable({ url, reason: "ended", detail })
    }
  }
}

/** What it said no with. */
const refusal = (url: string, error: RelayError): PeerRefused => {
  if (error._tag === "Unauthorized") return new PeerRefused({ url, reason: "unknown", detail: error.detail })
  if (error._tag === "DeviceRevoked") {
    return new PeerRefused({ url, reason: "revoked", detail: "as it knows the space" })
  }
  return new PeerRefused({ url, reason: "misbehaved", detail: `it answered with ${error._tag}` })
}

const channelFailure = (url: string, { detail, reason }: ChannelFailed): PeerFailed => {
  switch (reason) {
    case "timeout":
      return new PeerUnreachable({ url, reason: "silent", detail })
    case "handshake":
      return new PeerRefused({ url, reason: "other-space", detail })
    case "version":
      return new PeerRefused({ url, reason: "version", detail })
    case "record":
    case "oversized":
    case "control":
      return new PeerRefused({ url, reason: "misbehaved", detail })
  }
}
