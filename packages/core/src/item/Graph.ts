/**
 * Entries into the graph of items (protocol.md §1, §5), as plain data: rows in, rows and changes out. Nothing is written
 * here; whoever calls commits the writes, all of them or none, and only then tells of the changes.
 *
 * ```
 * entry ── all its parents applied, or gone? ── yes ─▶ every operation of it: its parents are heads no more, it is one
 *                                            └─ no ──▶ waits, whole, under the names that are missing
 * ```
 *
 * 1. What there is in the end is a function of the set of entries: no order of arrival, batching or repetition changes
 *    it. A head is an applied operation that no applied operation names.
 * 2. The operations of an entry apply in one commit, also when they concern many items.
 * 3. A parent counts for the item of the operation that names it. An entry that says nothing of that item supersedes
 *    nothing there; whoever names one, or invents a name, harms their own operation only.
 * 4. Reads for an entry: its own row, one for each parent, one for each of its operations and their parents, and the heads
 *    of its items.
 */
import * as Effect from "effect/Effect"
import { isAlike, isContested, type ItemEntry, type ItemOp, type ItemRef, type Operation, type OpId } from "./Item.ts"
import type { EntryRow, ItemStore, ItemWrite, OpRow } from "./ItemStore.ts"
import { READY, Workspace } from "./Workspace.ts"

/** An item that has other heads than before. */
export interface ItemChange extends ItemRef {
  /** Names of the heads that it had. */
  readonly before: ReadonlyArray<OpId>
  /** The heads that it has, ascending by name; none when its last operation was taken back. */
  readonly heads: ReadonlyArray<Operation>
}

/** What a call comes to. */
export interface Outcome {
  readonly writes: ReadonlyArray<ItemWrite>
  /** What is to be seen at once, when the writes are durable. */
  readonly changes: ReadonlyArray<ItemChange>
  /** Entries are ready that were too many for one commit: call `apply` again. */
  readonly more: boolean
}

/** Operations that one commit applies beside those of the entry that reaches this number. */
const OPS_MAX = 16_384

/** Takes accepted entries in. One that is known already changes nothing. At most about `opsMax` operations apply at once. */
export const apply = Effect.fnUntraced(function*<E>(
  store: ItemStore<E>,
  entries: ReadonlyArray<ItemEntry>,
  { opsMax = OPS_MAX }: { readonly opsMax?: number } = {}
): Effect.fn.Return<Outcome, E> {
  const pass = new Pass(store, opsMax)
  yield* pass.resume()
  yield* pass.receive(entries)
  yield* pass.run()
  return yield* pass.outcome()
})

/**
 * Entries that will not come: deleted everywhere before this device heard of them, or refused for good. What waits for
 * them waits no longer. One that comes all the same is taken in, behind what names it.
 */
export const release = Effect.fnUntraced(
  function*<E>(store: ItemStore<E>, ids: ReadonlyArray<OpId>): Effect.fn.Return<Outcome, E> {
    const pass = new Pass(store, OPS_MAX)
    yield* pass.release(ids)
    yield* pass.run()
    return yield* pass.outcome()
  }
)

/**
 * Takes entries back that a removal which came later says do not count. What they superseded, and nothing else does, is a
 * head again. What was written on top of them stays.
 */
export const retract = <E>(store: ItemStore<E>, entries: ReadonlyArray<ItemEntry>): Effect.Effect<Outcome, E> =>
  Effect.gen(function*() {
    const pass = new Pass(store, OPS_MAX)
    yield* pass.retract(entries)
    yield* pass.release(entries.map(({ id }) => id))
    yield* pass.run()
    return yield* pass.outcome()
  })

/**
 * Forgets what entries did that every device has: values that were superseded, and tombstones that nothing contests. The
 * entries stay known. A later merge that would have had one for its base has none, and none comes back when what
 * superseded it is taken back.
 */
export const prune = <E>(store: ItemStore<E>, entries: ReadonlyArray<ItemEntry>): Effect.Effect<Outcome, E> =>
  Effect.gen(function*() {
    const pass = new Pass(store, OPS_MAX)
    yield* pass.prune(entries)
    return yield* pass.outcome()
  })

