/**
 * What a device shows to its app: the accepted entries, read through the client's own live stream from the first to the
 * last, in each life of the process anew.
 */
import type { ReceivedEntry } from "@sotto/core/Client"
import * as Bytes from "@sotto/schema/Bytes"
import * as ByteText from "@sotto/simulation/ByteText"

/** An operation as text: collection, key and value, which tests make of text only. */
export type OpText = readonly [collection: string, key: string, value: string]

/** An entry as plain data. */
export interface Seen {
  readonly id: string
  readonly ordinal: number
  readonly device: string
  readonly seq: number
  readonly own: boolean
  readonly ops: ReadonlyArray<OpText>
}

// Text that tests write is ASCII; anything else comes out as something that no test wrote.
const opText = ({ action, collection, key }: ReceivedEntry["ops"][number]): OpText => [
  collection,
  key,
  action._tag === "Put" ? ByteText.of(action.value) : `<${action._tag}>`
]

/** An entry as invariants, probes and people see it. */
export const seen = (entry: ReceivedEntry): Seen => ({
  id: Bytes.toHex(entry.id),
  ordinal: entry.ordinal,
  device: Bytes.toHex(entry.device),
  seq: entry.seq,
  own: entry.own,
  ops: entry.ops.map(opText)
})

/** The entries so far, and a digest that does not depend on their order. */
export class View {
  readonly byId = new Map<string, Seen>()
  private readonly sums = [0, 0, 0]
  private lines: ReadonlyArray<string> | undefined
  lastOrdinal = 0

  clear(): void {
    this.byId.clear()
    this.sums.fill(0)
    this.lines = undefined
    this.lastOrdinal = 0
  }

  add(entry: Seen): void {
    this.lastOrdinal = entry.ordinal
    if (this.byId.has(entry.id)) return
    this.byId.set(entry.id, entry)
    this.lines = undefined
    this.sums.forEach((sum, i) => {
      this.sums[i] = (sum + Number.parseInt(entry.id.slice(8 * i, 8 * i + 8), 16)) >>> 0
    })
  }

  get digest(): string {
    return `${this.byId.size}:${this.sums.map((sum) => sum.toString(16)).join("-")}`
  }

  /** One line for each entry, in an order that is the same on all devices. */
  get state(): ReadonlyArray<string> {
    return this.lines ??= [...this.byId.values()].map(lineOf).toSorted()
  }
}

const lineOf = ({ device, id, ops, seq }: Seen): string =>
  `${device.slice(0, 8)} ${String(seq).padStart(5, "0")} ${id.slice(0, 12)} ${
    ops.map(([collection, key, value]) => `${collection}/${key}=${value.slice(0, 40)}`).join(" ")
  }`
