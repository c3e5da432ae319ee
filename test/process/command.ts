/**
 * The command as it ships (tools/bundle.ts), and in the same way the programs that tests kill again and again: a child of a
 * bundle starts in a third of the time that its sources take. Vitest runs `setup` before the tests that start children;
 * the demo calls `buildCommand` itself.
 */
import { fileURLToPath } from "node:url"
import { bundle } from "../../tools/bundle.ts"

const url = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const COMMAND = url("packages/runtime-node/dist/sotto.js")

/** Where it lies once it is built. */
export const commandPath: string = fileURLToPath(COMMAND)

export const buildCommand = (): Promise<void> => bundle(url("packages/runtime-node/src/cli/main.ts"), COMMAND)

const PROGRAMS = {
  writer: new URL("./writer.ts", import.meta.url),
  storeWriter: new URL("./storeWriter.ts", import.meta.url)
}
const programUrl = (name: string): URL => url(`.tmp/program/${name}.js`)

/** Where a program of this folder lies once it is built. */
export const programPath = (name: keyof typeof PROGRAMS): string => fileURLToPath(programUrl(name))

/** Where children keep their compiled code, so that only the first one compiles it. */
export const compileCache: string = fileURLToPath(url(".tmp/compile-cache"))

/** @public */
export const setup = async (): Promise<void> => {
  await buildCommand()
  for (const [name, source] of Object.entries(PROGRAMS)) await bundle(source, programUrl(name))
}
