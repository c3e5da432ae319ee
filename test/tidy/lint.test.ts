/**
 * Shows that each house rule of `.oxlintrc.json` catches what it is for: one file per violation is written into a
 * scratch tree with the same folders, linted once with the real configuration, and must be reported under its rule and
 * no other. The clean files must pass. A rule that is renamed, switched off or shadowed by an override fails here.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { root } from "./tree.ts"

interface Case {
  readonly file: string
  readonly source: string
  /** The rules that must be reported for the file, each at least once, and no other. */
  readonly rules: ReadonlyArray<string>
}

const violation = (rule: string, file: string, source: string): Case => ({ file, source, rules: [rule] })
const clean = (file: string, source: string): Case => ({ file, source, rules: [] })

const lines = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, i) => line(i))
const nested = (depth: number): string => depth === 0 ? "total += 1" : `if (n > ${depth}) {\n${nested(depth - 1)}\n}`

const imports = "eslint(no-restricted-imports)"
const globals = "eslint(no-restricted-globals)"
const schema = "packages/schema/src"
const core = "packages/core/src"
const browser = "packages/runtime-browser/src"

const anywhere: ReadonlyArray<Case> = [
  violation("typescript(no-explicit-any)", `${core}/Any.ts`, "export const f = (x: any) => [x]"),
  violation(
    "typescript(no-non-null-assertion)",
    `${core}/NonNull.ts`,
    "export const f = (x: ReadonlyArray<number>) => x[0]!"
  ),
  violation(
    "typescript(no-unsafe-type-assertion)",
    `${core}/Cast.ts`,
    "export const f = (x: unknown) => x as string"
  ),
  violation(
    "typescript(no-floating-promises)",
    `${core}/Floating.ts`,
    "const g = () => Promise.resolve(1)\nexport const f = () => {\n  g()\n}"
  ),
  violation(
    "typescript(switch-exhaustiveness-check)",
    `${core}/Switch.ts`,
    "export const f = (x: \"a\" | \"b\") => {\n  switch (x) {\n    case \"a\":\n      return 1\n  }\n  return 2\n}"
  ),
  violation("typescript(ban-ts-comment)", `${core}/Comment.ts`, "// @ts-ignore\nexport const x: string = 1"),
  violation("eslint(no-console)", "packages/runtime-node/src/Console.ts", "export const f = () => console.log(1)"),
  violation("import(no-default-export)", `${core}/Default.ts`, "export default 1"),
  violation("eslint(max-lines)", `${core}/Long.ts`, lines(401, (i) => `export const a${i} = ${i}`).join("\n")),
  violation(
    "eslint(max-lines-per-function)",
    `${core}/LongFunction.ts`,
    `export const f = (x: Array<number>) => {\n${lines(70, (i) => `  x.push(${i})`).join("\n")}\n}`
  ),
  violation(
    "eslint(complexity)",
    `${core}/Complex.ts`,
    `export const f = (n: number) => {\n${lines(12, (i) => `  if (n === ${i}) return 2 * n`).join("\n")}\n  return 0\n}`
  ),
  violation(
    "eslint(max-depth)",
    `${core}/Deep.ts`,
    `export const f = (n: number) => {\nlet total = 0\n${nested(4)}\nreturn total\n}`
  ),
  violation("import(no-cycle)", `${core}/CycleA.ts`, "import { b } from \"./CycleB.ts\"\nexport const a = () => b()"),
  violation(
    "import(no-cycle)",
    `${core}/CycleB.ts`,
    "import { a } from \"./CycleA.ts\"\nexport const b = (): number => a()"
  ),
  violation(
    "Unused oxlint-disable directive",
    `${core}/Directive.ts`,
    "// oxlint-disable-next-line no-console\nexport const a = 1"
  ),
  violation("eslint(no-unused-vars)", `${core}/Unused.ts`, "const a = 1\nexport const b = 2"),
  violation(
    "vitest(no-focused-tests)",
    "packages/core/test/Focused.test.ts",
    "import { it } from \"vitest\"\nit.only(\"a\", () => {})"
  ),
  violation(
    "vitest(no-disabled-tests)",
    "packages/core/test/Skipped.test.ts",
    "import { it } from \"vitest\"\nit.skip(\"a\", () => {})"
  )
]

const impure = (folder: string): ReadonlyArray<Case> => [
  ...[
    "Date",
    "setTimeout",
    "setInterval",
    "queueMicrotask",
    "process",
    "performance",
    "crypto",
    "WebSocket",
    "fetch",
    "globalThis"
  ].map((name) => violation(globals, `${folder}/Global_${name}.ts`, `export const f = () => ${name}`)),
  {
    file: `${folder}/Console.ts`,
    source: "export const f = () => console.log(1)",
    rules: [globals, "eslint(no-console)"]
  },
  violation("eslint(no-restricted-properties)", `${folder}/Random.ts`, "export const f = () => Math.random()"),
  ...[
    "node:fs",
    "@effect/platform-node/NodeSocket",
    "@sotto/runtime-node",
    "@sotto/runtime-browser/worker/main",
    "effect"
  ].map((name, i) =>
    violation(imports, `${folder}/Import${i}.ts`, `import * as X from "${name}"\nexport const f = () => X`)
  ),
  clean(`${folder}/Deep_effect.ts`, "import * as Effect from \"effect/Effect\"\nexport const f = Effect.void")
]

