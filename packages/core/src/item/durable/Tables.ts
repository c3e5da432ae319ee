/**
 * The tables of a durable item store that is open: what a question comes to, and which writes a commit is. What is kept in
 * memory are nodes of the tree, the most recently used ones, and the heads that were asked for since the last commit.
 *
 * What stands in the tree, by its first character:
 *
 * | | then | says |
 * |---|---|---|
 * | `h` | an item's name | it has heads |
 * | `c` | an item's name | its heads differ |
 * | `e` | an entry's name | it waits |
 * | `w` | name of what is missing, `/`, name of an entry | that entry waits for it |
 */
import * as Bytes from "@sotto/schema/Bytes"
import { EntryHash } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { EntropyUnavailable } from "../../Crypto.ts"
import * as Entropy from "../../internal/entropy.ts"
import type { StoreFailed, Write } from "../../Store.ts"
import { ByItem, compareIds, compareKeys, hashOf, idOf, type ItemRef, nameOf, type Operation, OpId } from "../Item.ts"
import * as ItemRow from "../ItemRow.ts"
import type { EntryRow, ItemEntryWaiting, ItemHeads, ItemWrite, KeyRange, OpRef, OpRow } from "../ItemStore.ts"
import { EMPTY_STATE, ItemsDamaged, singleKey, type State, stateCodec, TABLE } from "./Layout.ts"
import type { Rows } from "./Rows.ts"
import * as Tree from "./Tree.ts"

type Failed = StoreFailed | ItemsDamaged

/** Nodes of the tree that are kept in memory: some megabytes. */
const NODES_MAX = 1024

