/**
 * The tables of a durable item store that is open: what a question comes to, and which writes a commit is. What is kept in
 * memory are nodes of the tree, the most recently used ones, and rows of items that were read since the last commit.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { EntropyUnavailable } from "../../Crypto.ts"
import * as Entropy from "../../internal/entropy.ts"
import type { StoreFailed, Write } from "../../Store.ts"
import { ByItem, type ItemRef, type Operation, OpId } from "../Item.ts"
import * as ItemRow from "../ItemRow.ts"
import type { EntryRow, ItemEntryWaiting, ItemHeads, ItemWrite, KeyRange, OpRef, OpRow } from "../ItemStore.ts"
import { Heads, idsOf, withinRow } from "./Heads.ts"
import { EMPTY_STATE, ItemsDamaged, singleKey, type State, stateCodec, TABLE } from "./Layout.ts"
import * as Order from "./Order.ts"
import { Remembered } from "./Remembered.ts"
import type { Rows } from "./Rows.ts"
import * as Tree from "./Tree.ts"

type Failed = StoreFailed | ItemsDamaged

/** Nodes of the tree that are kept in memory: some megabytes. */
const NODES_MAX = 1024

/** Writes, and what is to be done once they are durable. */
export interface Prepared {
  readonly writes: ReadonlyArray<Write>
  readonly committed: () => void
}

const damaged = (detail: string) => new ItemsDamaged({ detail })

export class Tables {
  readonly #rows: Rows
  #state: State
  /** The least recently used first. */
  readonly #nodeById = new Map<number, Tree.Node>()
  readonly #itemRows = new Remembered()

  constructor(rows: Rows, state: State) {
    this.#rows = rows
    this.#state = state
  }

  close(): void {
    this.#rows.close()
  }

  mark(): number {
    return this.#state.mark
  }

  // -- rows by their names ---------------------------------------------------------------------------------------------

  entries(ids: ReadonlyArray<OpId>): Effect.Effect<ReadonlyArray<EntryRow | undefined>, Failed> {
    return this.#read(ids.map((id) => this.#entryKey(id)), decodeEntry)
  }

  readonly ops = Effect.fnUntraced(
    { self: this },
    function*(refs: ReadonlyArray<OpRef>): Effect.fn.Return<ReadonlyArray<OpRow | undefined>, Failed> {
      const rows = yield* this.#items(refs.map(({ item }) => item))
      const inRow = refs.map(({ id }, at) => withinRow(rows[at], id))
      const others = yield* this.#ownRows(refs.filter((_, at) => inRow[at] === undefined))
      let at = 0
      return inRow.map((op) => op === undefined ? others[at++] : { op, children: 0 })
    }
  )