const importing = (file: string, from: string) => `import { x } from "${from}"\nexport const ${file} = x`

const direction: ReadonlyArray<Case> = [
  violation(imports, `${schema}/Up.ts`, importing("y", "@sotto/core/Store")),
  clean(`${core}/Down.ts`, importing("y", "@sotto/schema/Id")),
  ...["space", "log", "item", "content", "pairing", "channel", "reconcile"].flatMap((subject) => [
    violation(imports, `${core}/${subject}/ToRelay.ts`, importing("y", "../relay/Relay.ts")),
    violation(imports, `${core}/${subject}/ToFront.ts`, importing("y", "../Sotto.ts")),
    violation(imports, `${core}/${subject}/ToNode.ts`, importing("y", "node:crypto")),
    violation(imports, `${core}/${subject}/ToBarrel.ts`, importing("y", "effect"))
  ]),
  ...[
    "../space/Membership.ts",
    "../log/Outbox.ts",
    "../item/Item.ts",
    "../item/merge/Text.ts",
    "../pairing/Pairing.ts",
    "../Client.ts",
    "node:crypto",
    "effect"
  ]
    .map((from, i) => violation(imports, `${core}/relay/ToClient${i}.ts`, importing("y", from))),
  clean(`${core}/relay/ToStore.ts`, importing("y", "./RelayStore.ts")),
  clean(`${core}/log/ToStore.ts`, importing("y", "../Store.ts")),
  violation(imports, `${browser}/Barrel.ts`, importing("y", "effect")),
  violation(imports, `${browser}/Node.ts`, importing("y", "node:fs")),
  violation(imports, `${browser}/Other.ts`, importing("y", "@sotto/runtime-node/NodeStore")),
  violation(imports, "packages/runtime-node/src/Other.ts", importing("y", "@sotto/runtime-browser/Tabs")),
  clean("packages/runtime-node/src/Node.ts", "import { join } from \"node:path\"\nexport const f = () => join(\"a\")")
]

const simulator = "simulation/src"

const simulated: ReadonlyArray<Case> = [
  ...["", "invariant/", "viewer/", "cli/", "mutant/"].map((folder) =>
    violation(imports, `${simulator}/${folder}Sotto.ts`, importing("y", "@sotto/core/Store"))
  ),
  violation(imports, `${simulator}/Node.ts`, importing("y", "node:fs")),
  violation(imports, `${simulator}/Barrel.ts`, importing("y", "effect")),
  clean(`${simulator}/cli/Node.ts`, "import { join } from \"node:path\"\nexport const f = () => join(\"a\")"),
  ...["Date", "setTimeout", "queueMicrotask", "process", "performance", "crypto", "fetch"].map((name) =>
    violation(globals, `${simulator}/Global_${name}.ts`, `export const f = () => ${name}`)
  ),
  ...["random", "log", "exp", "pow"].map((name) =>
    violation("eslint(no-restricted-properties)", `${simulator}/Math_${name}.ts`, `export const f = Math.${name}`)
  ),
  clean(`${simulator}/Trap.ts`, "export const f = () => [Date.now(), Math.random()]")
]

const cases = [...anywhere, ...impure(schema), ...impure(core), ...direction, ...simulated]
const reported = new Map<string, Set<string>>()

/** The report of one run of the linter: what it names, as far as this test reads it. */
interface Report {
  readonly diagnostics: ReadonlyArray<{ readonly filename: string; readonly code?: string; readonly message: string }>
}

const lint = (folder: string): Report => {
  const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint")
  try {
    return JSON.parse(execFileSync(process.execPath, [oxlint, "-f", "json"], { cwd: folder, encoding: "utf8" }))
  } catch (failure) { // oxlint exits 1 when it reports something, as it must here
    if (failure instanceof Error && "stdout" in failure && failure.stdout !== "") {
      return JSON.parse(String(failure.stdout))
    }
    throw failure
  }
}

describe("the rules of the house", () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-lint-"))

  beforeAll(() => {
    cpSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"))
    const compilerOptions = { strict: true, noUncheckedIndexedAccess: true, target: "ES2024", module: "NodeNext" }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions, include: ["packages", "simulation"] })
    )
    for (const { file, source } of cases) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), `${source}\n`)
    }
    for (const { code, filename, message } of lint(folder).diagnostics) {
      const rule = code ?? message.replace(/ \(.*/, "") // a needless directive breaks no rule that has a name
      reported.set(filename, (reported.get(filename) ?? new Set()).add(rule))
    }
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.for(cases)("$file: $rules", ({ file, rules }) => {
    assert.deepStrictEqual([...reported.get(file) ?? []].sort(), [...rules].sort())
  })
})
