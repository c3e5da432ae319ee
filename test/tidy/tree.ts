/** The repository as the tidy tests see it: its text files, without what is installed or built. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The root of the repository, without a slash at its end. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

const generated = new Set(["node_modules", "dist", "coverage", ".tmp", ".git"])

const walk = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (generated.has(entry.name)) return []
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`
    return entry.isDirectory() ? walk(path) : [path]
  })

/** Every file of the project, as a path from the root with forward slashes, sorted. */
export const files: ReadonlyArray<string> = [...walk("")].sort()

/** The text of one file of the project. */
export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** TypeScript and configuration that people wrote, not vectors and not the lock file. */
export const isCode = (path: string): boolean =>
  /\.(ts|tsx|mts|json|sh|yml|yaml)$|^\.ci\//.test(path) &&
  !/(^|\/)vectors\/|^package-lock\.json$|^bench\/baselines\//.test(path)

/** What ships: the sources of the packages and of the simulator. */
export const isSource = (path: string): boolean => /^(packages\/[^/]+|simulation)\/src\/.*\.tsx?$/.test(path)

/** Tests and what they are made of. */
export const isTest = (path: string): boolean =>
  /^(packages\/[^/]+\/|simulation\/|scenarios\/)?test\/.*\.tsx?$/.test(path)

/** Pages that users and contributors read. */
export const isProse = (path: string): boolean => path.endsWith(".md")

/** Lines of a module that are neither blank nor only comment, as the size rule counts them. */
export const codeLines = (text: string): number =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
    .split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length