  #ownRows(refs: ReadonlyArray<OpRef>): Effect.Effect<ReadonlyArray<OpRow | undefined>, Failed> {
    return this.#read(refs.map((ref) => this.#opKey(ref)), ItemRow.decodeOp)
  }

  readonly heads = Effect.fnUntraced(
    { self: this },
    function*(items: ReadonlyArray<ItemRef>): Effect.fn.Return<ReadonlyArray<ReadonlyArray<Operation>>, Failed> {
      const rows = yield* this.#items(items)
      const refs = items.flatMap((item, at) => {
        const row = rows[at]
        return row?._tag === "Several" ? row.ids.map((id) => ({ item, id })) : []
      })
      const others = yield* this.#ownRows(refs)
      const found: Array<ReadonlyArray<Operation>> = []
      let at = 0
      for (const row of rows) {
        if (row?._tag === "One") found.push([row.op])
        else {
          const end = at + idsOf(row).length
          const ops = others.slice(at, end).flatMap((other) =>
            other === undefined || other.op === null ? [] : [other.op]
          )
          if (ops.length !== end - at) return yield* damaged("a head is missing")
          at = end
          found.push(ops)
        }
      }
      return found
    }
  )

  #entryKey(id: OpId): Uint8Array {
    return this.#rows.keyOf(TABLE.entry, id)
  }

  #opKey({ id, item: { collection, key } }: OpRef): Uint8Array {
    return this.#rows.keyOf(TABLE.op, collection, key, id)
  }

  #itemKey({ collection, key }: ItemRef): Uint8Array {
    return this.#rows.keyOf(TABLE.item, collection, key)
  }

  /** The row of each item. */
  #items(items: ReadonlyArray<ItemRef>): Effect.Effect<ReadonlyArray<ItemRow.HeadsRow | undefined>, Failed> {
    return Effect.suspend(() => {
      const known = new ByItem<ItemRow.HeadsRow | null>()
      const unread: Array<ItemRef> = []
      for (const item of items) {
        if (known.get(item) !== undefined) continue
        const row = this.#itemRows.get(item)
        known.set(item, row ?? null)
        if (row === undefined) unread.push(item)
      }
      return Effect.map(this.#read(unread.map((item) => this.#itemKey(item)), ItemRow.decodeHeads), (rows) => {
        unread.forEach((item, at) => {
          const row = rows[at] ?? null
          known.set(item, row)
          this.#itemRows.set(item, row)
        })
        return items.map((item) => known.get(item) ?? undefined)
      })
    })
  }

  #read<A>(
    keys: ReadonlyArray<Uint8Array>,
    decode: (bytes: Uint8Array) => Result.Result<A, unknown>
  ): Effect.Effect<ReadonlyArray<A | undefined>, Failed> {
    return Effect.flatMap(this.#rows.get(keys), (rows) => {
      const found: Array<A | undefined> = []
      for (const [at, row] of rows.entries()) {
        const decoded = row === undefined ? undefined : decode(row)
        if (decoded !== undefined && Result.isFailure(decoded)) {
          return Effect.fail(damaged(`a row of table ${keys[at]?.[0]} does not read`))
        }
        found.push(decoded?.success)
      }
      return Effect.succeed(found)
    })
  }

  // -- what has an order -----------------------------------------------------------------------------------------------

  readonly waitingFor = Effect.fnUntraced(
    { self: this },
    function*(missing: ReadonlyArray<OpId>): Effect.fn.Return<ReadonlyArray<ReadonlyArray<OpId>>, Failed> {
      // Mostly nothing waits for anything.
      const any = missing.length === 0 ? [] : yield* this.#select(Order.beginningWith("w", 1))
      if (any.length === 0) return missing.map(() => [])
      const found: Array<ReadonlyArray<OpId>> = []
      for (const id of missing) {
        const beginning = Order.waiterText(id, OpId(""))
        const texts = yield* this.#select(Order.beginningWith(beginning))
        found.push(texts.map((text) => OpId(text.slice(beginning.length))))
      }
      return found
    }
  )

  readonly waiting = Effect.fnUntraced(
    { self: this },
    function*(after: OpId, limit: number): Effect.fn.Return<ReadonlyArray<ItemEntryWaiting>, Failed> {
      const texts = yield* this.#select(Order.waitingAfter(after, limit))
      const rows = yield* this.entries(texts.map((text) => OpId(text.slice(1))))
      const found = rows.flatMap((row): ReadonlyArray<ItemEntryWaiting> =>
        row?._tag === "Waiting" ? [{ entry: row.entry, missing: row.missing }] : []
      )
      return found.length === texts.length ? found : yield* damaged("an entry that waits is missing")
    }
  )

  readonly scan = Effect.fnUntraced(
    { self: this },
    function*(range: KeyRange): Effect.fn.Return<ReadonlyArray<ItemHeads>, Failed> {
      const { collection } = range
      const items = (yield* this.#keys("h", range)).map((key) => ({ collection, key }))
      const heads = yield* this.heads(items)
      if (heads.some(({ length }) => length === 0)) return yield* damaged("an item is missing")
      return items.map((item, at) => ({ ...item, heads: heads[at] ?? [] }))
    }
  )

  contested(range: KeyRange): Effect.Effect<ReadonlyArray<string>, Failed> {
    return this.#keys("c", range)
  }

  #keys(kind: Order.ItemKind, range: KeyRange): Effect.Effect<ReadonlyArray<string>, Failed> {
    const start = Order.itemText(kind, { collection: range.collection, key: "" }).length
    return Effect.map(this.#select(Order.itemsWithin(kind, range)), (texts) => texts.map((text) => text.slice(start)))
  }

  #select(stretch: Tree.Stretch): Effect.Effect<ReadonlyArray<string>, Failed> {
    return Effect.suspend(() => Tree.select(this.#node, this.#state.root, stretch))
  }

  readonly #node = (id: number): Effect.Effect<Tree.Node, Failed> => {
    const kept = this.#nodeById.get(id)
    if (kept !== undefined) {
      this.#keep(id, kept)
      return Effect.succeed(kept)
    }
    return Effect.flatMap(this.#read([nodeKey(id)], decodeNode), ([node]) => {
      if (node === undefined) return Effect.fail(damaged("a node of the tree is missing"))
      this.#keep(id, node)
      return Effect.succeed(node)
    })
  }

  #keep(id: number, node: Tree.Node): void {
    this.#nodeById.delete(id)
    this.#nodeById.set(id, node)
    if (this.#nodeById.size <= NODES_MAX) return
    const [oldest] = this.#nodeById.keys()
    if (oldest !== undefined) this.#nodeById.delete(oldest)
  }

  // -- changes ---------------------------------------------------------------------------------------------------------

  /** What a commit comes to, as things are. Nothing may come between this and the commit. */
  readonly prepare = Effect.fnUntraced(
    { self: this },
    function*(changes: ReadonlyArray<ItemWrite>): Effect.fn.Return<Prepared, Failed | EntropyUnavailable> {
      const heads = yield* this.#headsAfter(changes)
      const isInByText = new Map<string, boolean>()
      for (const of of heads) isInByText.set(Order.itemText("h", of.item), of.hasAny())
      for (const change of changes) for (const [text, isIn] of Order.noted(change)) isInByText.set(text, isIn)
      const tree = yield* Tree.change(this.#node, this.#state, isInByText)
      const mark = changes.findLast((change) => change.table === "mark")?.row ?? this.#state.mark
      const state = { mark, root: tree.root, nodes: tree.nodes }
      const writes = yield* Entropy.attempt(() => [
        ...changes.flatMap((change) => change.table === "entry" ? [this.#entryWrite(change)] : []),
        ...heads.flatMap((of) => this.#itemWrites(of)),
        ...[...tree.nodeById].map(([id, node]) =>
          node === undefined ? { key: nodeKey(id) } : this.#rows.put(nodeKey(id), Tree.encode(node))
        ),
        stateWrite(this.#rows, state)
      ])
      return { writes, committed: () => this.#committed(state, tree.nodeById) }
    }
  )

  /** What becomes of the items that are changed. */
  #headsAfter(changes: ReadonlyArray<ItemWrite>): Effect.Effect<ReadonlyArray<Heads>, Failed> {
    const items = changes.flatMap((change) => change.table === "op" ? [change.item] : [])
    return Effect.map(this.#items(items), (rows) => {
      const headsByItem = new ByItem<Heads>()
      items.forEach((item, at) => {
        if (headsByItem.get(item) === undefined) headsByItem.set(item, new Heads(item, rows[at]))
      })
      for (const change of changes) {
        if (change.table === "op") headsByItem.get(change.item)?.write(change.id, change.row)
      }
      return headsByItem.values()
    })
  }

  #committed(state: State, nodeById: Tree.Changed["nodeById"]): void {
    this.#state = state
    this.#itemRows.clear()
    for (const [id, node] of nodeById) {
      if (node === undefined) this.#nodeById.delete(id)
      else this.#keep(id, node)
    }
  }

  /** What became of an entry says nothing, unless it waits. */
  #entryWrite({ id, row }: Extract<ItemWrite, { readonly table: "entry" }>): Write {
    const key = this.#entryKey(id)
    if (row === undefined) return { key }
    return row._tag === "Waiting"
      ? this.#rows.put(key, ItemRow.encodeEntry(row))
      : this.#rows.putOpen(key, row._tag === "Applied" ? APPLIED : GONE)
  }

  #itemWrites(heads: Heads): ReadonlyArray<Write> {
    const { item } = heads
    const row = heads.row()
    const writes = heads.ops(row).map(([id, op]): Write => {
      const key = this.#opKey({ item, id })
      return op === undefined ? { key } : this.#rows.put(key, ItemRow.encodeOp(op))
    })
    if (!heads.isChanged(row)) return writes
    const key = this.#itemKey(item)
    return [...writes, row === undefined ? { key } : this.#rows.put(key, ItemRow.encodeHeads(row))]
  }
}

const APPLIED = 1
const GONE = 3

const decodeEntry = (bytes: Uint8Array): Result.Result<EntryRow, unknown> => {
  if (bytes.length !== 1) return ItemRow.decodeEntry(bytes)
  if (bytes[0] === APPLIED) return Result.succeed({ _tag: "Applied" })
  return bytes[0] === GONE ? Result.succeed({ _tag: "Gone" }) : Result.fail("no such byte")
}

/** The row that keeps the state. Throws `EntropyUnavailable`. */
export const stateWrite = (rows: Rows, state: State = EMPTY_STATE): Write =>
  rows.put(singleKey(TABLE.state), stateCodec.encode(state))

const nodeKey = (id: number): Uint8Array => Bytes.concat(singleKey(TABLE.node), Bytes.u64(id))

const decodeNode = (bytes: Uint8Array): Result.Result<Tree.Node, "not a node"> => {
  const node = Tree.decode(bytes)
  return node === undefined ? Result.fail("not a node") : Result.succeed(node)
}