/** Whether others need not wait for an entry. */
const isSettled = (row: EntryRow | undefined): boolean => row !== undefined && (row._tag !== "Waiting" || row.gone)

const parentsOf = ({ ops }: ItemEntry): ReadonlyArray<OpId> => [...new Set(ops.flatMap(({ parents }) => parents))]

/** One call under way. */
class Pass<E> {
  readonly #store: ItemStore<E>
  readonly #rows: Workspace<E>
  readonly #opsMax: number
  #ready: Array<ItemEntry> = []
  #settled: Array<OpId> = []
  #placed = 0

  constructor(store: ItemStore<E>, opsMax: number) {
    this.#store = store
    this.#rows = new Workspace(store)
    this.#opsMax = opsMax
  }

  /** Entries whose turn it was when a commit was full. */
  resume(): Effect.Effect<void, E> {
    return Effect.map(this.#rows.waitersOf([READY]), (ids) => {
      for (const id of ids) {
        const row = this.#rows.entry(id)
        if (row?._tag === "Waiting" && row.missing.length === 0) this.#ready.push(row.entry)
      }
    })
  }

  receive(entries: ReadonlyArray<ItemEntry>): Effect.Effect<void, E> {
    const wanted = entries.flatMap((entry) => [entry.id, ...parentsOf(entry)])
    return Effect.map(this.#rows.loadEntries(wanted), () => {
      for (const entry of entries) {
        const row = this.#rows.entry(entry.id)
        if (row?._tag === "Applied" || row?._tag === "Waiting") continue
        const missing = parentsOf(entry).filter((parent) => !isSettled(this.#rows.entry(parent)))
        this.#rows.setEntry(entry.id, { _tag: "Waiting", entry, missing, gone: row?._tag === "Gone" })
        if (missing.length === 0) this.#ready.push(entry)
      }
    })
  }

  release(ids: ReadonlyArray<OpId>): Effect.Effect<void, E> {
    return Effect.map(this.#rows.loadEntries(ids), () => {
      for (const id of ids) {
        const row = this.#rows.entry(id)
        if (row === undefined) this.#rows.setEntry(id, { _tag: "Gone" })
        else if (row._tag === "Waiting") this.#rows.setEntry(id, { ...row, gone: true })
        this.#settled.push(id)
      }
    })
  }

  retract(entries: ReadonlyArray<ItemEntry>): Effect.Effect<void, E> {
    const load = Effect.andThen(this.#rows.loadEntries(entries.map(({ id }) => id)), this.#rows.loadOps(entries))
    return Effect.map(load, () => {
      for (const entry of entries) {
        if (this.#rows.entry(entry.id)?._tag === "Applied") { for (const op of entry.ops) this.#displace(entry.id, op) }
        this.#rows.setEntry(entry.id, { _tag: "Gone" })
      }
    })
  }

  prune(entries: ReadonlyArray<ItemEntry>): Effect.Effect<void, E> {
    const ops = entries.flatMap(({ id, ops }) => ops.map(({ collection, key }) => ({ collection, key, id })))
    return Effect.map(Effect.all([this.#rows.loadOps(entries), this.#store.heads(ops)]), ([, heads]) => {
      ops.forEach((item, at) => {
        const row = this.#rows.op(item, item.id)
        if (row === undefined || row.op === null) return
        const isLone = heads[at]?.length === 1 && row.children === 0
        if (row.children > 0 || (isLone && row.op.action._tag === "Delete")) this.#rows.setOp(item, item.id, undefined)
      })
    })
  }

  /** Applies what is ready, and what that makes ready, until nothing is or the commit is full. */
  run(): Effect.Effect<void, E> {
    return Effect.whileLoop({
      while: () => (this.#ready.length > 0 && this.#placed < this.#opsMax) || this.#settled.length > 0,
      body: () => this.#turn(),
      step: () => {}
    })
  }

  #turn(): Effect.Effect<void, E> {
    const entries = this.#ready
    const load = Effect.andThen(this.#rows.loadEntries(entries.flatMap(parentsOf)), this.#rows.loadOps(entries))
    return Effect.flatMap(load, () => {
      const left: Array<ItemEntry> = []
      for (const entry of entries) {
        if (this.#placed >= this.#opsMax) left.push(entry)
        else this.#place(entry)
      }
      this.#ready = left
      const settled = this.#settled
      this.#settled = []
      return Effect.map(this.#rows.waitersOf(settled), (ids) => this.#advance(ids))
    })
  }

  /** Entries of which something that they waited for is there, or gone. */
  #advance(ids: ReadonlyArray<OpId>): void {
    for (const id of ids) {
      const row = this.#rows.entry(id)
      if (row?._tag !== "Waiting" || row.missing.length === 0) continue
      const missing = row.missing.filter((parent) => !isSettled(this.#rows.entry(parent)))
      if (missing.length === row.missing.length) continue
      this.#rows.setEntry(id, { ...row, missing })
      if (missing.length === 0) this.#ready.push(row.entry)
    }
  }

  #place(entry: ItemEntry): void {
    this.#rows.setEntry(entry.id, { _tag: "Applied" })
    for (const op of entry.ops) this.#placeOp(entry, op)
    this.#placed += Math.max(1, entry.ops.length)
    this.#settled.push(entry.id)
  }

  #placeOp({ author, hlc, id }: ItemEntry, item: ItemOp): void {
    const { action } = item
    const parents = [...new Set(item.parents)]
    const before: Array<OpRow> = []
    for (const parent of parents) {
      const row = this.#rows.op(item, parent)
      if (row !== undefined) {
        before.push(row)
        this.#rows.setOp(item, parent, { ...row, children: row.children + 1 })
      } else if (this.#rows.entry(parent)?._tag !== "Applied") {
        this.#rows.setOp(item, parent, { op: null, children: 1 })
      }
    }
    const op = { id, author, hlc, parents, action, generation: generationOf(before) }
    this.#rows.setOp(item, id, { op, children: this.#rows.op(item, id)?.children ?? 0 })
  }

  #displace(id: OpId, item: ItemOp): void {
    const row = this.#rows.op(item, id)
    if (row === undefined || row.op === null) return
    this.#rows.setOp(item, id, row.children === 0 ? undefined : { op: null, children: row.children })
    for (const parent of row.op.parents) {
      const above = this.#rows.op(item, parent)
      if (above === undefined) continue
      const children = above.children - 1
      this.#rows.setOp(item, parent, above.op === null && children === 0 ? undefined : { ...above, children })
    }
  }

  outcome(): Effect.Effect<Outcome, E> {
    const items = this.#rows.changedItems()
    const before = items.length === 0 ? Effect.succeed([]) : this.#store.heads(items)
    return Effect.map(before, (headsBefore) => {
      const writes: Array<ItemWrite> = [...this.#rows.writes()]
      const changes: Array<ItemChange> = []
      items.forEach((item, at) => {
        const had = headsBefore[at] ?? []
        const heads = this.#rows.headsNow(item, had)
        if (heads.length === had.length && heads.every(({ id }, i) => id === had[i]?.id)) return
        changes.push({ ...item, before: had.map(({ id }) => id), heads })
        const contested = isContested(heads)
        if (contested !== isContested(had)) writes.push({ table: "contested", item, row: contested ? true : undefined })
      })
      return { writes, changes, more: this.#ready.length > 0 }
    })
  }
}

/**
 * How many resolutions of resolutions an operation ends: an operation that supersedes heads which differ is one more than
 * the least of them. An edit, also one above heads that say the same, begins anew.
 */
const generationOf = (parents: ReadonlyArray<OpRow>): number => {
  const ops = parents.flatMap(({ op }) => op === null ? [] : [op])
  const [first] = ops
  if (first === undefined || ops.every(({ action }) => isAlike(first.action, action))) return 0
  return 1 + Math.min(...ops.map(({ generation }) => generation))
}
