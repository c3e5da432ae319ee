/**
 * Queued operations into signed, sealed entries (protocol.md §4): as few as fit, one chain per lane, one signature for
 * all that a flush puts into a lane.
 *
 * 1. A transaction stays in one entry, or is refused whole; those of a lane keep their order.
 * 2. An operation on an item that the same flush wrote before goes into a later entry and names the earlier one as its
 *    parent: nothing is lost between two writes of one flush.
 * 3. The last entry of a lane is signed. So is one that had to be closed early because another lane names it.
 * 4. `chains` come back moved on: store them in one commit with the envelopes, or neither.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import type { Head } from "@sotto/schema/Head"
import * as Hlc from "@sotto/schema/Hlc"
import { EntryHash, type EnvelopeId, type Lane, Seq } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"
import { type DeviceIdentity, sign } from "../Device.ts"
import * as EntryBytes from "../internal/entryBytes.ts"
import type { EpochKeys } from "../space/Keys.ts"
import { currentEpoch, type SpaceState } from "../space/SpaceState.ts"
import * as Chain from "./Chain.ts"
import * as Sealing from "./Sealing.ts"

type CryptoService = Crypto["Service"]

/** Operations that apply together or not at all. */
export type Transaction = ReadonlyArray<Op>

/** An envelope ready to be stored and pushed. */
export interface SealedEntry {
  readonly id: EnvelopeId
  readonly bytes: Uint8Array
  readonly lane: Lane
  readonly seq: Seq
  readonly hash: EntryHash
  readonly hlc: Hlc.Hlc
  /** Otherwise the next signed entry of its lane covers it. The last of a lane is signed. */
  readonly signed: boolean
  readonly ops: ReadonlyArray<Op>
  /** For each operation, the place of its transaction in the input. */
  readonly transactions: ReadonlyArray<number>
}

/** A transaction that can't be one entry. Nothing of the batch was made. */
export class TransactionRefused extends Schema.TaggedError<TransactionRefused>()("TransactionRefused", {
  reason: Schema.Literals(["empty", "too-many-ops", "too-large", "item-twice"]),
  /** Its place in the batch. */
  index: Schema.Int,
  sizeBytes: Schema.Int,
  maxBytes: Schema.Int
}) {
  override get message() {
    const what = {
      empty: "it has no operations",
      "too-many-ops": `it has more than ${Limit.opsMax} operations`,
      "too-large": `it takes ${this.sizeBytes} bytes, and ${this.maxBytes} fit`,
      "item-twice": "it writes one item twice"
    }[this.reason]
    return `A transaction was refused: ${what}. Nothing of it was written; split it, or store large values as content.`
  }
}

export interface BatchInput {
  readonly crypto: CryptoService
  readonly state: SpaceState
  readonly author: DeviceIdentity
  readonly transactions: ReadonlyArray<Transaction>
  readonly chains: Chain.Chains
  /** The last reading of this device's clock, from its own entries and all that it accepted. */
  readonly clock: Hlc.Hlc
  readonly nowMillis: number
  /** The newest head seen from a relay; goes into the first entry. */
  readonly lastHead: Head | null
  /** What the relays grant, when it is less than the protocol allows. */
  readonly envelopeBytesMax?: number
}

export interface BatchOutput {
  /** In the order in which they have to be pushed. */
  readonly entries: ReadonlyArray<SealedEntry>
  readonly chains: Chain.Chains
  readonly clock: Hlc.Hlc
}

/** Makes the entries of a flush. The author is this device; its role is the caller's to check. */
export const build = (input: BatchInput): Result.Result<BatchOutput, TransactionRefused> => {
  const writer = new Writer(input)
  for (let index = 0; index < input.transactions.length; index++) {
    const refused = writer.add(input.transactions[index] ?? [], index)
    if (refused !== undefined) return Result.fail(refused)
  }
  return Result.succeed(writer.finish())
}

/** Room for everything in an entry but its operations and head: device, seq, prev, clock, counts and signature. */
const FIELDS_BYTES = 1 + 34 + 9 + 34 + 13 + 3 + EntryBytes.SIGNED_BYTES
/** A head: relay, route, position, chain, lowest, time and signature. */
const HEAD_BYTES = 2 + 34 + 34 + 9 + 34 + 9 + 9 + 66
const EMPTY_BYTES = FIELDS_BYTES + HEAD_BYTES

