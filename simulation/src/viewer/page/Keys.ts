/** The keys, in one table: what the help shows is what the page does. */
import { scales } from "./Axis.ts"
import { h } from "./Dom.ts"
import { type Model, reaches } from "./Model.ts"
import { rowsUntil } from "./Run.ts"
import * as Step from "./Step.ts"

interface Key {
  readonly keys: ReadonlyArray<string>
  readonly says: string
  readonly run: (model: Model) => void
}

const ofMessage = (model: Model, direction: Step.Direction) =>
  model.moveTo(Step.ofFamily(model.run, model.mask, model.cursor, direction, ["message", "drop"]))

const ofFault = (model: Model, direction: Step.Direction) =>
  model.moveTo(Step.ofFamily(model.run, model.mask, model.cursor, direction, ["fault", "death", "life"]))

/** To the next lane in a direction that has a row. */
const toLane = (model: Model, direction: Step.Direction) => {
  const { cursor, lanes, mask, run } = model
  const here = lanes.byNode[run.node[cursor] ?? 0] ?? 0
  for (let lane = here + direction; lane >= 0 && lane < lanes.lanes.length; lane += direction) {
    const index = lanes.lanes[lane]?.index
    const at = index === undefined ? cursor : Step.toNode(run, mask, cursor, index)
    if (at !== cursor) return model.moveTo(at)
  }
}

const next = <A>(values: ReadonlyArray<A>, value: A): A => values[(values.indexOf(value) + 1) % values.length] ?? value

const step = (keys: ReadonlyArray<string>, says: string, to: (model: Model) => number): Key => ({
  keys,
  says,
  run: (model) => model.moveTo(to(model))
})

/** Moves the frame sideways by half of what is to be seen, and the cursor with it. */
const page = (model: Model, direction: Step.Direction) => {
  const { axis, cursor, frame, run } = model
  const half = (frame.to - frame.from) / 2
  const place = model.place(cursor) + direction * half
  model.show({ from: frame.from + direction * half, to: frame.to + direction * half })
  model.moveTo(rowsUntil(run, axis.timeOfPlace(Math.max(0, Math.min(axis.length, place)))) - 1)
}

const keys: ReadonlyArray<Key> = [
  step(["ArrowLeft"], "previous event", ({ cursor, mask, run }) => Step.event(run, mask, cursor, -1)),
  step(["ArrowRight"], "next event", ({ cursor, mask, run }) => Step.event(run, mask, cursor, 1)),
  { keys: ["Shift+ArrowLeft", "M"], says: "previous message", run: (model) => ofMessage(model, -1) },
  { keys: ["Shift+ArrowRight", "m"], says: "next message", run: (model) => ofMessage(model, 1) },
  step(["N"], "previous event of this node", ({ cursor, mask, run }) => Step.onNode(run, mask, cursor, -1)),
  step(["n"], "next event of this node", ({ cursor, mask, run }) => Step.onNode(run, mask, cursor, 1)),
  { keys: ["ArrowUp"], says: "the node above", run: (model) => toLane(model, -1) },
  { keys: ["ArrowDown"], says: "the node below", run: (model) => toLane(model, 1) },
  { keys: ["F"], says: "previous fault, crash or start", run: (model) => ofFault(model, -1) },
  { keys: ["f"], says: "next fault, crash or start", run: (model) => ofFault(model, 1) },
  step(["b"], "back to its cause", ({ cursor, run }) => Step.cause(run, cursor)),
  step(["e"], "on to its first effect", ({ cursor, run }) => Step.effect(run, cursor)),
  step(["v"], "the violation", (model) => model.violation ?? model.cursor),
  step(["Home"], "the first row", () => 0),
  step(["End"], "the last row", ({ run }) => run.size - 1),
  { keys: ["PageUp"], says: "half a picture back", run: (model) => page(model, -1) },
  { keys: ["PageDown"], says: "half a picture on", run: (model) => page(model, 1) },
  {
    keys: ["c"],
    says: "all rows, the cone of the violation, its causes",
    run: (model) => model.setReach(next(reaches, model.reach))
  },
  { keys: ["C"], says: "the causes of the row at the cursor", run: (model) => model.setReach("chain", model.cursor) },
  { keys: ["x"], says: "axis: even, clock, order", run: (model) => model.setScale(next(scales, model.axis.scale)) },
  { keys: ["+", "="], says: "zoom in", run: (model) => model.zoom(0.6) },
  { keys: ["-"], says: "zoom out", run: (model) => model.zoom(1 / 0.6) },
  { keys: ["0"], says: "the whole run", run: (model) => model.showAll() }
]

/** What a key press is called in the table: `Shift+` only for keys that have no other sign with it. */
const nameOf = (event: Pick<KeyboardEvent, "key" | "shiftKey">): string =>
  event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key

/** Does what a key does. False when it does nothing. */
export const command = (model: Model, name: string): boolean => {
  const found = keys.find((key) => key.keys.includes(name))
  found?.run(model)
  return found !== undefined
}

export interface Others {
  readonly theme: () => void
  readonly help: () => void
  readonly find: () => void
}

/** Listens on the page. Fields for text, lists and open dialogs keep their keys. */
export const listen = (model: Model, others: Others): void => {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (event.target instanceof Element && event.target.closest("input, select, dialog[open]") !== null) return
    const name = nameOf(event)
    const own = { t: others.theme, "?": others.help, "/": others.find }[name]
    if (own !== undefined) own()
    else if (!command(model, name)) return
    event.preventDefault()
  })
}

export const help = (): HTMLDialogElement => {
  const more = [["t", "light or dark"], ["/", "find in rows"], ["?", "this list"]] as const
  const rows = [...keys.map(({ keys: names, says }) => [names.join("  "), says] as const), ...more]
  const readable = (names: string) =>
    names.replace("Shift+ArrowLeft", "⇧←").replace("Shift+ArrowRight", "⇧→").replace("ArrowLeft", "←")
      .replace("ArrowRight", "→").replace("ArrowUp", "↑").replace("ArrowDown", "↓")
  const dialog = h(
    "dialog",
    { "aria-label": "Keys" },
    h("h2", {}, "Keys"),
    h(
      "dl",
      { class: "keys" },
      ...rows.flatMap(([names, says]) => [
        h("dt", {}, ...readable(names).split("  ").map((name) => h("kbd", {}, name))),
        h("dd", {}, says)
      ])
    ),
    h(
      "p",
      { class: "dim" },
      "In the drawing: pull to move, wheel to zoom, click to choose a row, double click to come closer."
    ),
    h("form", { method: "dialog" }, h("button", { class: "button" }, "Close"))
  )
  return dialog
}
