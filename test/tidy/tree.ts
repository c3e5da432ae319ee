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
