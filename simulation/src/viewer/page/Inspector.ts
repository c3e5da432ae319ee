/** The side: the row at the cursor with its cause and effects, and panes for states, the wire, and the run. */
import { duration, moment } from "./Axis.ts"
import { nodeCondition } from "./Condition.ts"
import * as Describe from "./Describe.ts"
import { button, h, replace } from "./Dom.ts"
import type { Model } from "./Model.ts"
import { BEFORE, causeOf, effectsOf, kindOf, nodeOf, timeOf } from "./Run.ts"
import type { Leaf, NodeState } from "./State.ts"
import { seen, totals } from "./Wire.ts"

const panes = [
  { id: "state", label: "State" },
  { id: "wire", label: "Wire" },
  { id: "run", label: "Run" }
] as const

/** No more of a state than that is listed: of the node at the cursor, and of another when there are many. */
const LEAVES_MAX = 120
const LEAVES_FEW = 3
/** With more nodes than that, the others tell little. */
const NODES_FULL = 8

type Pane = (typeof panes)[number]["id"]

export class Inspector {
  readonly element: HTMLElement
  private readonly model: Model
  private readonly row = h("div", { class: "at" })
  private readonly pane = h("div", { class: "pane", role: "tabpanel", id: "pane", tabindex: 0 })
  private readonly tabs: ReadonlyArray<HTMLButtonElement>
  private readonly says = h("p", { class: "unseen", "aria-live": "polite", id: "at-cursor" })
  private shown: Pane = "state"

  constructor(model: Model) {
    this.model = model
    this.tabs = panes.map(({ id, label }) =>
      h("button", {
        type: "button",
        role: "tab",
        id: `tab-${id}`,
        "aria-controls": "pane",
        onclick: () => this.open(id)
      }, label)
    )
    const list = h("div", { role: "tablist", class: "tabs", "aria-label": "Panes" }, ...this.tabs)
    list.addEventListener("keydown", (event) => this.turn(event))
    this.element = h(
      "aside",
      { class: "inspector", "aria-label": "At the cursor" },
      this.says,
      this.row,
      list,
      this.pane
    )
    this.open("state")
  }

  open(pane: Pane): void {
    this.shown = pane
    for (const tab of this.tabs) {
      const chosen = tab.id === `tab-${pane}`
      tab.setAttribute("aria-selected", String(chosen))
      tab.tabIndex = chosen ? 0 : -1
    }
    this.pane.setAttribute("aria-labelledby", `tab-${pane}`)
    this.fill()
  }

  update(parts: ReadonlySet<string>): void {
    if (parts.has("cursor") || parts.has("mask")) this.drawAll()
    else if (parts.has("wire")) this.fill()
  }

  drawAll(): void {
    if (this.model.run.size === 0) return replace(this.row, h("p", { class: "dim" }, "The trace has no rows."))
    this.fillRow()
    if (this.shown !== "run") this.fill()
    this.says.textContent = Describe.row(this.model.run, this.model.cursor)
  }

  private turn(event: KeyboardEvent): void {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0
    if (by === 0) return
    event.preventDefault()
    event.stopPropagation()
    const at = panes.findIndex(({ id }) => id === this.shown)
    const next = panes[(at + by + panes.length) % panes.length]
    if (next === undefined) return
    this.open(next.id)
    this.tabs.find(({ id }) => id === `tab-${next.id}`)?.focus()
  }

  private link(at: number): HTMLElement {
    const { run } = this.model
    const text = `#${run.first + at} ${nodeOf(run, at)} ${kindOf(run, at)}`
    return h("button", { type: "button", class: "link", onclick: () => this.model.moveTo(at) }, text)
  }

  private fillRow(): void {
    const { cursor, run } = this.model
    const cause = causeOf(run, cursor)
    const effects = effectsOf(run, cursor, 7)
    const payload = Object.entries(run.payload(cursor))
    replace(
      this.row,
      h(
        "h2",
        {},
        h("span", { class: "chip" }, nodeOf(run, cursor)),
        " ",
        kindOf(run, cursor),
        h("span", { class: "dim number" }, `#${run.first + cursor}`)
      ),
      h("p", { class: "dim number" }, `${moment(timeOf(run, cursor))} s`),
      payload.length === 0 ? undefined : h(
        "dl",
        {},
        ...payload.flatMap(([key, value]) => [
          h("dt", {}, key),
          h("dd", {}, String(value))
        ])
      ),
      h(
        "p",
        { class: "links" },
        h("span", { class: "dim" }, "caused by "),
        cause >= 0 ? this.link(cause) : cause === BEFORE ? "a row before the first one here" : "nothing",
        effects.length === 0 ? undefined : h("span", { class: "dim" }, " · caused "),
        ...effects.slice(0, 6).flatMap((at) => [this.link(at), " "]),
        effects.length > 6 ? "…" : undefined
      )
    )
  }

  private fill(): void {
    if (this.shown === "state") this.fillStates()
    else if (this.shown === "wire") this.fillWire()
    else this.fillRun()
  }

