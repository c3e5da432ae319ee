import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as Snapshot from "../../src/reconcile/Snapshot.ts"
import { apply, changes, find, idsFrom, key, pairOf, pool, setOf, stateOf } from "./kit.ts"

const options = { key, keyEpoch: 1 }

interface Saved {
  readonly state: Uint8Array
  readonly pages: ReadonlyArray<Uint8Array>
}

const save = (set: ReconcileSet.ReconcileSet, position = 0): Saved => ({
  state: Snapshot.state(set, position),
  pages: Array.from({ length: Snapshot.pagesOf(set) }, (_, number) => Snapshot.page(set, number))
})

/** The set of a snapshot, or why there is none. */
const open = ({ pages, state }: Saved, given = options): ReconcileSet.ReconcileSet | Snapshot.SnapshotRefused => {
  const begun = Snapshot.begin(state, given)
  if (Result.isFailure(begun)) return begun.failure
  for (const page of pages) {
    const refused = Snapshot.take(begun.success, page)
    if (refused !== undefined) return refused
  }
  return Result.merge(Snapshot.finish(begun.success))
}

const opened = (saved: Saved): ReconcileSet.ReconcileSet => {
  const set = open(saved)
  if (set instanceof Snapshot.SnapshotRefused) throw set
  return set
}

const reasonOf = (saved: Saved, given = options): string => {
  const set = open(saved, given)
  return set instanceof Snapshot.SnapshotRefused ? set.reason : "taken"
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const changed = bytes.slice()
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

describe("Snapshot", () => {
  it("and the changes after it give the set", () => {
    fc.assert(
      fc.property(changes, changes, (before, after) => {
        const set = setOf([])
        const model = apply(set, before)
        const again = opened(save(set))
        apply(set, after, new Set(model))
        apply(again, after, new Set(model))
        assert.deepStrictEqual(stateOf(again), stateOf(set))
        assert.deepStrictEqual([...ReconcileSet.ids(again)], [...ReconcileSet.ids(set)])
        assert.strictEqual(again.removed, set.removed)
      }),
      { numRuns: 60 }
    )
  })

  it("keeps a large set, and works where the bytes do not begin at a word", () => {
    const { a, b } = pairOf(10, 6000, 40)
    const shifted = (bytes: Uint8Array) => {
      const moved = new Uint8Array(bytes.length + 1)
      moved.set(bytes, 1)
      return moved.subarray(1)
    }
    const { pages, state } = save(a, 2 ** 40)
    const again = opened({ state: shifted(state), pages: pages.map(shifted) })
    assert.strictEqual(Result.getOrThrow(Snapshot.begin(state, options)).position, 2 ** 40)
    assert.deepStrictEqual(stateOf(again), stateOf(a))
    assert.deepStrictEqual(find(again, b), find(a, b))
  })

  it("takes pages that were written anew after its state, and goes on as the set itself does", () => {
    const ids = idsFrom(11, 2600)
    const set = setOf(ids.slice(0, 1500))
    for (const id of ids.slice(900, 1300)) ReconcileSet.remove(set, id)
    const { state } = save(set)
    const before = structuredClone(stateOf(set))
    for (const id of ids.slice(1500)) ReconcileSet.insert(set, id)
    for (const id of ids.slice(0, 20)) ReconcileSet.remove(set, id)
    const { pages } = save(set)
    const again = opened({ state, pages: pages.slice(0, 2) })
    assert.deepStrictEqual(stateOf(again), before)
    for (const id of ids.slice(1500)) ReconcileSet.insert(again, id)
    for (const id of ids.slice(0, 20)) ReconcileSet.remove(again, id)
    assert.deepStrictEqual(save(again), save(set))
  })

  it("is refused when it is damaged, cut, of another key or of another kind", () => {
    const saved = save(setOf(pool), 9)
    const { pages: [page = new Uint8Array(0)], state } = saved
    assert.strictEqual(reasonOf(saved), "taken")
    for (let at = 0; at < state.length; at += 97) {
      assert.notStrictEqual(reasonOf({ ...saved, state: flipped(state, at) }), "taken", `byte ${at} of the state`)
    }
    for (let at = 0; at < page.length; at++) {
      assert.strictEqual(reasonOf({ state, pages: [flipped(page, at)] }), "damaged", `byte ${at} of the page`)
    }
    for (const length of [0, 3, 12, 47, 51, 52, state.length - 40, state.length - 1]) {
      assert.notStrictEqual(reasonOf({ ...saved, state: state.slice(0, length) }), "taken", `length ${length}`)
    }
    for (const length of [0, 3, 4, 40, page.length - 40, page.length - 1]) {
      assert.strictEqual(reasonOf({ state, pages: [page.slice(0, length)] }), "damaged", `length ${length}`)
    }
    assert.strictEqual(reasonOf(saved, { key: key.map((byte) => byte ^ 1), keyEpoch: 1 }), "other-key")
    assert.strictEqual(reasonOf(saved, { key, keyEpoch: 2 }), "other-key")
    const refused = Snapshot.begin(new Uint8Array(0), options)
    assert.include(Result.isFailure(refused) ? refused.failure.message : "", "Nothing is lost")
  })

  it("is refused with pages of another set, with one too few, and with none", () => {
    const set = setOf(idsFrom(12, 1500))
    const { pages, state } = save(set)
    const [first = new Uint8Array(0), second = new Uint8Array(0)] = pages
    assert.strictEqual(reasonOf({ state, pages: [first, second] }), "taken")
    assert.strictEqual(reasonOf({ state, pages: [first] }), "damaged")
    assert.strictEqual(reasonOf({ state, pages: [] }), "damaged")
    assert.strictEqual(reasonOf({ state, pages: [first, save(setOf(idsFrom(13, 1500))).pages[1] ?? first] }), "damaged")
    assert.strictEqual(reasonOf({ state, pages: [first, first] }), "damaged")
  })
})
