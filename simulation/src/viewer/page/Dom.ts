/** Elements without a library: what a page of this size needs. Text goes in as text, never as HTML. */
export type Child = Node | string | undefined
export type Attributes = { readonly [name: string]: string | number | boolean | undefined | ((event: Event) => void) }

/** An element with attributes (`onclick` and such as listeners) and children. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value)
    else if (value === true) element.setAttribute(name, "")
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  for (const child of children) if (child !== undefined) element.append(child)
  return element
}

export const replace = (element: Element, ...children: ReadonlyArray<Child>): void => {
  element.replaceChildren(...children.filter((child) => child !== undefined))
}

/** An icon from one path in a square of 16. It says nothing: its button does. */
export const icon = (path: string): SVGSVGElement => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("aria-hidden", "true")
  shape.setAttribute("d", path)
  svg.append(shape)
  return svg
}

export interface ButtonOptions {
  readonly label: string
  /** The key that does the same. */
  readonly key?: string
  readonly path?: string
  /** Whether the label is to be read beside the icon. */
  readonly text?: boolean
}

export const button = (options: ButtonOptions, run: () => void): HTMLButtonElement =>
  h(
    "button",
    {
      type: "button",
      class: options.path === undefined || options.text === true ? "button" : "button square",
      title: options.key === undefined ? options.label : `${options.label} (${options.key})`,
      "aria-label": options.text === true || options.path === undefined ? undefined : options.label,
      "aria-keyshortcuts": options.key,
      onclick: run
    },
    options.path === undefined ? undefined : icon(options.path),
    options.text === true || options.path === undefined ? options.label : undefined
  )

/** One of a few, as buttons side by side. */
export const choice = <A extends string>(
  name: string,
  options: ReadonlyArray<{ readonly value: A; readonly label: string; readonly hint: string }>,
  pick: (value: A) => void
): { readonly element: HTMLElement; readonly set: (value: A) => void } => {
  const buttons = options.map(({ hint, label, value }) =>
    h("button", { type: "button", title: hint, "data-value": value, onclick: () => pick(value) }, label)
  )
  return {
    element: h("div", { role: "group", class: "choice", "aria-label": name }, ...buttons),
    set: (value) => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset["value"] === value))
    }
  }
}

/** A canvas that has as many pixels as the screen does. */
export class Sheet {
  readonly canvas: HTMLCanvasElement
  readonly context: CanvasRenderingContext2D
  width = 0
  height = 0

  constructor(name: string) {
    this.canvas = h("canvas", { class: name, "aria-hidden": "true" })
    const context = this.canvas.getContext("2d")
    if (context === null) throw new Error("this browser draws no canvas")
    this.context = context
  }

  /** Gives it a size in pixels of the page, and an empty surface. */
  clear(width: number, height: number): void {
    const scale = globalThis.devicePixelRatio
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)]
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide
      this.canvas.height = high
      this.canvas.style.width = `${width}px`
      this.canvas.style.height = `${height}px`
    }
    this.width = width
    this.height = height
    this.context.setTransform(scale, 0, 0, scale, 0, 0)
    this.context.clearRect(0, 0, width, height)
  }
}