  private fillStates(): void {
    const { cursor, lanes, run } = this.model
    const here = nodeOf(run, cursor)
    const cards = lanes.lanes.flatMap(({ kind, node }, lane) => {
      const state = this.model.stateOf(node, run.first + cursor)
      if (kind === "" && state === undefined) return []
      const condition = nodeCondition(this.model, lane, timeOf(run, cursor))
      const most = node === here || lanes.lanes.length <= NODES_FULL ? LEAVES_MAX : LEAVES_FEW
      return [h(
        "section",
        { class: `card ${condition}${node === here ? " here" : ""}` },
        h(
          "h3",
          {},
          node,
          h("span", { class: "badge" }, condition),
          h("span", { class: "dim" }, state === undefined ? "" : `as of #${state.row}`)
        ),
        state === undefined
          ? h(
            "p",
            { class: "dim" },
            run.packed.states.row.length === 0 ? "no probe in this trace" : "has said nothing yet"
          )
          : h(
            "dl",
            {},
            ...told(state, run.first + cursor, most).flatMap(({ change, path, value }) => [
              h("dt", { class: change }, path === "" ? "state" : path),
              h("dd", { class: change, title: change === "same" ? undefined : change }, value)
            ])
          )
      )]
    })
    replace(this.pane, ...cards)
  }

  private fillWire(): void {
    const { cursor, lanes, run, wireNode } = this.model
    const pick = h(
      "select",
      { "aria-label": "Seen by", onchange: () => this.model.setWireNode(pick.value) },
      ...lanes.lanes.map(({ node }) => h("option", { value: node, selected: node === wireNode }, node))
    )
    const sums = totals(run, wireNode, cursor)
    const side = (name: string, { bytes, messages }: { readonly messages: number; readonly bytes: number }) =>
      h("span", {}, h("b", {}, messages.toLocaleString("en")), ` ${name}, ${size(bytes)}`)
    const list = seen(run, wireNode, cursor, 60)
    replace(
      this.pane,
      h("p", { class: "bar" }, h("span", {}, "Seen by "), pick),
      h(
        "p",
        { class: "sums" },
        side("in", sums.in),
        side("out", sums.out),
        h("span", {}, h("b", {}, `${sums.connections}`), " connections")
      ),
      h(
        "table",
        { class: "wire" },
        h("caption", { class: "unseen" }, `What ${wireNode} saw up to the cursor, latest first`),
        h(
          "thead",
          {},
          h("tr", {}, ...["row", "conn", "way", "peer", "type", "bytes"].map((name) => h("th", { scope: "col" }, name)))
        ),
        h(
          "tbody",
          {},
          ...list.map(({ at, bytes, connection, peer, type, way }) =>
            h(
              "tr",
              { class: at === cursor ? "here" : undefined },
              h(
                "td",
                {},
                h(
                  "button",
                  { type: "button", class: "link", onclick: () => this.model.moveTo(at) },
                  `${run.first + at}`
                )
              ),
              h("td", {}, connection),
              h("td", { title: way }, way === "in" ? "→ in" : way === "out" ? "← out" : "·"),
              h("td", {}, peer),
              h("td", {}, type),
              h("td", { class: "number" }, bytes === undefined ? "" : bytes.toLocaleString("en"))
            )
          )
        )
      )
    )
  }

  private fillRun(): void {
    const { packed } = this.model.run
    const { scenario } = packed
    const facts: ReadonlyArray<readonly [string, string]> = [
      ["simulation", scenario.simulation],
      ["seed", scenario.seed],
      ["strategy", scenario.strategy],
      ["events", packed.events.toLocaleString("en")],
      ["virtual time", duration(packed.simulatedMicros)],
      ["trace hash", packed.traceHash],
      ["commands", String(scenario.workload.length)],
      ["faults", String(scenario.faults.length)],
      ["situations", packed.situations.toLocaleString("en")],
      ["loss expected", packed.lossExpected.join("; ") || "no"]
    ]
    const list = (pairs: ReadonlyArray<readonly [string, string]>) =>
      h("dl", {}, ...pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))
    const section = (name: string, ...children: ReadonlyArray<HTMLElement>) =>
      h("section", { class: "card" }, h("h3", {}, name), ...children)
    const marks = Object.entries(packed.marks).map(([name, count]) => [name, count.toLocaleString("en")] as const)
    const stuck = packed.stuck.map(({ node, waits }) => [node, waits] as const)
    const nodes = scenario.nodes.map(({ clock, name, policy, preemption }) =>
      [
        name,
        `${policy.kind}, preempted ${preemption.p}, clock ${duration(Math.abs(clock.skewMicros))} ${
          clock.skewMicros < 0 ? "behind" : "ahead"
        }, ${clock.driftPpm} ppm`
      ] as const
    )
    const knobs = Object.entries(scenario.knobs).map(([name, value]) => [name, JSON.stringify(value)] as const)
    replace(
      this.pane,
      section("Run", list(facts)),
      stuck.length === 0 ? undefined : section("Did not come to rest", list(stuck)),
      marks.length === 0 ? undefined : section("Marks", list(marks)),
      knobs.length === 0 ? undefined : section("Knobs", list(knobs)),
      section("Nodes", list(nodes)),
      button({ label: "Save the scenario as JSON", text: true }, () => save(packed.shrunk ?? scenario))
    )
  }
}

/** The leaves to show. What changed is marked at the row where it did, and no longer. */
const told = ({ leaves, row }: NodeState, cursor: number, most: number): ReadonlyArray<Leaf> =>
  leaves.slice(0, most).flatMap((leaf) =>
    row === cursor ? [leaf] : leaf.change === "gone" ? [] : [{ ...leaf, change: "same" as const }]
  )

const size = (bytes: number): string =>
  bytes < 10_000 ? `${bytes.toLocaleString("en")} B` : `${Math.round(bytes / 1024).toLocaleString("en")} KiB`

/** Hands a scenario to the person, for `sotto-sim replay FILE`. */
const save = (scenario: { readonly simulation: string; readonly seed: string }): void => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(scenario, undefined, 2)], { type: "application/json" }))
  const name = `${scenario.simulation.replace(/\W+/g, "-")}-${scenario.seed}.json`
  h("a", { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 1_000)
}
