/**
 * Ids and their rows, in a few flat arrays: whoever puts in and takes out thousands a second leaves nothing for the
 * garbage collector (as objects in a `Map` they cost more than the pages that they save).
 */

/** A row of `envelope`. */
export interface Known {
  readonly n: number
  readonly position: number
}

const ID_BYTES = 32
const HEAD_BYTES = 6
const FIRST_CAPACITY = 1024
/** Slots for each id: an open table is quick while it is at most half full. */
const SLOTS_PER_ID = 2

/** The beginning of an id as an integer of 48 bits. */
export const headOf = (id: Uint8Array): number => {
  let head = 0
  for (let i = 0; i < HEAD_BYTES; i++) head = head * 256 + (id[i] ?? 0)
  return head
}

export class RecentIds {
  size = 0
  #capacity = FIRST_CAPACITY
  #ids = new Uint8Array(FIRST_CAPACITY * ID_BYTES)
  #gids = new Float64Array(FIRST_CAPACITY)
  #heads = new Float64Array(FIRST_CAPACITY)
  #ns = new Float64Array(FIRST_CAPACITY)
  #positions = new Float64Array(FIRST_CAPACITY)
  /** Which entry is here, from 1 on; 0 for none. */
  #slots = new Int32Array(FIRST_CAPACITY * SLOTS_PER_ID)

  find(gid: number, head: number, id: Uint8Array): Known | undefined {
    for (let slot = this.#slotOf(gid, head);; slot = this.#after(slot)) {
      const at = (this.#slots[slot] ?? 0) - 1
      if (at < 0) return undefined
      if (this.#heads[at] === head && this.#gids[at] === gid && this.#holds(at, id)) {
        return { n: this.#ns[at] ?? 0, position: this.#positions[at] ?? 0 }
      }
    }
  }

  /** One that is not in. */
  add(gid: number, head: number, id: Uint8Array, { n, position }: Known): void {
    if (this.size === this.#capacity) this.#grow()
    const at = this.size++
    this.#ids.set(id, at * ID_BYTES)
    this.#gids[at] = gid
    this.#heads[at] = head
    this.#ns[at] = n
    this.#positions[at] = position
    this.#place(at)
  }

  clear(): void {
    this.size = 0
    this.#slots.fill(0)
  }

  /** By route, and by id there. */
  sorted(): ReadonlyArray<{ readonly gid: number; readonly head: number; readonly n: number }> {
    const all = Array.from({ length: this.size }, (_, at) => ({
      gid: this.#gids[at] ?? 0,
      head: this.#heads[at] ?? 0,
      n: this.#ns[at] ?? 0
    }))
    return all.sort((a, b) => a.gid - b.gid || a.head - b.head)
  }

  #slotOf(gid: number, head: number): number {
    // Ids are hashes: the lower bits of their beginning are as good as any.
    return (head + gid) % this.#slots.length
  }

  #after(slot: number): number {
    return slot + 1 === this.#slots.length ? 0 : slot + 1
  }

  #holds(at: number, id: Uint8Array): boolean {
    const from = at * ID_BYTES
    for (let i = HEAD_BYTES; i < ID_BYTES; i++) if (this.#ids[from + i] !== id[i]) return false
    return true
  }

  #place(at: number): void {
    let slot = this.#slotOf(this.#gids[at] ?? 0, this.#heads[at] ?? 0)
    while (this.#slots[slot] !== 0) slot = this.#after(slot)
    this.#slots[slot] = at + 1
  }

  #grow(): void {
    this.#capacity *= 2
    this.#ids = longer(this.#ids, new Uint8Array(this.#capacity * ID_BYTES))
    this.#gids = longer(this.#gids, new Float64Array(this.#capacity))
    this.#heads = longer(this.#heads, new Float64Array(this.#capacity))
    this.#ns = longer(this.#ns, new Float64Array(this.#capacity))
    this.#positions = longer(this.#positions, new Float64Array(this.#capacity))
    this.#slots = new Int32Array(this.#capacity * SLOTS_PER_ID)
    for (let at = 0; at < this.size; at++) this.#place(at)
  }
}

const longer = <A extends { readonly set: (from: A) => void }>(from: A, to: A): A => {
  to.set(from)
  return to
}
