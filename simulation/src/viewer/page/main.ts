/** The page: reads the run that stands in it, puts the parts together, and lets them know of each other's changes. */
import type { Packed } from "../Packed.ts"
import { Diagram } from "./Diagram.ts"
import { h } from "./Dom.ts"
import { Inspector } from "./Inspector.ts"
import * as Keys from "./Keys.ts"
import { lookOf } from "./Look.ts"
import { Model } from "./Model.ts"
import { Overview } from "./Overview.ts"
import { Rows } from "./Rows.ts"
import { unpack } from "./Run.ts"
import { Toolbar } from "./Toolbar.ts"
import { banner, header } from "./Top.ts"

const root = document.documentElement

const start = (packed: Packed): void => {
  const model = new Model(unpack(packed), (run) => requestAnimationFrame(run))
  const dark = matchMedia("(prefers-color-scheme: dark)")
  const diagram = new Diagram(model, lookOf(root))
  const overview = new Overview(model, lookOf(root))
  const inspector = new Inspector(model)
  const rows = new Rows(model)
  const toolbar = new Toolbar(model)
  const dialog = Keys.help()

  const recolour = () => {
    const look = lookOf(root)
    diagram.setLook(look)
    overview.setLook(look)
    model.redraw()
  }
  const theme = () => {
    const now = root.dataset["theme"] ?? (dark.matches ? "dark" : "light")
    root.dataset["theme"] = now === "dark" ? "light" : "dark"
    recolour()
  }
  const actions = {
    theme,
    help: () => dialog.showModal(),
    find: () => document.getElementById("find")?.focus()
  }
  document.body.replaceChildren(
    header(model, actions),
    banner(model),
    h(
      "main",
      {},
      h(
        "section",
        { class: "picture", "aria-label": "Diagram" },
        toolbar.element,
        diagram.element,
        h("div", { class: "strip" }, overview.element),
        toolbar.legend
      ),
      inspector.element,
      rows.element
    ),
    dialog
  )
  Keys.listen(model, actions)
  dark.addEventListener("change", recolour)
  for (const part of [diagram, overview, inspector, rows]) part.drawAll()
  const size = () => `${diagram.element.clientWidth} ${diagram.element.clientHeight}`
  let drawn = size()
  new ResizeObserver(() => {
    if (size() === drawn) return
    drawn = size()
    model.redraw()
  }).observe(diagram.element)
  model.onChange((parts) => {
    for (const part of [diagram, overview, inspector, rows, toolbar]) part.update(parts)
  })
}

const run: Packed = JSON.parse(document.getElementById("run")?.textContent ?? "null")
start(run)
performance.mark("sotto-ready")