interface Draft {
  readonly lane: Lane
  readonly kind: Envelope.Kind
  /** The one collection of its operations; undefined in lane zero. */
  readonly collection: string | undefined
  readonly ops: Array<Op>
  readonly encoded: Array<Uint8Array>
  readonly transactions: Array<number>
  sizeBytes: number
  /** Its name, once it is sealed. */
  hash: EntryHash | undefined
}

/** The items of a transaction's operations; undefined for an append, which is an item of its own. */
type Items = ReadonlyArray<string | undefined>

/** A transaction that has its place. */
interface Taken {
  readonly ops: ReadonlyArray<Op>
  readonly encoded: ReadonlyArray<Uint8Array>
  readonly items: Items
  readonly sizeBytes: number
  readonly index: number
}

const itemKey = ({ collection, key }: Op): string => `${collection.length}:${collection}${key}`

/** Where an item of this flush was written last. */
interface Write {
  readonly draft: Draft
  readonly op: Op
}

/** One flush under construction. Owned by `build`; nothing of it escapes before `finish`. */
class Writer {
  readonly input: BatchInput
  readonly epoch: EpochKeys
  readonly plaintextMax: number
  readonly draftByLane = new Map<string, Draft>()
  readonly writeByItem = new Map<string, Write>()
  readonly entries: Array<SealedEntry> = []
  chains: Chain.Chains
  clock: Hlc.Hlc

  constructor(input: BatchInput) {
    this.input = input
    this.epoch = currentEpoch(input.state)
    this.chains = input.chains
    this.clock = input.clock
    const bytesMax = Math.min(input.envelopeBytesMax ?? Limit.envelopeBytesMax, Limit.envelopeBytesMax)
    this.plaintextMax = Sealing.plaintextBytesMax(bytesMax)
  }

  /** Takes a transaction up, or says why not. */
  add(transaction: Transaction, index: number): TransactionRefused | undefined {
    const items = transaction.map((op) => op.key === "" ? undefined : itemKey(op))
    const refused = this.#refusal(transaction, items, index)
    if (refused !== undefined) return refused
    const lane = Sealing.laneOf(this.input.state, { ops: transaction })
    for (const item of items) this.#settle(item, lane)
    const ops: Array<Op> = []
    const encoded: Array<Uint8Array> = []
    let sizeBytes = 0
    for (let i = 0; i < transaction.length; i++) {
      const op = transaction[i]
      if (op === undefined) continue
      const linked = this.#withParent(op, items[i])
      const bytes = EntryBytes.opCodec.encode(linked)
      ops.push(linked)
      encoded.push(bytes)
      sizeBytes += bytes.length
    }
    if (EMPTY_BYTES + sizeBytes > this.plaintextMax) return this.#refuse("too-large", index, EMPTY_BYTES + sizeBytes)
    this.#take(this.#draftFor(lane, ops, sizeBytes), { ops, encoded, items, sizeBytes, index })
    return undefined
  }

