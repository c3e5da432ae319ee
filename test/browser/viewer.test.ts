/**
 * The viewer's file, opened from a disk in a real browser: what its keys do, how much it draws, what it says to those
 * who do not see the drawing, and what it looks like (`SOTTO_SCREENSHOT=1` takes the pictures of the docs anew).
 */
import { render } from "@sotto/simulation/viewer/Render"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { sampleReport } from "../../simulation/test/kit/sampleReport.ts"
import { shelf } from "../../simulation/test/kit/shelf.ts"
import { chromiumExecutable } from "./chromium.ts"
import { unpackFonts } from "./fonts.ts"

const assets = new URL("../../docs/assets/", import.meta.url)
const takesPictures = process.env["SOTTO_SCREENSHOT"] === "1"

let browser: Browser
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sotto-viewer-"))
  const { env, path } = await chromiumExecutable()
  const fonts = takesPictures ? { FONTCONFIG_FILE: await unpackFonts(folder) } : {}
  browser = await chromium.launch({
    executablePath: path,
    args: ["--disable-gpu", "--no-first-run"],
    env: { ...process.env, ...env, ...fonts }
  })
})

afterAll(async () => {
  await browser.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

interface Opened {
  readonly page: Page
  /** Errors of the console, uncaught errors, and requests for anything but the file. */
  readonly problems: Array<string>
}

const open = async (html: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Opened> => {
  const file = join(folder, "run.html")
  await writeFile(file, html)
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options })
  const problems: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
  })
  page.on("pageerror", (error) => problems.push(error.message))
  page.on("request", (request) => {
    if (request.url() !== pathToFileURL(file).href && !request.url().startsWith("data:")) problems.push(request.url())
  })
  await page.addInitScript(countCalls)
  await page.goto(pathToFileURL(file).href)
  await page.waitForFunction(() => performance.getEntriesByName("sotto-ready").length > 0)
  await settled(page)
  return { page, problems }
}

/** Counts what is called of every canvas, in the page: `calls.draw` that put something on it, `calls.path` that build it. */
const countCalls = () => {
  const calls = { draw: 0, path: 0 }
  Reflect.set(globalThis, "calls", calls)
  const drawing = new Set(["stroke", "fill", "fillRect", "strokeRect", "fillText", "strokeText", "clearRect"])
  const building = new Set(["moveTo", "lineTo", "arc", "rect", "roundRect", "closePath"])
  const { prototype } = CanvasRenderingContext2D
  for (const name of [...drawing, ...building]) {
    const before: unknown = Reflect.get(prototype, name)
    if (typeof before !== "function") continue
    Reflect.set(prototype, name, function(this: unknown, ...args: ReadonlyArray<unknown>) {
      if (drawing.has(name)) calls.draw++
      else calls.path++
      return Reflect.apply(before, this, args)
    })
  }
}

const callsOf = (page: Page) =>
  page.evaluate((): { readonly draw: number; readonly path: number } => Reflect.get(globalThis, "calls"))

/** Two frames later: what was told is drawn. */
const settled = (page: Page) =>
  page.evaluate(() =>
    new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))
  )

const press = async (page: Page, ...keys: ReadonlyArray<string>) => {
  for (const key of keys) await page.keyboard.press(key)
  await settled(page)
}

const cursorOf = async (page: Page) => Number(await page.getByRole("slider").getAttribute("aria-valuenow"))
const rowsOf = async (page: Page) =>
  Number(await page.getByRole("table", { name: "Rows of the trace" }).getAttribute("aria-rowcount")) - 1

