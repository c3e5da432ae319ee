#!/usr/bin/env node
/**
 * Starts `sotto-sim`: from its sources in a clone, where nothing is built, else from what was built. Node does not strip
 * types below `node_modules`, so what is installed is always what was built.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const source = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url))
const built = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))
const isClone = existsSync(source) && !/[\\/]node_modules[\\/]/.test(source) &&
  Boolean(process.features.typescript)

if (isClone && !process.execArgv.some((arg) => arg.includes("@sotto/source"))) {
  const args = [...process.execArgv, "--conditions=@sotto/source", source, ...process.argv.slice(2)]
  const { signal, status } = spawnSync(process.execPath, args, { stdio: "inherit" })
  if (signal !== null) process.kill(process.pid, signal)
  process.exitCode = status ?? 2
} else {
  await import(isClone ? source : built)
}
