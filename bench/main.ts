/**
 * `npm run bench -- NAME [--json]`: runs one bench, or lists them all. A bench is a file `bench/NAME.bench.ts` that
 * exports `run({ json })`; with `json` it prints its figures as one JSON object and nothing else.
 */
import { readdirSync } from "node:fs"
import { parseArgs } from "node:util"

/** What a bench file exports. */
export interface Bench {
  readonly run: (options: { readonly json: boolean }) => Promise<void> | void
}

const folder = new URL(".", import.meta.url)
const suffix = ".bench.ts"
const names = readdirSync(folder).filter((file) => file.endsWith(suffix)).map((file) => file.slice(0, -suffix.length))

const main = async (): Promise<number> => {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } })
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0 || !names.includes(name)) {
    console.error(`Usage: npm run bench -- NAME [--json]\n\nBenches:\n${names.map((name) => `  ${name}\n`).join("")}`)
    return name === undefined ? 0 : 1
  }
  const bench: Bench = await import(new URL(`${name}${suffix}`, folder).href)
  await bench.run({ json: values.json ?? false })
  return 0
}

process.exitCode = await main()
