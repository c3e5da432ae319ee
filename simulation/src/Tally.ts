/** Counts by two names, without a text made of both for every count. */
export class Tally {
  private readonly counts = new Map<string, Map<string, number>>()

  /** How many there were before this one. */
  next(of: string, kind: string): number {
    let byKind = this.counts.get(of)
    if (byKind === undefined) this.counts.set(of, byKind = new Map())
    const before = byKind.get(kind) ?? 0
    byKind.set(kind, before + 1)
    return before
  }
}
