/**
 * The command as one file, as it ships (tools/bundle.ts): a child of it starts in a third of the time that its sources
 * take. Vitest runs `setup` before the tests that start children; the demo calls `buildCommand` itself.
 */
import { fileURLToPath } from "node:url"
import { bundle } from "../../tools/bundle.ts"

const url = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const COMMAND = url("packages/runtime-node/dist/sotto.js")

/** Where it lies once it is built. */
export const commandPath: string = fileURLToPath(COMMAND)

export const buildCommand = (): Promise<void> => bundle(url("packages/runtime-node/src/cli/main.ts"), COMMAND)

/** @public */
export const setup = buildCommand
