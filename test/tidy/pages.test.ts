/** Pages that repeat what the code says have to say the same: tables of modules, limits and metrics, and links. */
import { LIMITS } from "@sotto/core/relay/RelayOptions"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import { files, isProse, read, root } from "./tree.ts"

/** The names in the first column of a page's tables, where they match. */
const firstCells = (page: string, name: RegExp): ReadonlyArray<string> =>
  [...read(page).matchAll(/^\| `([^`]+)`/gm)].flatMap(([, cell]) => cell !== undefined && name.test(cell) ? [cell] : [])

describe("a package's page names exactly its public modules", () => {
  /** What is not for others, and commands and migrations, which nobody imports. */
  const inside = /^(internal|cli|migrations)\/|^index$/

  for (const name of ["schema", "core", "runtime-node", "runtime-browser"]) {
    it(`@sotto/${name}`, () => {
      const source = `packages/${name}/src/`
      const modules = files.filter((path) => path.startsWith(source) && path.endsWith(".ts"))
        .map((path) => path.slice(source.length, -".ts".length)).filter((module) => !inside.test(module))
      assert.deepStrictEqual([...firstCells(`packages/${name}/README.md`, /./)].sort(), modules.sort())
    })
  }
})

describe("docs/operate/relay.md", () => {
  const page = "docs/operate/relay.md"

  it("has every limit with its default", () => {
    const rows = [...read(page).matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)].map(([, name, value]) => `${name} ${value}`)
    assert.deepStrictEqual(
      rows,
      Object.entries(LIMITS).map(([name, value]) => `${name} ${value.toLocaleString("en")}`)
    )
  })

  it("has every metric", () => {
    const metrics = [...read("packages/core/src/relay/RelayMetrics.ts").matchAll(/"(sotto_relay_\w+)"/g)]
    assert.deepStrictEqual([...firstCells(page, /^sotto_relay_/)].sort(), metrics.map(([, name]) => name ?? "").sort())
  })
})

describe("README.md", () => {
  it("quotes what the demo prints", () => {
    const source = read("test/demo/two.ts")
    const ticks = [...source.matchAll(/\btick\((["`])(.*?)\1\)\n/g)].map(([, , text]) => text ?? "")
    const burst = String(2 * Number(/const BURST = (\d+)/.exec(source)?.[1]))
    const patterns = ticks.map((text) => {
      const parts = text.replace(/\\n.*/, "").replace("${2 * BURST}", burst).split(/\$\{[^}]*\}/)
      return new RegExp(`^${parts.map((part) => part.replace(/[()[\].+*?^$|\\]/g, "\\$&")).join(".+")}$`)
    })
    const quoted = [...read("README.md").matchAll(/^ *[\d.]+ s {2}✓ (.*)$/gm)].map(([, text]) => text ?? "")
    assert.strictEqual(quoted.length, ticks.length)
    assert.deepStrictEqual(quoted.filter((line) => !patterns.some((pattern) => pattern.test(line))), [])
  })
})

describe("links", () => {
  /** The anchors of a page, as they are made from its headings. */
  const anchors = (page: string): ReadonlyArray<string> =>
    [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      (heading ?? "").toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    )

  it("lead to something", () => {
    const dead = files.filter(isProse).flatMap((page) =>
      [...read(page).replace(/^```[\s\S]*?^```/gm, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
        if (link === undefined || /^[a-z]+:/.test(link)) return []
        const [path = "", anchor] = link.split("#")
        const target = path === "" ? page : join(dirname(page), path)
        const there = existsSync(join(root, target)) &&
          (anchor === undefined || !target.endsWith(".md") || anchors(target).includes(anchor))
        return there ? [] : [`${page}: ${link}`]
      })
    )
    assert.deepStrictEqual(dead, [])
  })
})

describe("docs/internals/hacking.md", () => {
  it("names files and functions that are there", () => {
    const rows = [...read("docs/internals/hacking.md").matchAll(/^\| \d+ \| `([^`]+)` \| `(\w+)` \|/gm)]
    assert.isAbove(rows.length, 20)
    const wrong = rows.flatMap(([, file = "", name = ""]) => {
      const path = /^(schema|runtime-node)\//.test(file) ? `packages/${file}` : `packages/core/src/${file}`
      const defined = new RegExp(`\\bconst ${name}\\b|^ {2}${name}\\(`, "m")
      return files.includes(path) && defined.test(read(path)) ? [] : [`${file}: ${name}`]
    })
    assert.deepStrictEqual(wrong, [])
  })
})
