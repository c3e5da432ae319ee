/**
 * What people pass to each other as text (protocol.md §1, §8): a relay's address and a pairing ticket.
 *
 * ```
 * address = url "#" relay-key                                  wss://relay.example/#rly_…
 * ticket  = "sotto://pair?r=" url "&k=" relay-key "&m=" mailbox "&e=" expiry "#" secret
 * url     = ("ws" / "wss") "://" host [":" port] "/" path
 * ```
 *
 * Both are strict: one text for each value, no user info, no query in the relay's URL, nothing around them.
 */
import * as Result from "effect/Result"
import { Limit } from "./Limit.ts"
import type { PairingTicket, RelayAddress } from "./Pairing.ts"
import { frame, fromText, TextError, toText, unframe } from "./Text.ts"

const URL_TEXT =
  /^wss?:\/\/(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::([1-9][0-9]{0,4}))?(\/[A-Za-z0-9._~/-]*)$/
const TICKET_TEXT = /^sotto:\/\/pair\?r=([^&#]+)&k=([^&#]+)&m=([^&#]+)&e=(0|[1-9][0-9]{0,15})#([^&#]+)$/
const SECRET_PREFIX = "sec"
const SECRET_BYTES = 32

/** Whether a text is a URL that a relay may have: `ws` or `wss`, a lower-case host or address, a port, a plain path. */
export const isRelayUrl = (text: string): boolean => {
  const match = text.length > Limit.relayUrlBytesMax ? null : URL_TEXT.exec(text)
  if (match === null) return false
  const [, port, path = "/"] = match
  return (port === undefined || Number(port) <= 65_535) &&
    !path.split("/").some((part) => part === "." || part === "..")
}

const requireUrl = (url: string): string => {
  if (isRelayUrl(url)) return url
  throw new RangeError("a relay's URL is not of the form ws://host:port/ or wss://host:port/")
}

const refused = (expected: string, reason: TextError["reason"]) => Result.fail(new TextError({ expected, reason }))

/** An address as text. Throws a RangeError when its URL is not a relay's (`isRelayUrl`): a bug. */
export const relayAddressToText = (address: RelayAddress): string =>
  `${requireUrl(address.url)}#${toText("RelayKey", address.key)}`

/** The address of a text. */
export const relayAddressFromText = (text: string): Result.Result<RelayAddress, TextError> => {
  if (text.length > Limit.ticketBytesMax) return refused("RelayAddress", "length")
  const hash = text.indexOf("#")
  const url = hash < 0 ? text : text.slice(0, hash)
  if (!isRelayUrl(url)) return refused("RelayAddress", "url")
  const key = fromText("RelayKey", hash < 0 ? "" : text.slice(hash + 1))
  return Result.isFailure(key) ? refused("RelayAddress", key.failure.reason) : Result.succeed({ url, key: key.success })
}

/** The brackets of an IPv6 address may not stand in a query. */
const toQuery = (url: string): string => url.replace("[", "%5B").replace("]", "%5D")
const fromQuery = (text: string): string => text.replace("%5B", "[").replace("%5D", "]")

/** A ticket as a URL, for a QR code or a link. It holds the secret: show it to nobody but the new device. */
export const pairingTicketToText = (ticket: PairingTicket): string =>
  `sotto://pair?r=${toQuery(requireUrl(ticket.relay.url))}&k=${toText("RelayKey", ticket.relay.key)}` +
  `&m=${toText("MailboxId", ticket.mailbox)}&e=${ticket.expiresMillis}#${frame(SECRET_PREFIX, ticket.secret)}`

const ticketOf = (parts: ReadonlyArray<string>): Result.Result<PairingTicket, TextError> =>
  Result.gen(function*() {
    const [query = "", key = "", mailbox = "", expiry = "", secretText = ""] = parts
    const url = fromQuery(query)
    if (!isRelayUrl(url) || toQuery(url) !== query) return yield* refused("PairingTicket", "url")
    const expiresMillis = Number(expiry)
    if (!Number.isSafeInteger(expiresMillis)) return yield* refused("PairingTicket", "expiry")
    const relay = { url, key: yield* fromText("RelayKey", key) }
    const secret = unframe(SECRET_PREFIX, SECRET_BYTES, secretText)
    if (typeof secret === "string") return yield* refused("PairingTicket", secret)
    return { relay, mailbox: yield* fromText("MailboxId", mailbox), expiresMillis, secret }
  })

/** The ticket of a URL. Whether it has expired is for whoever has a clock. */
export const pairingTicketFromText = (text: string): Result.Result<PairingTicket, TextError> => {
  if (text.length > Limit.ticketBytesMax) return refused("PairingTicket", "length")
  const match = TICKET_TEXT.exec(text)
  return match === null ? refused("PairingTicket", "url") : ticketOf(match.slice(1))
}
