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
import { keyOf, readAhead } from "./Ahead.ts"
import { Chains } from "./Chains.ts"
import { entryText, type Kind } from "./Findings.ts"
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
    const entries = yield* placed(look, rows.flatMap(({ key, row }) => open(look, key, row)))
    const store = yield* readAhead(look.store, entries.flatMap((entry) => keysOf(look, entry)))
    const near = { ...look, store }
    for (const entry of entries) {
      yield* checkIndex(near, entry)
      yield* checkPlaces(near, entry)
      yield* checkSent(near, entry)
      checkAuthor(near, entry)
    }
    signatures += yield* checkSignatures(look, chains, entries)
  })
  yield* each(look, Ledger.entry, take, "envelopes")
  return { chains: yield* chains.close, signatures }
})

/** An entry that opens. One that does not is named. */
const open = (
  { crypto, findings, meta, seen, state }: Look,
  ordinal: Ordinal,
  row: Ledger.EntryRow
): ReadonlyArray<Omit<Entry, "places">> => {
  if (ordinal > meta.ordinal) findings.add("counter", entryText(ordinal), `the last one given is ${meta.ordinal}`)
  const opened = Sealing.open(crypto, state, row.envelope)
  const id = Result.isSuccess(opened) ? opened.success.id : Sealing.envelopeId(crypto, row.envelope)
  seen.add(ordinal, id, row.relay)
  if (Result.isSuccess(opened)) return [{ ordinal, row, opened: opened.success }]
  findings.add("entry", entryText(ordinal), `it does not open: ${opened.failure.reason}`)
  return []
}

/** Entries with their places. */
const placed = Effect.fnUntraced(function*({ store }: Look, entries: ReadonlyArray<Omit<Entry, "places">>) {
  const near = yield* readAhead(store, entries.map(({ ordinal }) => keyOf(Ledger.place.remove(ordinal))))
  const found: Array<Entry> = []
  for (const entry of entries) {
    const places = yield* Effect.orElseSucceed(Ledger.place.get(near, entry.ordinal), () => undefined)
    found.push({ ...entry, places: places ?? [] })
  }
  return found
})

/** Keys of the rows that an entry is held against. */
const keysOf = ({ relays }: Look, entry: Entry): ReadonlyArray<Uint8Array> => {
  const { opened: { id }, ordinal, row } = entry
  const lacking = row.relay === 0 ? [...relays.values()] : []
  return [
    Ledger.known.remove(id),
    ...placesOf(entry).map(({ position, relay }) => Ledger.placed.remove({ relay, position })),
    ...lacking.map(({ number }) => Ledger.outbox.remove({ relay: number, ordinal }))
  ].map(keyOf)
}

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

/** At every relay that is said to have it, nothing else is noted there. What came by comparing has no such note. */
const checkPlaces = Effect.fnUntraced(function*({ findings, relays, store }: Look, entry: Entry) {
  const { id } = entry.opened
  for (const { position, relay: number } of placesOf(entry)) {
    const relay = relays.get(number)
    const placed = yield* Effect.result(Ledger.placed.get(store, { relay: number, position }))
    const isSound = relay === undefined || Result.isFailure(placed) || placed.success === undefined ||
      Bytes.equals(placed.success.id, id)
    if (isSound) continue
    findings.add(
      "index",
      entryText(entry.ordinal, id),
      `it is said to be at position ${position} of ${relay.row.address.url}, where another one is noted`
    )
  }
})

/** One that no relay brought is at each relay, or on its way there; `Unsent` says when it can not be known. */
const checkSent = Effect.fnUntraced(function*({ findings, relays, store, unsent }: Look, entry: Entry) {
  const { opened, ordinal, row } = entry
  if (row.relay !== 0) return
  const places = placesOf(entry)
  for (const { mark, number, row: { address } } of relays.values()) {
    const isThere = places.some(({ relay }) => relay === number)
    const isOffered = mark.offered < ordinal && ordinal <= mark.offerUntil
    const outbox = yield* Effect.result(Ledger.outbox.get(store, { relay: number, ordinal }))
    if (Result.isFailure(outbox)) continue
    if (outbox.success === undefined) {
      if (!isThere && !isOffered) unsent.suspect(number, entryText(ordinal, opened.id))
    } else if (isThere) {
      findings.add("unsent", entryText(ordinal, opened.id), `it is to be sent to ${address.url}, and is there`)
    }
  }
})

const checkAuthor = ({ findings, meta, own, state }: Look, { opened, ordinal }: Entry): void => {
  const { entry: { device, hlc }, id } = opened
  const add = (kind: Kind, detail: string) => findings.add(kind, entryText(ordinal, id), detail)
  if (Membership.memberOf(state.membership, device) === undefined) {
    add("author", "its author is no member")
  } else if (Cutoff.isAfter(state, own, opened)) add("author", "its author was removed before it")
  if (Hlc.compare(hlc, meta.hlc) > 0) add("counter", "its time is after the device's own clock")
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