/** Items whose heads are remembered from a question to the commit that follows. */
const HEADS_MAX = 16_384

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
  readonly #headsByItem = new Heads()

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
    return this.#read(ids.map((id) => this.#entryKey(id)), ItemRow.decodeEntry)
  }

  ops(refs: ReadonlyArray<OpRef>): Effect.Effect<ReadonlyArray<OpRow | undefined>, Failed> {
    return this.#read(refs.map((ref) => this.#opKey(ref)), ItemRow.decodeOp)
  }

  heads(items: ReadonlyArray<ItemRef>): Effect.Effect<ReadonlyArray<ReadonlyArray<Operation>>, Failed> {
    return Effect.gen({ self: this }, function*() {
      const idsOfEach = yield* this.#headIds(items)
      const rows = yield* this.ops(items.flatMap((item, at) => (idsOfEach[at] ?? []).map((id) => ({ item, id }))))
      const found: Array<ReadonlyArray<Operation>> = []
      let at = 0
      for (const ids of idsOfEach) {
        const ops = rows.slice(at, at + ids.length).flatMap((row) =>
          row === undefined || row.op === null ? [] : [row.op]
        )
        if (ops.length !== ids.length) return yield* damaged("a head is missing")
        at += ids.length
        found.push(ops)
      }
      return found
    })
  }

  #entryKey(id: OpId): Uint8Array {
    return this.#rows.keyOf(TABLE.entry, id)
  }

  #opKey({ id, item: { collection, key } }: OpRef): Uint8Array {
    return this.#rows.keyOf(TABLE.op, collection, key, id)
  }

  #itemKey({ collection, key }: ItemRef): Uint8Array {
    return this.#rows.keyOf(TABLE.item, collection, key)
  }

  /** Names of the heads of each item, ascending. */
  #headIds(items: ReadonlyArray<ItemRef>): Effect.Effect<ReadonlyArray<ReadonlyArray<OpId>>, Failed> {
    return Effect.suspend(() => {
      const known = items.map((item) => this.#headsByItem.get(item))
      const unread = items.filter((_, at) => known[at] === undefined)
      return Effect.map(this.#read(unread.map((item) => this.#itemKey(item)), decodeIds), (read) => {
        let at = 0
        return items.map((item, place) => {
          const ids = known[place] ?? read[at++] ?? []
          this.#headsByItem.set(item, ids)
          return ids
        })
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

  waitingFor(missing: ReadonlyArray<OpId>): Effect.Effect<ReadonlyArray<ReadonlyArray<OpId>>, Failed> {
    return Effect.gen({ self: this }, function*() {
      // Mostly nothing waits for anything.
      const any = missing.length === 0 ? [] : yield* this.#select(beginningWith("w", 1))
      if (any.length === 0) return missing.map(() => [])
      const found: Array<ReadonlyArray<OpId>> = []
      for (const id of missing) {
        const beginning = `w${id}/`
        const texts = yield* this.#select(beginningWith(beginning))
        found.push(texts.map((text) => OpId(text.slice(beginning.length))))
      }
      return found
    })
  }

  waiting(after: OpId, limit: number): Effect.Effect<ReadonlyArray<ItemEntryWaiting>, Failed> {
    return Effect.gen({ self: this }, function*() {
      const texts = yield* this.#select({ ...beginningWith("e", limit), isBefore: (text) => text <= `e${after}` })
      const rows = yield* this.entries(texts.map((text) => OpId(text.slice(1))))
      const found = rows.flatMap((row): ReadonlyArray<ItemEntryWaiting> =>
        row?._tag === "Waiting" ? [{ entry: row.entry, missing: row.missing }] : []
      )
      return found.length === texts.length ? found : yield* damaged("an entry that waits is missing")
    })
  }

  scan(range: KeyRange): Effect.Effect<ReadonlyArray<ItemHeads>, Failed> {
    return Effect.gen({ self: this }, function*() {
      const { collection } = range
      const items = (yield* this.#keys("h", range)).map((key) => ({ collection, key }))
      const heads = yield* this.heads(items)
      return items.map((item, at) => ({ ...item, heads: heads[at] ?? [] }))
    })
  }

  contested(range: KeyRange): Effect.Effect<ReadonlyArray<string>, Failed> {
    return this.#keys("c", range)
  }

  #keys(
    kind: "h" | "c",
    { after, collection, limit, prefix, reverse = false }: KeyRange
  ): Effect.Effect<ReadonlyArray<string>, Failed> {
    const nameOfKey = (key: string) => kind + nameOf({ collection, key })
    const start = nameOfKey("")
    const inside = beginningWith(nameOfKey(prefix), limit)
    const place = after === undefined ? undefined : nameOfKey(after)
    const stretch = place === undefined ? inside : reverse
      ? { ...inside, isBehind: (text: string) => inside.isBehind(text) || compareKeys(text, place) >= 0 }
      : { ...inside, isBefore: (text: string) => inside.isBefore(text) || compareKeys(text, place) <= 0 }
    return Effect.map(
      this.#select({ ...stretch, reverse }),
      (texts) => texts.map((text) => text.slice(start.length))
    )
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
  prepare(changes: ReadonlyArray<ItemWrite>): Effect.Effect<Prepared, Failed | EntropyUnavailable> {
    return Effect.gen({ self: this }, function*() {
      const items = changes.flatMap((change) => change.table === "op" ? [change.item] : [])
      const headIds = yield* this.#headIds(items)
      const idsByItem = new ByItem<HeadsOf>()
      items.forEach((item, at) => idsByItem.set(item, { item, before: headIds[at] ?? [], now: new Set(headIds[at]) }))
      const isInByText = new Map<string, boolean>()
      let { mark } = this.#state
      for (const change of changes) {
        if (change.table === "mark") mark = change.row
        else if (change.table === "op") noteHead(idsByItem.get(change.item)?.now, change)
        else isInByText.set(...noted(change))
      }
      const heads = idsByItem.values().filter(isChanged)
      for (const { item, now } of heads) isInByText.set(`h${nameOf(item)}`, now.size > 0)
      const tree = yield* Tree.change(this.#node, this.#state, isInByText)
      const state = { mark, root: tree.root, nodes: tree.nodes }
      const writes = yield* Entropy.attempt(() => [
        ...changes.flatMap((change) => this.#rowOf(change)),
        ...heads.map((of) => this.#headsRow(of)),
        ...[...tree.nodeById].map(([id, node]) =>
          node === undefined ? { key: nodeKey(id) } : this.#rows.put(nodeKey(id), Tree.encode(node))
        ),
        stateWrite(this.#rows, state)
      ])
      return { writes, committed: () => this.#committed(state, tree.nodeById) }
    })
  }

  #committed(state: State, nodeById: Tree.Changed["nodeById"]): void {
    this.#state = state
    this.#headsByItem.clear()
    for (const [id, node] of nodeById) {
      if (node === undefined) this.#nodeById.delete(id)
      else this.#keep(id, node)
    }
  }

  /** The row that a change is about. What stands in the tree alone has none. */
  #rowOf(change: ItemWrite): ReadonlyArray<Write> {
    if (change.table !== "entry" && change.table !== "op") return []
    const key = change.table === "entry" ? this.#entryKey(change.id) : this.#opKey(change)
    if (change.row === undefined) return [{ key }]
    const row = change.table === "entry" ? ItemRow.encodeEntry(change.row) : ItemRow.encodeOp(change.row)
    return [this.#rows.put(key, row)]
  }

  #headsRow({ item, now }: HeadsOf): Write {
    const key = this.#itemKey(item)
    const ids = [...now].sort(compareIds)
    return ids.length === 0 ? { key } : this.#rows.put(key, Bytes.concat(...ids.map(hashOf)))
  }
}

/** The row that keeps the state. Throws `EntropyUnavailable`. */
export const stateWrite = (rows: Rows, state: State = EMPTY_STATE): Write =>
  rows.put(singleKey(TABLE.state), stateCodec.encode(state))

const nodeKey = (id: number): Uint8Array => Bytes.concat(singleKey(TABLE.node), Bytes.u64(id))

const decodeNode = (bytes: Uint8Array): Result.Result<Tree.Node, "not a node"> => {
  const node = Tree.decode(bytes)
  return node === undefined ? Result.fail("not a node") : Result.succeed(node)
}

const HASH_BYTES = 32

const decodeIds = (bytes: Uint8Array): Result.Result<ReadonlyArray<OpId>, "not names"> => {
  if (bytes.length % HASH_BYTES !== 0) return Result.fail("not names")
  return Result.succeed(Array.from(
    { length: bytes.length / HASH_BYTES },
    (_, at) => idOf(EntryHash.make(bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)))
  ))
}

/** Names of an item's heads before a commit and after it. */
interface HeadsOf {
  readonly item: ItemRef
  readonly before: ReadonlyArray<OpId>
  readonly now: Set<OpId>
}

const noteHead = (now: Set<OpId> | undefined, { id, row }: Extract<ItemWrite, { readonly table: "op" }>): void => {
  if (row !== undefined && row.op !== null && row.children === 0) now?.add(id)
  else now?.delete(id)
}

const isChanged = ({ before, now }: HeadsOf): boolean => before.length !== now.size || before.some((id) => !now.has(id))

/** What a change puts into the tree, or takes out of it. */
const noted = (
  change: Extract<ItemWrite, { readonly table: "entry" | "waiting" | "contested" }>
): [string, boolean] => {
  switch (change.table) {
    case "entry":
      return [`e${change.id}`, change.row?._tag === "Waiting"]
    case "waiting":
      return [`w${change.missing}/${change.id}`, change.row !== undefined]
    case "contested":
      return [`c${nameOf(change.item)}`, change.row !== undefined]
  }
}

/** All that begins with some text. */
const beginningWith = (beginning: string, limit = Infinity): Tree.Stretch => ({
  isBefore: (text) => compareKeys(text, beginning) < 0,
  isBehind: (text) => !text.startsWith(beginning) && compareKeys(text, beginning) > 0,
  reverse: false,
  limit
})

/** Names of heads, for as many items as are remembered. */
class Heads {
  #idsByItem = new ByItem<ReadonlyArray<OpId>>()
  #count = 0

  get(item: ItemRef): ReadonlyArray<OpId> | undefined {
    return this.#idsByItem.get(item)
  }

  set(item: ItemRef, ids: ReadonlyArray<OpId>): void {
    if (++this.#count > HEADS_MAX) this.clear()
    this.#idsByItem.set(item, ids)
  }

  clear(): void {
    this.#idsByItem = new ByItem()
    this.#count = 0
  }
}