  #take(draft: Draft, { encoded, index, items, ops, sizeBytes }: Taken): void {
    draft.sizeBytes += sizeBytes
    for (let i = 0; i < ops.length; i++) {
      const [op, bytes, item] = [ops[i], encoded[i], items[i]]
      if (op === undefined || bytes === undefined) continue
      draft.ops.push(op)
      draft.encoded.push(bytes)
      draft.transactions.push(index)
      if (item !== undefined) this.writeByItem.set(item, { draft, op })
    }
  }

  /** Closes what is open and gives the flush away. */
  finish(): BatchOutput {
    for (const draft of this.draftByLane.values()) this.#close(draft, true)
    return { entries: this.entries, chains: this.chains, clock: this.clock }
  }

  #refuse(reason: TransactionRefused["reason"], index: number, sizeBytes = 0): TransactionRefused {
    return new TransactionRefused({ reason, index, sizeBytes, maxBytes: this.plaintextMax })
  }

  #refusal(transaction: Transaction, items: Items, index: number): TransactionRefused | undefined {
    if (transaction.length === 0) return this.#refuse("empty", index)
    if (transaction.length > Limit.opsMax) return this.#refuse("too-many-ops", index)
    const maxBytes = Limit.inlineValueBytesMax
    for (const { action } of transaction) {
      const sizeBytes = action._tag === "Put" ? action.value.length : 0
      if (sizeBytes > maxBytes) return new TransactionRefused({ reason: "too-large", index, sizeBytes, maxBytes })
    }
    if (transaction.length === 1) return undefined
    const named = items.filter((item) => item !== undefined)
    return new Set(named).size === named.length ? undefined : this.#refuse("item-twice", index)
  }

  /** Makes sure that the entry which wrote this item, if one did, has its name. `lane` is where the next one goes. */
  #settle(item: string | undefined, lane: Lane): void {
    const draft = item === undefined ? undefined : this.writeByItem.get(item)?.draft
    if (draft !== undefined && draft.hash === undefined) this.#close(draft, !Bytes.equals(draft.lane, lane))
  }

  /** An operation on an item that this flush wrote supersedes that write and all that it superseded. */
  #withParent(op: Op, item: string | undefined): Op {
    const before = item === undefined ? undefined : this.writeByItem.get(item)
    const hash = before?.draft.hash
    if (before === undefined || hash === undefined) return op
    const others = op.parents.filter((parent) =>
      !Bytes.equals(parent, hash) && !before.op.parents.some((other) => Bytes.equals(other, parent))
    )
    return { ...op, parents: [hash, ...others].slice(0, Limit.parentsMax) }
  }

  /** The draft of a lane, with room for these operations. */
  #draftFor(lane: Lane, ops: ReadonlyArray<Op>, sizeBytes: number): Draft {
    const first = ops[0]
    const kind = first?.action._tag === "Control" ? Envelope.KIND.control : Envelope.KIND.data
    const key = Bytes.toHex(lane)
    // Two collections in one lane by the accident of a hash do not go together: their entry's lane would be zero.
    const collection = first === undefined || Bytes.isZero(lane) ? undefined : first.collection
    const open = this.draftByLane.get(key)
    if (open !== undefined) {
      const fits = open.kind === kind && open.collection === collection &&
        open.ops.length + ops.length <= Limit.opsMax && open.sizeBytes + sizeBytes <= this.plaintextMax
      if (fits) return open
      this.#close(open, false)
    }
    const draft: Draft = {
      lane,
      kind,
      collection,
      ops: [],
      encoded: [],
      transactions: [],
      sizeBytes: EMPTY_BYTES,
      hash: undefined
    }
    this.draftByLane.set(key, draft)
    return draft
  }

  /** Seals a draft. Unsigned only when another entry of its lane follows in this flush. */
  #close(draft: Draft, signed: boolean): void {
    const { author, crypto, lastHead, nowMillis, state } = this.input
    const { keys } = state
    const { kind, lane, ops, transactions } = draft
    const head = Chain.headOf(this.chains, author.id, lane)
    const seq = Seq.make((head?.seq ?? 0) + 1)
    this.clock = Hlc.tick(this.clock, nowMillis)
    const headerBytes = Envelope.encodeHeader({ suite: keys.suite, kind, epoch: this.epoch.epoch, lane })
    const fields = {
      device: author.id,
      seq,
      prev: head?.hash ?? NO_HASH,
      hlc: this.clock,
      lastHead: this.entries.length === 0 ? lastHead : null
    }
    const unsigned = EntryBytes.assemble(fields, draft.encoded)
    const hash = Sealing.entryHash(crypto, keys, headerBytes, unsigned)
    const signature = signed ? sign(crypto, author, Sealing.signedBytes(keys, hash)) : null
    const plaintext = EntryBytes.withSignature(unsigned, signature)
    const { bytes, id } = Sealing.seal(crypto, {
      keys,
      epoch: this.epoch,
      headerBytes,
      plaintext,
      random32: crypto.random(32)
    })
    draft.hash = hash
    this.draftByLane.delete(Bytes.toHex(lane))
    this.chains = Chain.extend(this.chains, author.id, lane, [hash])
    this.entries.push({ id, bytes, lane, seq, hash, hlc: this.clock, signed, ops, transactions })
  }
}

/** What a chain's first entry names as the one before it. */
const NO_HASH = EntryHash.make(new Uint8Array(32))
