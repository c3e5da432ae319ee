/**
 * What really happened in a run, told by the nodes as they do it: who is who, who meant to write what, what was answered,
 * and what each device shows its app. Invariants hold the one against the other.
 */
import type { Observation } from "@sotto/simulation/Invariant"
import * as Workload from "@sotto/simulation/Workload"
import { isOfItems } from "./items/Names.ts"
import type { OpText } from "./node/View.ts"
import * as Said from "./Said.ts"

/** Something that a device was told to write. */
export interface Written {
  readonly node: string
  readonly op: OpText
  /** `push` answered. */
  acked: boolean
  /** Keys of the relays that have it, as far as its author was told. */
  readonly relays: Set<string>
}

/** An entry, as a device shows it. */
export interface Shown {
  readonly id: string
  readonly ordinal: number
  readonly device: string
  readonly seq: number
  readonly own: boolean
  readonly ops: ReadonlyArray<string>
  readonly lane: string
}

/** What one device shows, since it last began to read from the start. */
export interface Reading {
  readonly node: string
  readonly incarnation: number
  readonly byId: Map<string, Shown>
  readonly idByOp: Map<string, string>
}

/** An operation as the key of maps. */
const keyOf = (op: OpText): string => op.join("\u0000")

/** How an operation about members is shown. */
const CONTROL = "<Control>"

/** Whether nobody was told to write it, as it stands: it is about members, or an item, which devices merge by themselves. */
export const isUntold = (key: string): boolean => key.endsWith(`\u0000${CONTROL}`) || isOfItems(key)

/** The value of an operation's key, short: it begins with its canary. */
export const nameOf = (key: string): string => (key.split("\u0000")[2] ?? "").trimEnd().slice(0, 24)

export class Truth {
  readonly nodeByDevice = new Map<string, string>()
  readonly writtenByOp = new Map<string, Written>()
  readonly readingByNode = new Map<string, Reading>()
  private last: Observation | undefined
  private lastShown: Shown | undefined

  /** Takes an observation in. Invariants may each pass it on: it counts once. */
  hear(observation: Observation): void {
    if (this.last === observation) return
    this.last = observation
    this.lastShown = undefined
    const { data, incarnation, node, what } = observation
    switch (what) {
      case "device":
        this.nodeByDevice.set(Said.text(data, "device"), node)
        return
      case "intent":
        for (const op of Said.ops(data)) {
          this.writtenByOp.set(keyOf(op), { node, op, acked: false, relays: new Set() })
        }
        return
      case "pushed":
        for (const op of Said.ops(data)) {
          this.about(op, (written) => {
            written.acked = true
          })
        }
        return
      case "stored":
        for (const op of Said.ops(data)) this.about(op, ({ relays }) => relays.add(Said.text(data, "relay")))
        return
      case "reading":
        this.readingByNode.set(node, { node, incarnation, byId: new Map(), idByOp: new Map() })
        return
      default:
        return
    }
  }

  /** The entry that an observation shows, which was heard last. */
  shown(observation: Observation): Shown {
    if (this.last !== observation) return shownOf(observation)
    return this.lastShown ??= shownOf(observation)
  }

  private about(op: OpText, change: (written: Written) => void): void {
    const written = this.writtenByOp.get(keyOf(op))
    if (written !== undefined) change(written)
  }
}

/** The truth of a run. */
export const truth = Workload.model(() => new Truth())

/** The lane that an entry is in: its collection, or one of its own when it spans several or is about members. */
const laneOf = (ops: ReadonlyArray<OpText>): string => {
  const [first] = ops
  const isOne = first !== undefined &&
    ops.every(([collection, , value]) => collection === first[0] && value !== CONTROL)
  return isOne ? first[0] : "*"
}

/** An entry that a device showed. */
const shownOf = ({ data }: Observation): Shown => {
  const ops = Said.ops(data)
  return {
    id: Said.text(data, "id"),
    ordinal: Said.number(data, "ordinal"),
    device: Said.text(data, "device"),
    seq: Said.number(data, "seq"),
    own: Said.field(data, "own") === true,
    ops: ops.map(keyOf),
    lane: laneOf(ops)
  }
}
