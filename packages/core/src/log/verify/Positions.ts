/**
 * What is noted of the relays' logs: at each relay the running chain over the names comes out anew as it was noted, and it
 * is what the relay's saved head says (protocol.md §2).
 *
 * Places are left out where the relay had nothing any more, and where this device was compared with the relay instead of
 * reading its log. Above them the chain is that of a head which is not kept, so the walk takes what was noted first after
 * them for granted.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Position } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { StoreFailed } from "../../Store.ts"
import * as Evidence from "../Evidence.ts"
import * as Ledger from "../Ledger.ts"
import { keyOf, readAhead } from "./Ahead.ts"
import { each, type Look, type LookRelay } from "./Look.ts"

/** A walk through what is noted of one relay. */
class Walk {
  readonly look: Look
  readonly relay: LookRelay
  position = 0
  /** Whether no place was left out. */
  complete = true
  /** Null while it is not known. */
  chain: Uint8Array | null = Evidence.runningStart.chain

  constructor(look: Look, relay: LookRelay) {
    this.look = look
    this.relay = relay
  }

  get where(): string {
    return this.relay.row.address.url
  }

  step(position: Position, { chain, id }: Ledger.PlacedRow): void {
    const { crypto, findings } = this.look
    const { mark } = this.relay
    const where = `${this.where}, position ${position}`
    if (position > mark.cursor) findings.add("log", where, `it was received up to ${mark.cursor} only`)
    const isNext = position === this.position + 1
    this.complete &&= isNext
    const expected = this.chain === null || !isNext
      ? chain
      : Evidence.advance(crypto, { ...Evidence.runningStart, chain: this.chain }, [id]).chain
    if (expected !== null && (chain === null || !Bytes.equals(chain, expected))) {
      findings.add("log", where, "the running chain that was noted does not come out")
    }
    this.position = position
    this.chain = chain
    this.meet(where, position, chain)
  }

  /** The saved head, where it speaks of a place that is noted. */
  private meet(where: string, position: Position, chain: Uint8Array | null): void {
    const { findings } = this.look
    const body = this.relay.mark.head?.body
    if (body?.position === position && chain !== null && !Bytes.equals(body.chain, chain)) {
      findings.add("log", where, "the running chain is not the one of the head that the relay signed")
    }
  }

  /** Holds the end against the relay's mark. */
  close(): void {
    const { findings, unsent } = this.look
    const { mark, number } = this.relay
    const isRead = this.complete && this.position === mark.cursor && (mark.head?.body.position ?? 0) <= mark.cursor
    if (isRead) unsent.convict(number, this.where, findings)
    const isSame = mark.chain !== null && this.chain !== null && Bytes.equals(mark.chain, this.chain)
    if (mark.cursor === this.position && this.chain !== null && !isSame) {
      findings.add("log", this.where, "the running chain is not the one where its cursor stands")
    }
    this.verifyHead()
  }

  /** The saved head is the relay's own. */
  private verifyHead(): void {
    const { crypto, findings, state } = this.look
    const { mark, row } = this.relay
    if (mark.head === null || row.keys === null) return
    const subject = {
      relay: row.address.key,
      route: state.keys.routeId(row.address.key),
      signing: row.keys.signing
    }
    const verified = Evidence.check(crypto, subject, { previous: null, next: mark.head, running: null })
    if (Result.isFailure(verified)) {
      findings.add("log", this.where, `the saved head is not the relay's: ${verified.failure.evidence.reason}`)
    }
  }
}

/** Looks at every position of every relay in use. Answers how many there were. */
export const check = Effect.fnUntraced(function*(look: Look): Effect.fn.Return<number, StoreFailed> {
  const walks = new Map([...look.relays].map(([number, relay]) => [number, new Walk(look, relay)] as const))
  let positions = 0
  yield* each(
    look,
    Ledger.placed,
    Effect.fnUntraced(function*(rows) {
      const near = { ...look, store: yield* namesAhead(look, rows) }
      for (const { key: { position, relay }, row } of rows) {
        const walk = walks.get(relay)
        // What is left of a relay that is not in use is swept away in the background.
        if (walk === undefined) continue
        positions++
        walk.step(position, row)
        yield* checkName(near, walk, position, row)
      }
    })
  )
  for (const walk of walks.values()) walk.close()
  return positions
})

/** The store, with what the names at these positions lead to read ahead. */
const namesAhead = Effect.fnUntraced(function*(
  { seen, store }: Look,
  rows: ReadonlyArray<{ readonly key: Ledger.Place; readonly row: Ledger.PlacedRow }>
) {
  const near = yield* readAhead(store, rows.map(({ row: { id } }) => keyOf(Ledger.known.remove(id))))
  const places: Array<Uint8Array> = []
  for (const { key: { relay }, row: { id } } of rows) {
    const known = yield* Effect.orElseSucceed(Ledger.known.get(near, id), () => undefined)
    if (known?._tag !== "Accepted" || seen.originOf(known.ordinal) === relay) continue
    places.push(keyOf(Ledger.place.remove(known.ordinal)))
  }
  return yield* readAhead(near, places)
})

/** An accepted entry that stands there is noted to stand there. Names that lead nowhere are copies of other entries. */
const checkName = Effect.fnUntraced(function*(
  { findings, seen, store }: Look,
  { relay: { number, row: { address } } }: Walk,
  position: Position,
  { id }: Ledger.PlacedRow
) {
  const known = yield* Effect.orElseSucceed(Ledger.known.get(store, id), () => undefined)
  if (known?._tag !== "Accepted" || seen.originOf(known.ordinal) === number) return
  const places = yield* Effect.orElseSucceed(Ledger.place.get(store, known.ordinal), () => undefined)
  if (places?.some(({ relay }) => relay === number) === true) return
  findings.add("index", `${address.url}, position ${position}`, `entry ${known.ordinal} is there and does not say so`)
})
