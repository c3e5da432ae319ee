/**
 * The rows as a table: the same story in text, for reading and for whoever cannot see the drawing. Only the rows in
 * sight are elements; their numbers say where they are among all.
 */
import { moment } from "./Axis.ts"
import * as Describe from "./Describe.ts"
import { h, replace } from "./Dom.ts"
import { familyOf } from "./Kind.ts"
import type { Model } from "./Model.ts"
import { causeOf, kindOf, nodeOf, timeOf } from "./Run.ts"

const HEIGHT = 26
/** Browsers lay out no more than some ten million pixels: longer tables are scrolled in larger steps. */
const PIXELS_MAX = 8_000_000

const heads = ["row", "time, s", "node", "kind", "what", "caused by"]

export class Rows {
  readonly element: HTMLElement
  private readonly model: Model
  private readonly body = h("div", { role: "rowgroup", class: "body" })
  private readonly space: HTMLElement
  private readonly scroller: HTMLElement
  private readonly table: HTMLElement
  private readonly count = h("span", { class: "dim" })
  /** Positions of the rows that are shown; undefined: all. */
  private positions: Int32Array | undefined

  constructor(model: Model) {
    this.model = model
    this.space = h("div", { class: "space", role: "presentation" }, this.body)
    const names = heads.map((name) => h("span", { role: "columnheader" }, name))
    this.scroller = h("div", { class: "scroll", role: "presentation" }, this.space)
    const head = h("div", { role: "rowgroup" }, h("div", { role: "row", class: "head", "aria-rowindex": 1 }, ...names))
    this.table = h(
      "div",
      { role: "table", class: "table", "aria-label": "Rows of the trace", tabindex: 0 },
      head,
      this.scroller
    )
    this.element = h(
      "section",
      { class: "rows", "aria-label": "Rows" },
      h("div", { class: "bar" }, h("h2", {}, "Rows"), this.count, h("span", { class: "grow" }), this.finder()),
      this.table
    )
    this.scroller.addEventListener("scroll", () => this.fill())
    this.refresh()
  }

  update(parts: ReadonlySet<string>): void {
    if (parts.has("mask")) this.refresh()
    if (parts.has("cursor") || parts.has("mask") || parts.has("look")) this.show()
  }

  drawAll(): void {
    this.show()
  }

  private get size(): number {
    return this.positions?.length ?? this.model.run.size
  }

  /** Pixels for one row of the scroll bar: less than its height when there are very many. */
  private get pitch(): number {
    return Math.min(HEIGHT, PIXELS_MAX / Math.max(1, this.size))
  }

  private refresh(): void {
    const { mask, run } = this.model
    this.positions = mask === undefined ? undefined : Int32Array.from(positionsOf(mask))
    this.space.style.height = `${this.size * this.pitch}px`
    this.table.setAttribute("aria-rowcount", String(this.size + 1))
    const all = run.size.toLocaleString("en")
    this.count.textContent = mask === undefined ? all : `${this.size.toLocaleString("en")} of ${all}`
  }

  /** Scrolls as little as it takes to have the row of the cursor in sight. */
  private show(): void {
    const place = this.placeOf(this.model.cursor)
    const { clientHeight, scrollTop } = this.scroller
    const top = place * this.pitch
    if (top < scrollTop) this.scroller.scrollTop = top
    else if (top + HEIGHT > scrollTop + clientHeight) this.scroller.scrollTop = top + HEIGHT - clientHeight
    this.fill()
  }

  private placeOf(at: number): number {
    const { positions } = this
    if (positions === undefined) return at
    let [low, high] = [0, positions.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((positions[middle] ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }

  private fill(): void {
    const { clientHeight, scrollTop } = this.scroller
    const first = Math.max(0, Math.floor(scrollTop / this.pitch))
    const many = Math.min(this.size - first, Math.ceil(Math.max(clientHeight, HEIGHT) / HEIGHT) + 1)
    this.body.style.transform = `translateY(${first * this.pitch}px)`
    const places = Array.from({ length: Math.max(0, many) }, (_, i) => first + i)
    replace(this.body, ...places.map((place) => this.row(place)))
  }

  private row(place: number): HTMLElement {
    const at = this.positions === undefined ? place : this.positions[place] ?? 0
    const { cursor, run } = this.model
    const cause = causeOf(run, at)
    const cell = (text: string, name: string) => h("span", { role: "cell", class: name }, text)
    return h(
      "div",
      {
        role: "row",
        class: `row is-${familyOf(kindOf(run, at))}`,
        "aria-rowindex": place + 2,
        "aria-current": at === cursor ? "true" : undefined,
        onclick: () => this.model.moveTo(at)
      },
      cell(`${run.first + at}`, "number"),
      cell(moment(timeOf(run, at)), "number"),
      cell(nodeOf(run, at), "node"),
      cell(kindOf(run, at), "kind"),
      cell(Describe.brief(run.payload(at)), "what"),
      cell(cause < 0 ? "" : `${run.first + cause} ${nodeOf(run, cause)} ${kindOf(run, cause)}`, "cause")
    )
  }

  private finder(): HTMLElement {
    const input = h("input", { type: "search", placeholder: "Find in rows", "aria-label": "Find in rows", id: "find" })
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return
      event.preventDefault()
      const found = this.find(input.value.trim().toLowerCase(), event.shiftKey ? -1 : 1)
      input.toggleAttribute("data-nothing", found === undefined)
      if (found !== undefined) this.model.moveTo(found)
    })
    return input
  }

  /** The next row that says a text, from the cursor on and around. */
  private find(text: string, direction: 1 | -1): number | undefined {
    const { cursor, mask, run } = this.model
    for (let n = 1; n <= run.size && text !== ""; n++) {
      const at = (cursor + direction * n + 2 * run.size) % run.size
      if (mask !== undefined && mask[at] === 0) continue
      if (Describe.row(run, at).toLowerCase().includes(text)) return at
    }
    return undefined
  }
}

const positionsOf = (mask: Uint8Array): ReadonlyArray<number> => {
  const out: Array<number> = []
  mask.forEach((one, at) => {
    if (one === 1) out.push(at)
  })
  return out
}
