/**
 * Few files from TypeScript sources, for Node: how the command `sotto` is shipped. A relay that is bundled starts in a
 * third of the time and keeps 40 MiB less than one of many modules (`npm run bench -- relay` measures it so).
 *
 * What is imported at run time (`import()`) is a file of its own in a folder beside the output, so that a command loads
 * what it uses.
 *
 * `node tools/bundle.ts` bundles the command; the bench of the relay bundles its server in the same way.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** CommonJS parts of `ws` ask for `require`, which a module does not have. */
const banner =
  `import { createRequire as sottoRequire } from "node:module"; const require = sottoRequire(import.meta.url);`

export const bundle = (entry: URL, output: URL): Promise<void> => {
  const { dir, ext, name } = path.parse(fileURLToPath(output))
  return bundleAll({ [name]: fileURLToPath(entry) }, { dir, ext, parts: name })
}

/** Many programs at once, by the names that they get in `dir`; what they share lies once in its folder `parts`. */
export const bundleAll = async (
  entryPoints: Readonly<Record<string, string>>,
  { dir, ext, parts }: { readonly dir: string; readonly ext: string; readonly parts: string }
): Promise<void> => {
  const { metafile } = await build({
    entryPoints: { ...entryPoints },
    outdir: dir,
    outExtension: { ".js": ext },
    chunkNames: `${parts}/[name]-[hash]`,
    splitting: true,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node24",
    conditions: ["@sotto/source"],
    // Modules, where a package has both: what is not used of them is left out.
    mainFields: ["module", "main"],
    define: { "Intl.Segmenter": "LazySegmenter" },
    inject: [fileURLToPath(new URL("lazySegmenter.ts", import.meta.url))],
    external: ["bufferutil", "utf-8-validate"],
    banner: { js: banner },
    metafile: true,
    logLevel: "warning"
  })
  sweep(path.join(dir, parts), new Set(Object.keys(metafile.outputs).map((file) => path.resolve(file))))
}

/** Parts of an earlier bundle have other names. */
const sweep = (folder: string, made: ReadonlySet<string>): void => {
  for (const file of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
    const found = path.join(folder, file)
    if (!made.has(found)) fs.rmSync(found)
  }
}

if (import.meta.main) {
  await bundle(
    new URL("../packages/runtime-node/src/cli/main.ts", import.meta.url),
    new URL("../packages/runtime-node/dist/sotto.js", import.meta.url)
  )
}
