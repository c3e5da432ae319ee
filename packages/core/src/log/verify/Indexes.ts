/** The rows that lead to others: names, outboxes, places, and what is set aside. Each leads to something that agrees. */
import * as Bytes from "@sotto/schema/Bytes"
import type { EnvelopeId } from "@sotto/schema/Id"
import { toText } from "@sotto/schema/Text"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { StoreFailed } from "../../Store.ts"
import { evidenceCodec, verifyHead } from "../Evidence.ts"
import * as Ledger from "../Ledger.ts"
import { envelopeId } from "../Sealing.ts"
import { entryText } from "./Findings.ts"
import { each, type Look } from "./Look.ts"

const envelopeText = (id: EnvelopeId): string => `envelope ${toText("EnvelopeId", id)}`

/** Every row that leads somewhere. Answers how many entries wait in outboxes, and how many envelopes are set aside. */
export const check = Effect.fnUntraced(function*(look: Look): Effect.fn.Return<Indexed, StoreFailed> {
  yield* each(
    look,
    Ledger.known,
    (rows) => Effect.forEach(rows, ({ key, row }) => checkKnown(look, key, row), { discard: true })
  )
  yield* each(look, Ledger.place, (rows) =>
    Effect.sync(() => {
      for (const { key } of rows) {
        if (look.seen.originOf(key) === undefined) {
          look.findings.add("index", entryText(key), "it has places, and is not there")
        }
      }
    }))
  const unsent = yield* checkOutbox(look)
  const waiting = yield* checkAside(look, Ledger.waiting, "Waiting")
  const refused = yield* checkAside(look, Ledger.refused, "Refused")
  yield* each(look, Ledger.deferred, () => Effect.void)
  yield* checkWitnesses(look)
  yield* checkEvidence(look)
  return { unsent, waiting, refused }
})

/** Heads that this device has not reached are of a relay in use, and signed by it. */
const checkWitnesses = (look: Look) =>
  each(look, Ledger.witness, (rows) =>
    Effect.sync(() => {
      const { crypto, findings, relays, state } = look
      for (const { key: number, row: heads } of rows) {
        const row = relays.get(number)?.row
        if (row === undefined) {
          findings.add("index", `relay ${number}`, "heads of it are kept, and it is not there")
          continue
        }
        const { address: { key: relay, url }, keys } = row
        const subject = keys === null ? undefined : { relay, route: state.keys.routeId(relay), signing: keys.signing }
        const isSound = subject !== undefined &&
          heads.every((head) => Result.isSuccess(verifyHead(crypto, subject, head)))
        if (!isSound) findings.add("log", url, "a head of it that is kept was not signed by it")
      }
    }))

export interface Indexed {
  readonly unsent: number
  readonly waiting: number
  readonly refused: number
}

/** A name leads to what it says. */
const checkKnown = Effect.fnUntraced(
  function*({ findings, seen, store }: Look, id: EnvelopeId, known: Ledger.KnownRow) {
    const where = envelopeText(id)
    switch (known._tag) {
      case "Accepted": {
        if (seen.isNamed(known.ordinal, id)) return
        const found = seen.originOf(known.ordinal) === undefined ? "which is not there" : "which is another one"
        return findings.add("index", where, `it is said to be entry ${known.ordinal}, ${found}`)
      }
      case "Waiting":
      case "Refused": {
        const table = known._tag === "Waiting" ? Ledger.waiting : Ledger.refused
        const row = yield* Effect.result(table.get(store, id))
        if (Result.isSuccess(row) && row.success === undefined) {
          findings.add("index", where, `it is said to be set aside (${known._tag}), and is not there`)
        }
      }
    }
  }
)

/** What is to be sent is there, and is to be sent to a relay in use. */
const checkOutbox = Effect.fnUntraced(function*({ findings, relays, seen, ...look }: Look) {
  let unsent = 0
  yield* each({ ...look, findings }, Ledger.outbox, (rows) =>
    Effect.sync(() => {
      for (const { key: { ordinal, relay }, row: id } of rows) {
        unsent++
        if (!relays.has(relay)) {
          findings.add("index", entryText(ordinal, id), `it is to be sent to relay ${relay}, which is not in use`)
        } else if (!seen.isNamed(ordinal, id)) {
          findings.add("index", entryText(ordinal, id), "it is to be sent, and is not there under this name")
        }
      }
    }))
  return unsent
})

/** What is set aside is known to be, and is what its name says. */
const checkAside = Effect.fnUntraced(function*(look: Look, table: typeof Ledger.waiting, tag: "Waiting" | "Refused") {
  const { crypto, findings, store } = look
  let count = 0
  yield* each(
    look,
    table,
    Effect.fnUntraced(function*(rows) {
      for (const { key: id, row: { envelope } } of rows) {
        count++
        const known = yield* Effect.result(Ledger.known.get(store, id))
        if (Result.isSuccess(known) && known.success?._tag !== tag) {
          findings.add("index", envelopeText(id), `it is set aside (${tag}), and its name does not say so`)
        }
        if (envelope.length > 0 && !Bytes.equals(envelopeId(crypto, envelope), id)) {
          findings.add("index", envelopeText(id), "it is set aside under another name than its own")
        }
      }
    }),
    "envelopes"
  )
  return count
})

/** Evidence reads, and is there for every relay that was caught. */
const checkEvidence = Effect.fnUntraced(function*(look: Look) {
  const { findings, meta, relays } = look
  const numbers = new Set<number>()
  yield* each(look, Ledger.evidence, (rows) =>
    Effect.sync(() => {
      for (const { key, row } of rows) {
        numbers.add(key)
        if (Result.isFailure(evidenceCodec.decode(row))) findings.add("row", `evidence ${key}`, "it does not read")
        if (key > meta.evidence) findings.add("counter", `evidence ${key}`, `the last one given is ${meta.evidence}`)
      }
    }))
  for (const { row: { address, misbehaved } } of relays.values()) {
    if (misbehaved !== 0 && !numbers.has(misbehaved)) {
      findings.add("index", address.url, `it was caught, and the evidence ${misbehaved} is not there`)
    }
  }
})
