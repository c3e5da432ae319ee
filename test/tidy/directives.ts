/** Comments that switch a rule off, and the list of those that may (`allow.json`). */
import { files, isCode, read } from "./tree.ts"

interface Allowed {
  /** `lines` is the ratchet of a file that may be too long: what it measured when it was allowed. */
  readonly directives: ReadonlyArray<{
    readonly file: string
    readonly directive: string
    readonly times: number
    readonly lines?: number
    readonly reason: string
  }>
  /** Reasons by the name of the limit. */
  readonly limits: {
    readonly unused: Readonly<Record<string, string>>
    readonly untested: Readonly<Record<string, string>>
  }
}

export const allowed: Allowed = JSON.parse(read("test/tidy/allow.json"))

const comment = new RegExp(
  ["oxlint", "eslint", "@effect-diagnostics", "@ts-expect", "@ts-ignore", "@ts-nocheck", "dprint", "v8"]
    .map((tool) => tool.startsWith("@") ? `${tool}[\\w-]*` : `${tool}[- ](?:disable|ignore)[\\w-]*`).join("|"),
  "g"
)

/** What each file switches off, as `file: directive (times)`. A directive is its comment up to a reason or its end. */
export const directives = (): ReadonlyArray<string> =>
  files.filter((path) => isCode(path) && !path.startsWith("test/tidy/")).flatMap((path) => {
    const count = new Map<string, number>()
    for (const line of read(path).split("\n")) {
      for (const match of line.matchAll(comment)) {
        const rest = line.slice(match.index).replace(/\s*(--|\*\/).*$/, "").trim()
        count.set(rest, (count.get(rest) ?? 0) + 1)
      }
    }
    return [...count].map(([directive, times]) => `${path}: ${directive} (${times})`)
  })
