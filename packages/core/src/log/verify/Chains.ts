/**
 * The chains of the log, walked anew: every entry continues the one before it of its author in its lane, and a signature
 * closes every batch (protocol.md §4). At the end each chain stands where its row says.
 *
 * What was lost at a relay for all devices is a gap that chains go on above (`Chain.Context.truncated`): it is counted, and
 * a problem only on a device whose relays never lost anything.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId, EntryHash, EnvelopeId, Lane } from "@sotto/schema/Id"
import { toText } from "@sotto/schema/Text"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { StoreFailed } from "../../Store.ts"
import * as Chain from "../Chain.ts"
import * as ChainLink from "../ChainLink.ts"
import type { Ordinal } from "../Cursor.ts"
import * as Ledger from "../Ledger.ts"
import type { OpenedEnvelope } from "../Sealing.ts"
import { entryText } from "./Findings.ts"
import { each, type Look } from "./Look.ts"

/** Where a chain stands while it is walked. */
interface Walked {
  readonly device: DeviceId
  readonly lane: Lane
  readonly seq: number
  readonly hash: Uint8Array
  /** The last entry, and the first one that no signature has closed yet. */
  readonly last: Named
  readonly unsigned: Named | undefined
}

/** An entry, until it is spoken of. */
interface Named {
  readonly ordinal: Ordinal
  readonly id: EnvelopeId
}

const textOf = ({ id, ordinal }: Named): string => entryText(ordinal, id)

/** What the first entry of a chain continues. */
const ZERO_HASH = new Uint8Array(32)

const chainText = ({ device, lane }: { readonly device: DeviceId; readonly lane: Lane }): string =>
  `chain of ${toText("DeviceId", device)} in lane ${Bytes.toHex(lane)}`

export class Chains {
  readonly look: Look
  readonly walkedByKey = new Map<string, Walked>()
  /** Whether entries may be missing for good, so that chains go on above gaps. */
  readonly mayGap: boolean

  constructor(look: Look) {
    this.look = look
    // A relay's number that is not in use any more may have been one that lost something.
    this.mayGap = look.meta.relays > look.relays.size || [...look.relays.values()].some(({ mark }) => mark.gapped)
  }

  /** The next entry of the log. `signed`: it has a signature, and it holds. */
  step(ordinal: Ordinal, { entry, hash, header, id }: OpenedEnvelope, signed: boolean): void {
    const { device, prev, seq } = entry
    const { lane } = header
    const key = Chain.keyOf(device, lane)
    const before = this.walkedByKey.get(key)
    const last = { ordinal, id }
    this.join(last, before, seq, prev)
    this.walkedByKey.set(key, {
      device,
      lane,
      seq,
      hash,
      last,
      unsigned: signed ? undefined : before?.unsigned ?? last
    })
  }

  /** Whether an entry continues its chain. What is missing before it is counted. */
  private join(entry: Named, before: Walked | undefined, seq: number, prev: EntryHash): void {
    const { findings } = this.look
    const { hash, seq: at } = before ?? { hash: ZERO_HASH, seq: 0 }
    const add = (detail: string) => findings.add("chain", textOf(entry), detail)
    const last = () => before === undefined ? "its beginning" : textOf(before.last)
    if (seq <= at) add(`it has number ${seq}, and ${last()} before it has ${at}`)
    else if (seq > at + 1) {
      findings.gaps++
      if (!this.mayGap) add(`numbers ${at + 1} to ${seq - 1} of its chain are missing before it`)
    } else if (!Bytes.equals(prev, hash)) add(`it continues another entry than ${last()}`)
  }

  /** Holds the ends of the chains against their rows. */
  readonly close: Effect.Effect<number, StoreFailed> = Effect.suspend(() => {
    const { findings } = this.look
    const left = new Map(this.walkedByKey)
    for (const { unsigned } of left.values()) {
      if (unsigned !== undefined) {
        findings.add("signature", textOf(unsigned), "no signature closes it, nor one after it")
      }
    }
    const rows = each(this.look, Ledger.chain, (page) =>
      Effect.sync(() => {
        for (const { key, row } of page) {
          const hex = Chain.keyOf(key.device, key.lane)
          this.compare(key, row, left.get(hex))
          left.delete(hex)
        }
      }))
    return Effect.map(rows, () => {
      for (const walked of left.values()) findings.add("chain", chainText(walked), "its row is missing")
      return this.walkedByKey.size
    })
  })

  private compare(key: Ledger.ChainKey, row: Uint8Array, walked: Walked | undefined): void {
    const { findings } = this.look
    const chain = ChainLink.decode(row)
    if (Result.isFailure(chain)) return findings.add("row", chainText(key), chain.failure.reason)
    const { device, head, lane } = chain.success
    if (Chain.keyOf(device, lane) !== Chain.keyOf(key.device, key.lane)) {
      return findings.add("row", chainText(key), "it is the row of another chain")
    }
    const said = head ?? { seq: 0, hash: ZERO_HASH }
    const found = walked ?? { seq: 0, hash: ZERO_HASH }
    if (said.seq === found.seq && Bytes.equals(said.hash, found.hash)) return
    findings.add(
      "chain",
      chainText(key),
      `its row says number ${said.seq}, and the log has it up to ${found.seq} (${
        walked === undefined ? "none" : textOf(walked.last)
      })`
    )
  }
}
