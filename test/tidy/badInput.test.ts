/** The page of bad inputs names tests that are there, and each row names one. */
import * as fs from "node:fs"
import { assert, describe, it } from "vitest"

const page = fs.readFileSync("docs/reference/bad-input.md", "utf8")
const cited = [...page.matchAll(/`([\w./-]+\.test\.ts)`: "([^"]+)"/g)]
const rows = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (?:---|what )/.test(line))

describe("docs/reference/bad-input.md", () => {
  it("has a test in every row", () => {
    assert.isAtLeast(rows.length, 40)
    assert.deepStrictEqual(rows.filter((row) => !row.includes(".test.ts`: \"")), [])
  })

  it.each(cited.map(([, file = "", title = ""]) => ({ file, title })))("$file: $title", ({ file, title }) => {
    assert.include(fs.readFileSync(file, "utf8"), `"${title}"`)
  })
})
