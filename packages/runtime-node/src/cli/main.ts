#!/usr/bin/env -S node --max-semi-space-size=2
/**
 * The command `sotto`. All of it is in `run.ts`, which is loaded when the cache of compiled code is there: from the second
 * start on, nothing is compiled.
 *
 * The small young generation is for `relay`: most of what an idle connection costs beyond its socket is garbage of its
 * handshake that was not collected yet (`npm run bench -- relay`, memory).
 */
import { enableCompileCache } from "node:module"
import { cacheDirectory, makeCacheDirectory } from "./CacheDirectory.ts"

// Node has enabled the one of NODE_COMPILE_CACHE before, if that is given.
if (process.env["NODE_COMPILE_CACHE"] === undefined) {
  const directory = cacheDirectory(process.platform, process.env)
  if (makeCacheDirectory(directory)) enableCompileCache(directory)
}

const { run } = await import("./run.ts")
// The sources are two folders below it, the bundle is one.
run(new URL(import.meta.url.endsWith("/dist/sotto.js") ? "../package.json" : "../../package.json", import.meta.url))
