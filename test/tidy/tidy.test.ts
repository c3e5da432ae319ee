/**
 * Taste as a test: what reviewers would otherwise have to remember. `allow.json` beside this file holds the
 * exceptions, each with its reason; one that is no longer needed fails here, so the list can only shrink unnoticed.
 */
import { Limit } from "@sotto/schema/Limit"
import { Purpose } from "@sotto/schema/Purpose"
import { assert, describe, it } from "vitest"
import { allowed, directives } from "./directives.ts"
import { codeLines, files, isCode, isProse, isSource, isTest, read } from "./tree.ts"

/** Every line of the files that the pattern matches, as `file:line: text`. */
const grep = (paths: ReadonlyArray<string>, pattern: RegExp, text = read): ReadonlyArray<string> =>
  paths.flatMap((path) =>
    text(path).split("\n").flatMap((line, i) =>
      pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 100)}`] : []
    )
  )

const repeated = <A>(values: ReadonlyArray<A>) => values.filter((value, i) => values.indexOf(value) !== i)

describe("the command", () => {
  it("is started with the same flags from the clone, by its first line and by the page for operators", () => {
    const [first = ""] = read("packages/runtime-node/src/cli/main.ts").split("\n")
    const flags = first.split(" ").filter((word) => word.startsWith("--")).join(" ")
    assert.isNotEmpty(flags)
    assert.include(read("package.json"), `"sotto": "node ${flags} --conditions`)
    const page = "docs/operate/relay.md"
    assert.lengthOf(
      grep([page], new RegExp(`node ${flags} \\S*dist/sotto.js relay`)),
      grep([page], /sotto\.js relay/).length
    )
  })
})

describe("errors", () => {
  const numbered = files.filter(isSource).flatMap((path) =>
    [...read(path).matchAll(/^export class (\w+)|^ {2}readonly number = (\d+)/gm)].flatMap((match, i, all) =>
      match[2] === undefined ? [] : [{ name: all[i - 1]?.[1] ?? path, number: Number(match[2]) }]
    )
  )
  const page = "docs/reference/errors.md"

  it("have numbers that are given once", () => {
    assert.isAbove(numbered.length, 0)
    assert.deepStrictEqual(repeated(numbered.map(({ number }) => number)), [])
  })

  it("of a relay all have one", () => {
    const classes = [...read("packages/schema/src/RelayError.ts").matchAll(/^export class (\w+)/gm)].map(([, name]) =>
      name
    )
    const names = numbered.map(({ name }) => name)
    assert.deepStrictEqual(classes.filter((name) => name === undefined || !names.includes(name)), [])
  })

  it("are documented by number and name, and nothing else is", () => {
    if (!files.includes(page)) return
    const rows = [...read(page).matchAll(/^\|\s*`?(\d{4})`?\s*\|\s*`(\w+)`/gm)].map(([, number, name]) =>
      `${number} ${name}`
    )
    assert.deepStrictEqual(rows.sort(), numbered.map(({ name, number }) => `${number} ${name}`).sort())
  })
})

describe("purposes of key derivation", () => {
  it("are given once, and none contains the byte that ends one", () => {
    const purposes: ReadonlyArray<string> = Object.values(Purpose)
    assert.deepStrictEqual(repeated(purposes), [])
    assert.deepStrictEqual(purposes.filter((purpose) => !/^[a-z][a-z0-9/-]*$/.test(purpose)), [])
  })
})

