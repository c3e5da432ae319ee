/** The ids of a replica in the order of their short ids, a few at a time: what comparing id by id walks along. */
import * as Bytes from "@sotto/schema/Bytes"
import * as IdIndex from "./IdIndex.ts"
import type { Replica } from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"

/** An id and its short id in 16 hexadecimal digits. */
export interface Named {
  readonly short: string
  readonly id: Uint8Array
}

/** By short id, then by id. */
export const compare = (a: Named, b: Named): number =>
  a.short < b.short ? -1 : a.short > b.short ? 1 : Bytes.compare(a.id, b.id)

/** The ids below one prefix, in order. */
const below = (replica: Replica, bits: number, node: number): ReadonlyArray<Named> => {
  const found: Array<Named> = []
  for (const index of replica.indexes) {
    IdIndex.forRange(index, bits, node, (row) => {
      const short = ShortId.toHex(IdIndex.highOf(index, row), IdIndex.lowOf(index, row))
      found.push({ short, id: IdIndex.idOf(index, row) })
    })
  }
  return found.sort(compare)
}

/** The ids with short ids from `from` to `through`, both included, in order. Reads on only as far as it is asked. */
export const walk = function*(replica: Replica, from: string, through: string): IterableIterator<Named> {
  const bits = replica.sketch.scale
  const nodeOf = (short: string) => Number.parseInt(short.slice(0, 8), 16) >>> (32 - bits)
  for (let node = nodeOf(from), last = nodeOf(through); node <= last; node++) {
    for (const named of below(replica, bits, node)) {
      if (named.short >= from && named.short <= through) yield named
    }
  }
}

/** As many ids as fit into `most`, and up to which short id they are complete. */
export interface Stretch {
  readonly ids: ReadonlyArray<Named>
  readonly through: string
}

/**
 * The next ids from `from` on that `keep` wants, at most `most`, never cutting between two ids of one short id:
 * undefined when that cannot be done.
 */
export const stretch = (
  replica: Replica,
  from: string,
  through: string,
  most: number,
  keep: (named: Named) => boolean = () => true
): Stretch | undefined => {
  const ids: Array<Named> = []
  for (const named of walk(replica, from, through)) {
    if (!keep(named)) continue
    ids.push(named)
    if (ids.length <= most) continue
    const whole = ids.filter(({ short }) => short !== named.short)
    const last = whole.at(-1)
    return last === undefined ? undefined : { ids: whole, through: last.short }
  }
  return { ids, through }
}
