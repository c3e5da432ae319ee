/**
 * Loaded into a command before anything else (`--import`): its clock is wrong by `SOTTO_TEST_CLOCK_MINUTES`, as that of a
 * machine whose battery is empty. Time passes at its usual pace.
 */
import { fileURLToPath, pathToFileURL } from "node:url"

const minutes = Number(process.env["SOTTO_TEST_CLOCK_MINUTES"] ?? "0")
const genuine = Date.now
Date.now = () => genuine() + minutes * 60_000

/** The environment of a command whose clock is ahead by so many minutes, or behind when they are negative. */
export const clockAhead = (minutes: number): { readonly env: Readonly<Record<string, string>> } => ({
  env: {
    NODE_OPTIONS: `--import=${pathToFileURL(fileURLToPath(import.meta.url)).href}`,
    SOTTO_TEST_CLOCK_MINUTES: String(minutes)
  }
})