describe("limits", () => {
  const used = (paths: ReadonlyArray<string>, naming: RegExp) =>
    new Set(paths.flatMap((path) => [...read(path).matchAll(naming)].map(([, name]) => name)))
  const missingFrom = (paths: ReadonlyArray<string>, naming: RegExp) => {
    const found = used(paths, naming)
    return Object.keys(Limit).filter((name) => !found.has(name)).sort()
  }

  it("are all used by code", () => {
    assert.deepStrictEqual(
      missingFrom(files.filter(isSource), /\bLimit\.(\w+)/g),
      Object.keys(allowed.limits.unused).sort()
    )
  })

  // A test names a limit as it is, or as the setting of a relay that it lowers.
  it("are all reached by a test", () => {
    assert.deepStrictEqual(
      missingFrom(files.filter(isTest), /(?<=\bLimit\.|[{,]\s*|["'`])(\w+)\b/g),
      Object.keys(allowed.limits.untested).sort()
    )
  })
})

describe("sources", () => {
  it("switch a rule off only where allow.json says why", () => {
    const expected = allowed.directives.map(({ directive, file, times }) => `${file}: ${directive} (${times})`)
    assert.deepStrictEqual([...directives()].sort(), expected.sort())
  })

  it("grow no further where they are allowed to be too long", () => {
    const grown = allowed.directives.filter(({ file, lines }) => lines !== undefined && codeLines(read(file)) > lines)
    assert.deepStrictEqual(grown.map(({ file }) => file), [])
  })

  it("leave no marker without a date and a reason", () => {
    const marker = new RegExp(
      `\\b(${["TO" + "DO", "FIX" + "ME", "HA" + "CK", "XX" + "X"].join("|")})\\b(?!\\(\\d{4}-\\d\\d-\\d\\d\\): \\S)`
    )
    assert.deepStrictEqual(grep(files.filter((path) => isCode(path) || isProse(path)), marker), [])
  })

  it("name no path of one machine", () => {
    const path = /(^|[^\w.])\/(work|farm|root|home|Users)\//
    assert.deepStrictEqual(grep(files.filter((path) => isCode(path) || isProse(path)), path), [])
  })

  it("are named after their subject", () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|types|shared|lib)(\/|\.tsx?$)/i
    assert.deepStrictEqual(files.filter((path) => isCode(path) && vague.test(path)), [])
  })
})

describe("what users read", () => {
  /** The prose of a page: what stands in a fence is code, and blank lines keep the numbers. */
  const prose = (path: string) => read(path).replace(/^```[\s\S]*?^```/gm, (fence) => fence.replace(/[^\n]/g, ""))

  it("does not boast and does not talk down", () => {
    const boast = "(un(break|hack)able|bullet-?proof|foolproof|(military|bank|enterprise)[- ]grade|100 ?% secure|" +
      "blazing(ly)?|lightning[- ]fast|revolutionary|cutting[- ]edge|state[- ]of[- ]the[- ]art|(world|best[- ]in)[- ]class|" +
      "next[- ]gen(eration)?|leverag(e|es|ing)|seamless(ly)?)"
    const condescension = "(simply|obviously|of course|trivial(ly)?|eas(y to use|ily)|effortless(ly)?)"
    const words = [boast, condescension, "(white|black)list(ed)?"]
    assert.deepStrictEqual(grep(files.filter(isProse), new RegExp(`\\b(${words.join("|")})\\b`, "i"), prose), [])
  })
})

describe("docs/internals/architecture.md", () => {
  const page = "docs/internals/architecture.md"

  /** Folders of the fence that draws the tree: names with a slash at the start of a line, indented by none or two. */
  const drawn = (text: string): ReadonlyArray<string> => {
    const fence = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, body]) => body ?? "")
      .find((body) => /^packages\//m.test(body)) ?? ""
    let parent = ""
    return fence.split("\n").flatMap((line) => {
      const depth = line.search(/\S/)
      const words = line.replace(/\([^)]*\)/g, "").trim().split(/\s+/)
      const end = words.findIndex((word) => !word.endsWith("/"))
      const names = words.slice(0, end === -1 ? words.length : end)
      if (names.length === 0 || (depth !== 0 && depth !== 2)) return []
      if (depth === 0) parent = names[names.length - 1] ?? ""
      return names.map((name) => depth === 0 ? name : `${parent}${name}`)
    })
  }

  it("draws the folders that there are, two levels deep", () => {
    if (!files.includes(page)) return
    const folders = files.filter((path) => !path.startsWith(".")).flatMap((path) => {
      const [first, second] = path.split("/").slice(0, -1)
      return first === undefined ? [] : second === undefined ? [`${first}/`] : [`${first}/`, `${first}/${second}/`]
    })
    assert.deepStrictEqual([...drawn(read(page))].sort(), [...new Set(folders)].sort())
  })
})
