/**
 * Several sets as one replica: what one conversation reconciles when only some lanes of a space are wanted, or all of
 * them at once. Sketches add up, so this costs what they hold, and no pass over the ids of large sets.
 */
import type { ReconcileSet, Replica } from "./ReconcileSet.ts"
import * as ReconcileSet_ from "./ReconcileSet.ts"
import * as Sketch from "./Sketch.ts"

/**
 * The union of disjoint sets that use one key, as they are now: changes of a set afterwards do not show in the union's
 * sketch, so it serves one conversation. No sets, or sets with different keys, are a bug.
 */
export const make = (sets: ReadonlyArray<ReconcileSet>): Replica => {
  const [first] = sets
  if (first === undefined) throw new RangeError("a union of no sets")
  for (const set of sets) {
    if (set.keyEpoch !== first.keyEpoch || set.key.some((word, i) => word !== first.key[i])) {
      throw new RangeError("a union of sets with different keys")
    }
  }
  const sketch = Sketch.make(Math.max(...sets.map((set) => set.sketch.scale)))
  for (const set of sets) {
    ReconcileSet_.root(set)
    Sketch.combine(sketch, set.sketch, set.index)
  }
  return {
    key: first.key,
    keyEpoch: first.keyEpoch,
    sketch,
    indexes: sets.map((set) => set.index),
    get version() {
      return sets.reduce((sum, set) => sum + set.version, 0)
    }
  }
}
