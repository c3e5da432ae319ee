/**
 * The accepted entries, one after the other: each opens, is of a member, is known by its name, and is noted where the
 * relays have it; its signature holds; and its chain goes on with it (`Chains`).
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Hlc from "@sotto/schema/Hlc"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Signed } from "../../Crypto.ts"
import * as Membership from "../../space/Membership.ts"
import type { StoreFailed } from "../../Store.ts"
import type { Ordinal } from "../Cursor.ts"
import * as Cutoff from "../Cutoff.ts"
import * as Ledger from "../Ledger.ts"
import * as Sealing from "../Sealing.ts"
import { Chains } from "./Chains.ts"
import { entryText } from "./Findings.ts"
import { each, type Look } from "./Look.ts"

/** An accepted entry that opened, and where relays are said to have it. */
interface Entry {
  readonly ordinal: Ordinal
  readonly row: Ledger.EntryRow
  readonly places: ReadonlyArray<Ledger.Place>
  readonly opened: Sealing.OpenedEnvelope
}

export interface EntryCounts {
  readonly chains: number
  readonly signatures: number
}

/** Looks at every entry. */
export const check = Effect.fnUntraced(function*(look: Look): Effect.fn.Return<EntryCounts, StoreFailed> {
  const chains = new Chains(look)
  let signatures = 0
  const take = Effect.fnUntraced(function*(
    rows: ReadonlyArray<{ readonly key: Ordinal; readonly row: Ledger.EntryRow }>
  ) {
    const entries: Array<Entry> = []
    for (const { key: ordinal, row } of rows) {
      const entry = yield* open(look, ordinal, row)
      if (entry === undefined) continue
      yield* checkIndex(look, entry)
      yield* checkPlaces(look, entry)
      yield* checkSent(look, entry)
      checkAuthor(look, entry)
      entries.push(entry)
    }
    signatures += yield* checkSignatures(look, chains, entries)
  })
  yield* each(look, Ledger.entry, take, "envelopes")
  return { chains: yield* chains.close, signatures }
})

const open = Effect.fnUntraced(function*(
  { crypto, findings, meta, seen, state, store }: Look,
  ordinal: Ordinal,
  row: Ledger.EntryRow
) {
  if (ordinal > meta.ordinal) findings.add("counter", entryText(ordinal), `the last one given is ${meta.ordinal}`)
  const opened = Sealing.open(crypto, state, row.envelope)
  const id = Result.isSuccess(opened) ? opened.success.id : Sealing.envelopeId(crypto, row.envelope)
  seen.add(ordinal, id, row.relay)
  if (Result.isFailure(opened)) {
    findings.add("entry", entryText(ordinal), `it does not open: ${opened.failure.reason}`)
    return undefined
  }
  const places = yield* Effect.orElseSucceed(Ledger.place.get(store, ordinal), () => undefined)
  const entry: Entry = { ordinal, row, opened: opened.success, places: places ?? [] }
  return entry
})

/** Its name leads to it. */
const checkIndex = Effect.fnUntraced(function*({ findings, store }: Look, { opened: { id }, ordinal }: Entry) {
  const known = yield* Effect.result(Ledger.known.get(store, id))
  // A row that does not read is named by the pass over its table.
  if (Result.isFailure(known) || (known.success?._tag === "Accepted" && known.success.ordinal === ordinal)) return
  const row = known.success
  const leads = row === undefined ? "no row" : row._tag === "Accepted" ? `entry ${row.ordinal}` : `a ${row._tag} one`
  findings.add("index", entryText(ordinal, id), `its name leads to ${leads}`)
})

/** Where it is said to be: at the relay that brought it, and at those that became known later. */
const placesOf = ({ places, row }: Entry): ReadonlyArray<Ledger.Place> =>
  row.relay === 0 ? places : [{ relay: row.relay, position: row.position }, ...places]

/** Every relay that is said to have it has it there. */
const checkPlaces = Effect.fnUntraced(function*({ findings, relays, store }: Look, entry: Entry) {
  const { id } = entry.opened
  for (const { position, relay: number } of placesOf(entry)) {
    const relay = relays.get(number)
    if (relay === undefined || position > relay.mark.cursor) continue
    const placed = yield* Effect.result(Ledger.placed.get(store, { relay: number, position }))
    if (Result.isFailure(placed)) continue
    const isSound = placed.success === undefined ? relay.mark.gapped : Bytes.equals(placed.success.id, id)
    if (isSound) continue
    const found = placed.success === undefined ? "nothing is" : "another one is"
    findings.add(
      "index",
      entryText(entry.ordinal, id),
      `it is said to be at position ${position} of ${relay.row.address.url}, where ${found} noted`
    )
  }
})

/** One of this device's own is at each relay, or on its way there. */
const checkSent = Effect.fnUntraced(function*({ findings, own, relays, store }: Look, entry: Entry) {
  const { opened, ordinal } = entry
  if (!Bytes.equals(opened.entry.device, own)) return
  const places = placesOf(entry)
  for (const { mark, number, row: { address } } of relays.values()) {
    const isThere = places.some(({ relay }) => relay === number)
    const isOffered = mark.offered < ordinal && ordinal <= mark.offerUntil
    const outbox = yield* Effect.result(Ledger.outbox.get(store, { relay: number, ordinal }))
    if (Result.isFailure(outbox)) continue
    const isSent = outbox.success === undefined ? isThere || isOffered : !isThere
    if (isSent) continue
    const detail = isThere ? "is to be sent, and is there" : "is not there, and not to be sent"
    findings.add("unsent", entryText(ordinal, opened.id), `to ${address.url}: it ${detail}`)
  }
})

const checkAuthor = ({ findings, meta, own, state }: Look, { opened, ordinal }: Entry): void => {
  const { entry: { device, hlc }, id } = opened
  const where = entryText(ordinal, id)
  if (Membership.memberOf(state.membership, device) === undefined) {
    findings.add("author", where, "its author is no member")
  } else if (Cutoff.isAfter(state, own, opened)) findings.add("author", where, "its author was removed before it")
  if (Hlc.compare(hlc, meta.hlc) > 0) findings.add("counter", where, "its time is after the device's own clock")
}

/** Checks the signatures of a page in one go, then takes its entries into their chains. Answers how many there were. */
const checkSignatures = Effect.fnUntraced(function*(look: Look, chains: Chains, entries: ReadonlyArray<Entry>) {
  const { crypto, findings, state: { keys, membership } } = look
  const checks: Array<Signed> = []
  const checkByEntry = new Map<Entry, number>()
  for (const entry of entries) {
    const { entry: { device, signature }, hash } = entry.opened
    const author = Membership.memberOf(membership, device)
    if (signature === null || author === undefined) continue
    checkByEntry.set(entry, checks.length)
    checks.push({
      publicKey: author.certificate.body.signing,
      message: Sealing.signedBytes(keys, hash),
      signature
    })
  }
  const results = checks.length === 0 ? [] : yield* crypto.signature.verifyMany(checks)
  for (const entry of entries) {
    const { opened, ordinal } = entry
    const at = checkByEntry.get(entry)
    const holds = at !== undefined && results[at] === true
    if (at !== undefined && !holds) {
      findings.add("signature", entryText(ordinal, opened.id), "its signature does not hold")
    }
    chains.step(ordinal, opened, holds)
  }
  return checks.length
})
