/**
 * What a run has seen: which kinds of events, in which phase, while what was wrong in the world.
 *
 * A kind of event alone saturates after some seeds; crossed with what is wrong, the number goes on growing as long as
 * new seeds still find something new.
 */
import type { Phase } from "./Report.ts"
import type * as Trace from "./Trace.ts"

/** So many combinations of wrongs, in all phases. */
const PLACES_MAX = 2 ** 20

export class Coverage {
  readonly marks: { [name: string]: number } = {}
  private phase: Phase = "boot"
  private readonly wrongs = new Map<string, number>()
  private readonly events = new Map<string, Map<string, number>>()
  private readonly eventNames: Array<string> = []
  private readonly places = new Map<string, number>()
  private readonly seen = new Set<number>()
  private place = 0

  constructor() {
    this.move()
  }

  /** Every `kind/phase/wrongs` so far, in order. */
  get situations(): ReadonlyArray<string> {
    const names = [...this.places.keys()]
    return Array.from(
      this.seen,
      (id) => `${this.eventNames[Math.floor(id / PLACES_MAX)]} ${names[id % PLACES_MAX]}`
    ).toSorted()
  }

  mark(name: string): void {
    this.marks[name] = (this.marks[name] ?? 0) + 1
  }

  enter(phase: Phase): void {
    this.phase = phase
    this.move()
  }

  /** Something is wrong from now on. The answer says that it no longer is. */
  wrong(kind: string): () => void {
    this.wrongs.set(kind, (this.wrongs.get(kind) ?? 0) + 1)
    this.move()
    return () => {
      const left = (this.wrongs.get(kind) ?? 1) - 1
      if (left === 0) this.wrongs.delete(kind)
      else this.wrongs.set(kind, left)
      this.move()
    }
  }

  see(row: Trace.Row): void {
    const type = row.payload?.["type"]
    this.seen.add(this.event(row.kind, typeof type === "string" ? type : "") * PLACES_MAX + this.place)
  }

  private event(kind: string, type: string): number {
    let byType = this.events.get(kind)
    if (byType === undefined) this.events.set(kind, byType = new Map())
    const known = byType.get(type)
    if (known !== undefined) return known
    const id = this.eventNames.length
    this.eventNames.push(type === "" ? kind : `${kind}:${type}`)
    byType.set(type, id)
    return id
  }

  private move(): void {
    const name = `${this.phase} ${[...this.wrongs.keys()].toSorted().join("+")}`.trimEnd()
    const known = this.places.get(name)
    this.place = known ?? this.places.size
    if (known === undefined) this.places.set(name, this.place)
  }
}
