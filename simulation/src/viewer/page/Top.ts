/** What stands above the drawing: whose run it is, what was violated, the faults that it takes, and how to see it again. */
import { duration, moment } from "./Axis.ts"
import type { FaultPlan } from "./Band.ts"
import * as Describe from "./Describe.ts"
import { button, h, icon } from "./Dom.ts"
import type { Model } from "./Model.ts"

const ICON = {
  bad: "M8 1 15.5 14.5H.5zM7.2 6v4h1.6V6zm0 5v1.6h1.6V11z",
  good: "M6.2 12.6 1.8 8.2l1.3-1.3 3.1 3.1 6.7-6.7 1.3 1.3z",
  sun:
    "M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM7.3 0h1.4v2.6H7.3zm0 13.4h1.4V16H7.3zM0 7.3h2.6v1.4H0zm13.4 0H16v1.4h-2.6zM2.1 3.1l1-1L5 3.9l-1 1zm9 9 1-1 1.9 1.8-1 1zM3.1 14l-1-1L4 11.1l1 1zm9-9-1-1L13 2.1l1 1z",
  help:
    "M8 .8a7.2 7.2 0 1 1 0 14.4A7.2 7.2 0 0 1 8 .8zm0 1.4a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM7.2 11h1.6v1.6H7.2zm-1.9-4.6C5.3 4.8 6.5 3.7 8.1 3.7c1.5 0 2.7 1 2.7 2.4 0 1.1-.6 1.7-1.3 2.2-.6.4-.8.7-.8 1.3v.4H7.3v-.6c0-1.1.6-1.7 1.3-2.2.5-.4.8-.6.8-1.1 0-.6-.5-1.1-1.3-1.1s-1.4.6-1.4 1.4z"
}

export interface TopActions {
  readonly theme: () => void
  readonly help: () => void
}

export const header = (model: Model, actions: TopActions): HTMLElement => {
  const { packed } = model.run
  const { scenario } = packed
  const fact = (name: string, value: string) =>
    h("span", { class: "fact" }, h("span", { class: "dim" }, `${name} `), value)
  return h(
    "header",
    {},
    h("span", { class: "mark", "aria-hidden": "true" }),
    h("h1", {}, packed.title),
    h(
      "p",
      { class: "facts" },
      fact("seed", scenario.seed),
      fact("strategy", scenario.strategy),
      fact("nodes", String(scenario.nodes.length)),
      fact("events", packed.events.toLocaleString("en")),
      fact("virtual time", duration(packed.simulatedMicros)),
      fact("trace", packed.traceHash)
    ),
    h("span", { class: "grow" }),
    button({ label: "Light or dark", key: "t", path: ICON.sun }, actions.theme),
    button({ label: "Keys", key: "?", path: ICON.help }, actions.help)
  )
}

export const banner = (model: Model): HTMLElement =>
  h(
    "section",
    { class: model.run.packed.ok ? "banner good" : "banner bad", "aria-label": "What became of the run" },
    h("div", { class: "what" }, verdict(model), narrative(model)),
    h("div", { class: "why" }, faults(model), reproduce(model))
  )

const verdict = (model: Model): HTMLElement => {
  const { packed } = model.run
  const [first, ...others] = packed.violations
  if (first === undefined) {
    return h("div", { class: "verdict", role: "status" }, icon(ICON.good), h("h2", {}, "Nothing was violated"))
  }
  const at = model.violations[0]
  const where = [
    `in the ${first.phase} phase`,
    `at ${moment(first.tMicros)} s`,
    first.node === undefined ? "" : `on ${first.node}`
  ].filter((word) => word !== "").join(", ")
  return h(
    "div",
    { class: "verdict", role: "alert" },
    icon(ICON.bad),
    h(
      "div",
      {},
      h("h2", {}, h("code", {}, first.invariant), " violated"),
      h("p", { class: "message" }, first.message),
      h(
        "p",
        { class: "dim" },
        `${where} `,
        at === undefined
          ? undefined
          : h("button", { type: "button", class: "link", onclick: () => model.moveTo(at) }, "go there"),
        others.length === 0
          ? undefined
          : ` and ${others.length} more: ${[...new Set(others.map(({ invariant }) => invariant))].join(", ")}`
      )
    )
  )
}

const narrative = (model: Model): HTMLElement | undefined => {
  const lines = model.run.packed.narrative
  if (lines.length === 0) return undefined
  return lines.length === 1
    ? h("p", { class: "narrative" }, lines[0])
    : h("ol", { class: "narrative" }, ...lines.map((line) => h("li", {}, line)))
}

/** No more faults than that are listed before somebody asks for all. */
const FAULTS_SHOWN = 6

const faults = (model: Model): HTMLElement => {
  const { scenario, shrunk } = model.run.packed
  const needed = shrunk?.faults ?? scenario.faults
  const title = needed.length < scenario.faults.length
    ? enough(needed.length, scenario.faults.length)
    : `${count(needed.length, "fault")} in this run`
  const items = needed.map((plan) => h("li", {}, faultButton(model, plan)))
  const rest = items.slice(FAULTS_SHOWN)
  const list = h("ol", { class: "faults" }, ...items.slice(0, FAULTS_SHOWN))
  const more = rest.length === 0 ? undefined : button({ label: `${rest.length} more`, text: true }, () => {
    list.append(...rest)
    more?.remove()
  })
  return h("div", {}, h("h3", {}, title), list, more)
}

const enough = (needed: number, all: number): string =>
  needed === 0
    ? `None of ${count(all, "fault")} is needed`
    : `${needed} of ${all} faults ${needed === 1 ? "is" : "are"} enough`

const count = (n: number, noun: string): string => `${n === 0 ? "No" : n} ${noun}${n === 1 ? "" : "s"}`

/** A fault as a button: where it is in this run, or as words when it is not in it. */
const faultButton = (model: Model, plan: FaultPlan): HTMLElement => {
  const text = JSON.stringify(plan)
  const band = model.faults.find(({ fault }) => JSON.stringify(fault) === text)
  const words = [h("b", {}, Describe.faultName(plan)), h("span", {}, Describe.fault(plan))]
  if (band === undefined) return h("span", { class: "fault" }, ...words)
  const go = () => {
    const { axis } = model
    const places = [axis.placeOfTime(band.from), axis.placeOfTime(band.to)]
    const room = Math.max(axis.length * 0.05, ((places[1] ?? 0) - (places[0] ?? 0)) * 0.3)
    model.show({ from: (places[0] ?? 0) - room, to: (places[1] ?? 0) + room })
    if (band.row !== undefined) model.moveTo(band.row)
  }
  return h("button", { type: "button", class: "fault", title: "Show it", onclick: go }, ...words)
}

const reproduce = (model: Model): HTMLElement => {
  const line = model.run.packed.reproduce
  const code = h("code", { tabindex: 0, "aria-label": "Line that gives this run again" }, line)
  const copy = button({ label: "Copy", text: true }, () => void put())
  /** Without a clipboard, the line is chosen, so that the reader's own key copies it. */
  const put = async () => {
    try {
      await navigator.clipboard.writeText(line)
      copy.textContent = "Copied"
    } catch {
      getSelection()?.selectAllChildren(code)
    }
  }
  return h("div", { class: "reproduce" }, code, copy)
}
