/** docs/reference/command-line.md says what there is: no flag, no command and no kind of line more or less. */
import { once } from "node:events"
import * as fs from "node:fs"
import * as consumers from "node:stream/consumers"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "vitest"
import { commandPath } from "../process/command.ts"

const read = (path: string): string => fs.readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")
const page = read("docs/reference/command-line.md")

/** The page by its headings of the second level. */
const sections = new Map(
  page.split(/^## /m).slice(1).map((part) => [part.slice(0, part.indexOf("\n")).trim(), part] as const)
)
const commands = new Map(
  [...sections].flatMap(([title, text]) => {
    const name = /^sotto (\w+)/.exec(title)?.[1]
    return name === undefined ? [] : [[name, text] as const]
  })
)

/** The page that the command prints, as it ships, in a thread of this process: it takes half of what a process takes. */
const help = async (args: ReadonlyArray<string>): Promise<string> => {
  const thread = new Worker(commandPath, {
    argv: [...args, "--help"],
    execArgv: [],
    env: { ...process.env, NO_COLOR: "1", SOTTO_HOME: "/nowhere" },
    stdout: true
  })
  const [printed, [code]] = await Promise.all([consumers.text(thread.stdout), once(thread, "exit")])
  assert.strictEqual(code, 0, args.join(" "))
  return printed
}

/** The names in a part of a help page, such as FLAGS. */
const namesIn = (text: string, part: string, name: RegExp): ReadonlyArray<string> => {
  const body = new RegExp(`^${part}\\n((?: .*\\n|\\n(?= ))*)`, "m").exec(text)?.[1] ?? ""
  return [...body.matchAll(name)].map(([, found = ""]) => found).sort()
}

/** The flags that a part of the page documents. */
const flagsIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^\| `(--[a-z-]+)/gm)].map(([, flag = ""]) => flag).sort()

describe("the reference page", () => {
  it("lists the commands, and the flags of each", async () => {
    const root = await help([])
    assert.deepStrictEqual([...commands.keys()].sort(), namesIn(root, "SUBCOMMANDS", /^ {2}(\w+)/gm))
    for (const [name, text] of commands) {
      // A command of commands has a section of its own for each.
      const [own = "", ...below] = text.split(/^### sotto \w+ /m)
      const names = below.map((part) => /^\w+/.exec(part)?.[0] ?? "")
      const shown = await help([name])
      assert.deepStrictEqual(flagsIn(own), namesIn(shown, "FLAGS", /^ {2}(--[a-z-]+)/gm), name)
      assert.deepStrictEqual([...names].sort(), namesIn(shown, "SUBCOMMANDS", /^ {2}(\w+)/gm), name)
      for (const [at, part] of below.entries()) {
        const page = await help([name, names[at] ?? ""])
        assert.deepStrictEqual(flagsIn(part), namesIn(page, "FLAGS", /^ {2}(--[a-z-]+)/gm), `${name} ${names[at]}`)
      }
    }
  })

  it("lists the exit codes", () => {
    const source = read("packages/runtime-node/src/cli/Exit.ts")
    const body = /export const CODE = \{([\s\S]*?)\} as const/.exec(source)?.[1] ?? ""
    const codes = [...body.matchAll(/^ {2}\w+: (\d+)/gm)].map(([, code = ""]) => code)
    const documented = [...(sections.get("For every command") ?? "").matchAll(/^\| (\d+) \|/gm)].map(([, code = ""]) =>
      code
    )
    assert.deepStrictEqual(documented, codes)
  })

  it("lists the lines of --json, and the fields of each", () => {
    const source = read("packages/runtime-node/src/cli/Event.ts")
    const kinds = [...source.matchAll(/^export interface \w+ \{\n {2}readonly type: "(\w+)"\n([\s\S]*?)^\}/gm)].map(
      ([, type = "", body = ""]) =>
        [type, [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, field = ""]) => field)] as const
    )
    const rows = [...(sections.get("Lines of --json") ?? "").matchAll(/^\| `(\w+)` \| [^|]* \|(.*)\|$/gm)].map(
      ([, type = "", fields = ""]) =>
        [type, [...fields.replace(/\([^)]*\)/g, "").matchAll(/`(\w+)`/g)].map(([, field = ""]) => field)] as const
    )
    assert.deepStrictEqual(Object.fromEntries(rows), Object.fromEntries(kinds))
  })
})
