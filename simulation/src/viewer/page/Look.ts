/**
 * Colours of the drawing. They stand in the style sheet, once for light and once for dark; here they are only read.
 *
 * 1. Types of messages take the colours in the order of how frequent they are; the rest share the last one.
 * 2. No meaning is in colour alone: drops are dashed, what is cut is hatched, kinds of rows have shapes.
 */
export const TYPES = 7

export interface Look {
  readonly ink: string
  readonly dim: string
  readonly faint: string
  readonly line: string
  readonly panel: string
  readonly stripe: string
  readonly down: string
  readonly fault: string
  readonly faultSoft: string
  readonly bad: string
  readonly good: string
  readonly cursor: string
  readonly types: ReadonlyArray<string>
  readonly font: string
  readonly mono: string
}

export const slotOf = (type: number): number => Math.min(type, TYPES - 1)

export const lookOf = (element: Element): Look => {
  const style = getComputedStyle(element)
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    ink: read("ink"),
    dim: read("dim"),
    faint: read("faint"),
    line: read("line"),
    panel: read("panel"),
    stripe: read("stripe"),
    down: read("down"),
    fault: read("fault"),
    faultSoft: read("fault-soft"),
    bad: read("bad"),
    good: read("good"),
    cursor: read("cursor"),
    types: Array.from({ length: TYPES }, (_, slot) => read(`type-${slot}`)),
    font: read("font"),
    mono: read("mono")
  }
}
