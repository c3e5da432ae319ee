/** What moves the cursor and chooses what is drawn, and the legend. */
import type { Scale } from "./Axis.ts"
import { button, choice, h, replace } from "./Dom.ts"
import { command } from "./Keys.ts"
import { slotOf, TYPES } from "./Look.ts"
import { DROPPED } from "./Message.ts"
import type { Model, Reach } from "./Model.ts"

const PATH = {
  back: "M10.5 2.5v11L3.5 8z",
  next: "M5.5 2.5v11l7-5.5z",
  backMessage: "M13 2.5v11L7 8zM3 2.5h1.8v11H3z",
  nextMessage: "M3 2.5v11L9 8zM11.2 2.5H13v11h-1.8z",
  cause: "M8 2.5 13.5 8 8 13.5l-1.2-1.2L10.2 8.9H2.5V7.1h7.7L6.8 3.7z",
  near: "M7 2h2v5h5v2H9v5H7V9H2V7h5z",
  far: "M2 7h12v2H2z"
}

export class Toolbar {
  readonly element: HTMLElement
  readonly legend = h("ul", { class: "legend", "aria-label": "Legend" })
  private readonly model: Model
  private readonly scale: ReturnType<typeof choice<Scale>>
  private readonly reach: ReturnType<typeof choice<Reach>>

  constructor(model: Model) {
    this.model = model
    const run = (key: string) => () => command(model, key)
    this.scale = choice<Scale>("Horizontal axis", [
      { value: "even", label: "Even", hint: "Silence is shortened (x)" },
      { value: "time", label: "Clock", hint: "True to virtual time (x)" },
      { value: "order", label: "Order", hint: "Every row one step (x)" }
    ], (scale) => model.setScale(scale))
    this.reach = choice<Reach>("Rows shown", [
      { value: "all", label: "All rows", hint: "Everything that happened (c)" },
      { value: "past", label: "Causal cone", hint: "Only what can have had a part in the violation (c)" },
      { value: "chain", label: "Causes", hint: "Only the chain of causes (c)" }
    ], (reach) => model.setReach(reach))
    this.element = h(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Cursor and view" },
      h(
        "div",
        { class: "group" },
        button({ label: "Previous message", key: "Shift+ArrowLeft", path: PATH.backMessage }, run("Shift+ArrowLeft")),
        button({ label: "Previous event", key: "ArrowLeft", path: PATH.back }, run("ArrowLeft")),
        button({ label: "Next event", key: "ArrowRight", path: PATH.next }, run("ArrowRight")),
        button({ label: "Next message", key: "Shift+ArrowRight", path: PATH.nextMessage }, run("Shift+ArrowRight"))
      ),
      model.violation === undefined ? undefined : button({ label: "Violation", key: "v" }, run("v")),
      h("span", { class: "grow" }),
      this.reach.element,
      this.scale.element,
      h(
        "div",
        { class: "group" },
        button({ label: "Zoom out", key: "-", path: PATH.far }, run("-")),
        button({ label: "Zoom in", key: "+", path: PATH.near }, run("+")),
        button({ label: "Fit", key: "0" }, run("0"))
      )
    )
    this.fillLegend()
    this.update(new Set(["axis", "mask"]))
  }

  update(parts: ReadonlySet<string>): void {
    if (parts.has("axis")) this.scale.set(this.model.axis.scale)
    if (parts.has("mask")) this.reach.set(this.model.reach)
  }

  private fillLegend(): void {
    const { cuts, messages, standstills } = this.model
    const item = (name: string, text: string) => h("li", {}, h("i", { class: name, "aria-hidden": "true" }), text)
    const slots = new Map<number, Array<string>>()
    messages.types.forEach((type, i) => {
      const slot = slotOf(i)
      slots.set(slot, [...slots.get(slot) ?? [], type])
    })
    replace(
      this.legend,
      ...[...slots].map(([slot, types]) =>
        item(
          `type type-${slot}`,
          types.length > 1 && slot === TYPES - 1 ? `${types.length} other types` : types.join(", ")
        )
      ),
      messages.fate.includes(DROPPED) ? item("dropped", "dropped") : undefined,
      standstills.length > 0 ? item("down", "down") : undefined,
      cuts.some(({ how }) => how === "partition") ? item("partition", "cut off") : undefined,
      cuts.some(({ how }) => how === "clog") ? item("clog", "clogged") : undefined
    )
  }
}
