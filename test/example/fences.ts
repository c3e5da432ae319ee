/**
 * The TypeScript fences of pages and of comments in sources, as programs: each in a file of its own, at the same line as
 * on its page, so that what the compiler says about it points there.
 */
import { files, read } from "../tidy/tree.ts"

export interface Fence {
  /** The page or source that it stands in. */
  readonly page: string
  /** Its first line there, counted from 1. */
  readonly line: number
  readonly code: string
  /** False for what is for readers and the compiler alone: marked so, with something left out (`…`), or in a comment. */
  readonly run: boolean
  /** What it prints, as its comments `// => …` say. */
  readonly prints: ReadonlyArray<string>
}

const isPage = (path: string): boolean => path.endsWith(".md")
const isSource = (path: string): boolean => /^packages\/[^/]+\/src\/.*\.ts$/.test(path)

/** The lines of a file; those of a source without the stars of its comments. */
const linesOf = (path: string): ReadonlyArray<string> =>
  read(path).split("\n").map((line) => isPage(path) ? line : line.replace(/^\s*\* ?/, ""))

const fencesIn = (page: string): ReadonlyArray<Fence> => {
  const lines = linesOf(page)
  return lines.flatMap((line, start) => {
    if (line !== "```ts") return []
    const code = lines.slice(start + 1, lines.indexOf("```", start))
    return [{
      page,
      line: start + 2,
      code: code.join("\n"),
      run: isPage(page) && !code.some((each) => /^\/\/ not run\b|…/.test(each)),
      prints: code.flatMap((each) => {
        const said = each.split("// => ")[1]
        return said === undefined ? [] : [said]
      })
    }]
  })
}

/** Every fence of the project, in the order of its pages. */
export const fences: ReadonlyArray<Fence> = files.filter((path) => isPage(path) || isSource(path)).flatMap(fencesIn)

/** The name of the file that a fence becomes. */
export const nameOf = ({ line, page }: Fence): string => `${page.replaceAll("/", "__")}.${line}.ts`

/** What a comment takes for granted: the exports of its own module, and a `show` that an app would have. */
const grantedTo = ({ code, page }: Fence): string => {
  if (!isSource(page)) return ""
  const from = page.replace(/^packages\/([^/]+)\/src\/(.*)\.ts$/, "@sotto/$1/$2")
  const names = [...read(page).matchAll(/^export (?:const|class|function) (\w+)/gm)].map(([, name]) => name ?? "")
    .filter((name) => new RegExp(`\\b${name}\\b`).test(code))
  return `import { ${names.join(", ")} } from "${from}"; declare const show: (value: unknown) => void;`
}

/** The program of a fence. */
export const programOf = (fence: Fence): string =>
  `export {}; ${grantedTo(fence)}${"\n".repeat(fence.line - 1)}${fence.code}\n`