describe("the viewer", () => {
  it("opens from a disk, loads nothing, and complains of nothing", async () => {
    const { page, problems } = await open(render(sampleReport()))
    assert.strictEqual(await page.title(), "notes · 0k3v9q2m7xwzt")
    await page.getByRole("heading", { name: "no-acked-loss violated" }).waitFor()
    assert.strictEqual(await cursorOf(page), 601)
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("moves the cursor by event, message, node and cause with keys", async () => {
    const { page, problems } = await open(render(sampleReport()))
    const report = sampleReport()
    await press(page, "Home")
    assert.strictEqual(await cursorOf(page), 0)
    await press(page, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert.strictEqual(await cursorOf(page), 2)
    const isMessage = (kind: string) => ["send", "recv", "drop"].includes(kind)
    const next = report.rows.findIndex(({ i, kind }) => i > 2 && isMessage(kind))
    await press(page, "Shift+ArrowRight")
    assert.strictEqual(await cursorOf(page), next)
    const { node } = report.rows[next] ?? {}
    await press(page, "n")
    assert.strictEqual(await cursorOf(page), report.rows.findIndex((row) => row.i > next && row.node === node))
    await press(page, "v")
    assert.strictEqual(await cursorOf(page), 601)
    await press(page, "b")
    assert.strictEqual(await cursorOf(page), report.rows[601]?.cause)
    await press(page, "End", "ArrowRight")
    assert.strictEqual(await cursorOf(page), 601)
    await press(page, "ArrowUp")
    assert.notStrictEqual(report.rows[await cursorOf(page)]?.node, "client-3")
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("shows only what led to the violation, and everything again", async () => {
    const { page, problems } = await open(render(sampleReport()))
    const { rows } = sampleReport()
    assert.strictEqual(await rowsOf(page), rows.length)
    await press(page, "c")
    const cone = await rowsOf(page)
    assert.isBelow(cone, rows.length)
    await press(page, "c")
    let chain = 0
    for (let at: number | undefined = rows.length - 1; at !== undefined; at = rows[at]?.cause) chain++
    assert.strictEqual(await rowsOf(page), chain)
    assert.isBelow(chain, cone)
    const before = await cursorOf(page)
    await press(page, "ArrowLeft")
    assert.strictEqual(await cursorOf(page), rows[before]?.cause)
    await press(page, "c")
    assert.strictEqual(await rowsOf(page), rows.length)
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("shows states, the wire and the run, by mouse and by keys", async () => {
    const { page, problems } = await open(render(sampleReport()))
    const panel = page.getByRole("tabpanel")
    assert.include(await panel.innerText(), "digest")
    await page.getByRole("tab", { name: "State" }).focus()
    await page.keyboard.press("ArrowRight")
    assert.strictEqual(await page.getByRole("tab", { name: "Wire" }).getAttribute("aria-selected"), "true")
    assert.strictEqual(await page.getByLabel("Seen by").inputValue(), "relay")
    assert.match(await panel.innerText(), /→ in\s+client-\d\s+(push|beat)\s+\d+/)
    assert.notInclude(await panel.innerText(), "disk")
    await page.getByLabel("Seen by").selectOption("client-1")
    await settled(page)
    assert.match(await panel.innerText(), /→ in\s+relay\s+(ack|entries)/)
    await page.getByRole("tab", { name: "Run" }).click()
    assert.include(await panel.innerText(), "3f9c11ab04d2e67c")
    assert.include(await panel.innerText(), "entry 7 of client-1, which nobody has")
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("finds, zooms, scrubs, changes the axis and the colours", async () => {
    const { page, problems } = await open(render(sampleReport()))
    await press(page, "/")
    await page.keyboard.type("crash")
    await press(page, "Enter")
    assert.include(await page.locator(".at h2").innerText(), "fault")
    await press(page, "Enter")
    assert.include(await page.locator(".at h2").innerText(), "crash")
    const box = await page.getByRole("slider").boundingBox()
    assert.isNotNull(box)
    await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) * 0.02, (box?.y ?? 0) + 20)
    await settled(page)
    assert.isBelow(await cursorOf(page), 60)
    for (const key of ["+", "+", "-", "x", "x", "PageDown", "PageUp", "f", "F", "e", "0"]) await press(page, key)
    const background = () => page.evaluate(() => getComputedStyle(document.body).color)
    const before = await background()
    await press(page, "t")
    assert.notStrictEqual(await background(), before)
    await press(page, "?")
    assert.isTrue(await page.getByRole("dialog").isVisible())
    await press(page, "Escape")
    assert.isFalse(await page.getByRole("dialog").isVisible())
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("draws a bounded number of things, however many rows there are", async () => {
    for (const rows of [600, 100_000]) {
      const { page, problems } = await open(render(sampleReport({ rows })))
      const opened = await callsOf(page)
      const ready = await page.evaluate(() => performance.getEntriesByName("sotto-ready")[0]?.startTime ?? 0)
      await press(page, "ArrowLeft")
      const stepped = await callsOf(page)
      process.stdout.write(
        `${rows} rows: open after ${ready.toFixed(0)} ms, ${opened.draw} draws of ${opened.path} parts\n`
      )
      assert.isBelow(opened.draw, 2_000)
      assert.isBelow(opened.path, 120_000)
      // A step of the cursor leaves the drawing below it alone.
      assert.isBelow(stepped.draw - opened.draw, 120)
      assert.isBelow(stepped.path - opened.path, 600)
      assert.isBelow(await page.locator("[role=table] [role=row]").count(), 60)
      assert.deepStrictEqual(problems, [])
      await page.close()
    }
  })

  it("says everything without a picture", async () => {
    const { page } = await open(render(sampleReport()))
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("button, [role=slider], [role=tab], [role=table], [tabindex='0'], select, input")]
        .filter((element) => {
          const name = element.getAttribute("aria-label") ?? element.getAttribute("aria-labelledby") ??
            element.textContent
          return name === null || name.trim() === ""
        }).map((element) => element.outerHTML.slice(0, 80))
    )
    assert.deepStrictEqual(nameless, [])
    assert.strictEqual(await page.locator("html").getAttribute("lang"), "en")
    assert.strictEqual(await page.locator("h1").count(), 1)
    assert.match(await page.getByRole("slider").getAttribute("aria-valuetext") ?? "", /^row 601, 6\.\d{6} seconds$/)
    assert.match(await page.locator("[aria-live]").innerText(), /^#601 at 6\.\d{6} s: client-3 violation/)
    const current = page.locator("[role=row][aria-current=true]")
    assert.strictEqual(await current.getAttribute("aria-rowindex"), "603")
    assert.strictEqual(await current.getByRole("cell").count(), 6)
    assert.isTrue(await page.locator("canvas").evaluateAll((all) => all.every((one) => one.ariaHidden === "true")))
    await page.close()
  })

  it("has enough contrast, light and dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page } = await open(render(sampleReport({ rows: 20 })), { colorScheme })
      const colours = await page.evaluate(() => {
        const style = getComputedStyle(document.documentElement)
        const names = [
          "ink",
          "dim",
          "panel",
          "raised",
          "bad",
          "bad-soft",
          "good",
          "good-soft",
          "cursor",
          "cursor-soft",
          "fault"
        ]
        return Object.fromEntries([...names, ...Array.from({ length: 7 }, (_, i) => `type-${i}`)].map((name) => [
          name,
          style.getPropertyValue(`--${name}`).trim()
        ]))
      })
      const ratio = (one: string, other: string) => contrast(colours[one] ?? "", colours[other] ?? "")
      for (const ground of ["panel", "raised", "bad-soft", "good-soft"]) {
        for (const text of ["ink", "dim"]) {
          assert.isAtLeast(ratio(text, ground), 4.5, `${colorScheme} ${text} on ${ground}`)
        }
      }
      const pairs = [["bad", "bad-soft"], ["good", "good-soft"], ["cursor", "panel"], ["cursor", "cursor-soft"], [
        "bad",
        "panel"
      ]] as const
      for (const [text, ground] of pairs) {
        assert.isAtLeast(ratio(text, ground), 4.5, `${colorScheme} ${text} on ${ground}`)
      }
      const drawn = ["fault", ...Array.from({ length: 7 }, (_, i) => `type-${i}`)]
      for (const line of drawn) assert.isAtLeast(ratio(line, "panel"), 3, `${colorScheme} ${line}`)
      await page.close()
    }
  })

  it("keeps to what people ask of their system", async () => {
    const { page, problems } = await open(render(sampleReport()), {
      colorScheme: "dark",
      reducedMotion: "reduce",
      viewport: { width: 420, height: 800 }
    })
    const moving = await page.evaluate(() =>
      [...document.querySelectorAll("*")].filter((element) =>
        parseFloat(getComputedStyle(element).transitionDuration) > 0
      ).length
    )
    assert.strictEqual(moving, 0)
    assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), 420)
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("shows a real run of a protocol with a bug, as in the pictures of the docs", async () => {
    const { report, shrunk } = shelf()
    assert.deepStrictEqual(report.violations.map(({ invariant, message }) => `${invariant}: ${message}`), [
      "no acked loss: client-2:4 is lost, which client-2 answered for (command 7)"
    ])
    const narrative = [
      "client-2 puts its fourth note. The relay takes it into memory, answers, and hands it on.",
      "93 ms later the relay loses power, before it wrote the note to its disk.",
      "It starts again without the note, and nobody sends it again: it was answered for."
    ].join("\n")
    const html = render(report, { title: "A shelf of notes", narrative, shrunk })
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, problems } = await open(html, {
        colorScheme,
        deviceScaleFactor: 1.5,
        viewport: { width: 1360, height: 850 }
      })
      await page.getByText("1 of 6 faults is enough").waitFor()
      const file = fileURLToPath(new URL(`simulator-${colorScheme}.png`, assets))
      if (takesPictures) {
        await mkdir(fileURLToPath(assets), { recursive: true })
        await page.screenshot({ path: file })
      }
      assert.deepStrictEqual(sizeOf(await readFile(file)), { width: 2040, height: 1275 })
      assert.deepStrictEqual(problems, [])
      await page.close()
    }
  })
})

/** Width and height of a PNG, from its head. */
const sizeOf = (png: Buffer) => ({ width: png.readUInt32BE(16), height: png.readUInt32BE(20) })

/** Of two colours written `#rrggbb`, after WCAG 2. */
const contrast = (one: string, other: string): number => {
  const light = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const part = parseInt(colour.slice(at, at + 2), 16) / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const [low = 0, high = 0] = [light(one), light(other)].sort((a, b) => a - b)
  return (high + 0.05) / (low + 0.05)
}
