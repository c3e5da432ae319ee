/**
 * One file from TypeScript sources, for Node: how the command `sotto` is shipped. A relay of one file starts in a third
 * of the time and keeps 40 MiB less than one of many modules (`npm run bench -- relay` measures it so).
 *
 * `node tools/bundle.ts` bundles the command; the bench of the relay bundles its server in the same way.
 */
import { build } from "esbuild"
import { fileURLToPath } from "node:url"

/** CommonJS parts of `ws` ask for `require`, which a module does not have. */
const banner =
  `import { createRequire as sottoRequire } from "node:module"; const require = sottoRequire(import.meta.url);`

export const bundle = async (entry: URL, output: URL): Promise<void> => {
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile: fileURLToPath(output),
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node24",
    conditions: ["@sotto/source"],
    external: ["bufferutil", "utf-8-validate"],
    banner: { js: banner },
    logLevel: "warning"
  })
}

if (import.meta.main) {
  await bundle(
    new URL("../packages/runtime-node/src/cli/main.ts", import.meta.url),
    new URL("../packages/runtime-node/dist/sotto.js", import.meta.url)
  )
}
