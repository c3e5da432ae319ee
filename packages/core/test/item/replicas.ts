/** Devices that hold the same items, write, hear of each other's entries in any order, and merge. */
import { DeviceId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Collection from "../../src/item/Collection.ts"
import { Author, type ItemEntry, type ItemOp, OpId } from "../../src/item/Item.ts"
import type { ItemStore } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { applyAll, seen } from "./kit.ts"

export type View = Collection.View<Uint8Array>

export class Replica {
  readonly store: ItemStore<never> = MemoryItemStore.make()
  readonly device: DeviceId
  readonly self: Author
  readonly known = new Set<OpId>()
  readonly #crowd: Crowd

  constructor(crowd: Crowd, number: number) {
    this.#crowd = crowd
    this.device = DeviceId.make(new Uint8Array(32).fill(number + 1))
    this.self = Author((number + 1).toString(16).padStart(2, "0").repeat(32))
  }

  view(key = "k"): View {
    return Effect.runSync(Collection.view(this.store, this.#crowd.collection, key, this.self))
  }

  hear(entries: ReadonlyArray<ItemEntry>): void {
    for (const { id } of entries) this.known.add(id)
    applyAll(this.store, entries)
  }

  /** Writes on top of what this device shows. */
  write(value: Uint8Array | undefined): void {
    this.push(
      value === undefined
        ? Collection.remove(this.view())
        : Collection.write(this.#crowd.collection, this.view(), value)
    )
  }

  push(op: ItemOp): void {
    this.hear([this.#crowd.made(this, op)])
  }
}

export class Crowd {
  readonly collection: Collection.Collection<Uint8Array>
  readonly replicas: ReadonlyArray<Replica>
  readonly entries: Array<ItemEntry> = []
  readonly #salt: number
  #millis = 0

  constructor(strategy: Strategy, size: number, salt = 1) {
    this.collection = Collection.make("a", { form: Collection.bytes, merge: strategy })
    this.#salt = salt
    this.replicas = Array.from({ length: size }, (_, number) => new Replica(this, number))
  }

  /** An entry of a replica. Names are in no order that says anything; clocks are, as they are of honest devices. */
  made({ self }: Replica, op: ItemOp): ItemEntry {
    const number = this.entries.length + 1
    const name = Math.imul(number + this.#salt * 7919, 0x9e3779b1) >>> 0
    const entry: ItemEntry = {
      id: OpId(name.toString(16).padStart(8, "0") + number.toString(16).padStart(56, "0")),
      author: self,
      hlc: { millis: ++this.#millis, counter: 0 },
      ops: [op]
    }
    this.entries.push(entry)
    return entry
  }

  at(number: number): Replica {
    const replica = this.replicas[number % this.replicas.length]
    if (replica === undefined) throw new Error("a crowd of nobody")
    return replica
  }

  /** Everybody hears of everything. */
  gather(): void {
    for (const replica of this.replicas) replica.hear(this.entries.filter(({ id }) => !replica.known.has(id)))
  }

  /** Every device that can merges, also those that had better leave it to others. Answers how many did. */
  mergeAll(): number {
    const ops = this.replicas.map((replica) => [replica, replica.view().settle] as const)
    for (const [replica, op] of ops) if (op !== undefined) replica.push(op)
    return ops.filter(([, op]) => op !== undefined).length
  }

  /** Merges and hears in turns until nothing is left to merge; answers in how many rounds. */
  settle(roundsMax = 100): number {
    for (let round = 0; round < roundsMax; round++) {
      this.gather()
      if (this.mergeAll() === 0) return round
    }
    return roundsMax
  }

  /** What each replica has, to be the same. */
  seen() {
    return this.replicas.map(({ store }) => seen(store))
  }
}
