/**
 * The viewer's page as text: its script and its style, each one line, written to `simulation/src/viewer/Page.ts`.
 *
 * The simulator has no bundler when it runs, from sources or built; so what the file of a run is made of lies in the
 * tree. `node tools/viewer.ts` writes it anew, and a test of the viewer says when that was forgotten.
 */
import { build, transform } from "esbuild"
import { readFile, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const page = new URL("../simulation/src/viewer/page/", import.meta.url)
export const output = new URL("../simulation/src/viewer/Page.ts", import.meta.url)

/** Dark colours are wanted in two places of the style sheet: where the system asks for them, and where a person does. */
const dark = `color-scheme: dark;
  --bg: #0d1218; --panel: #141a21; --raised: #191f27; --ink: #e3e8ee; --dim: #9ba8b6; --faint: #6a7785; --line: #262e38;
  --strong: #3d4855; --stripe: #171d25; --down: #323b46; --fault: #e0a63c; --fault-soft: #33290f; --bad: #ff7a85;
  --bad-soft: #26171c; --good: #55c78a; --good-soft: #14221c; --cursor: #7fb0ff; --cursor-soft: #1b2a44; --type-0: #57aef0;
  --type-1: #f2935a; --type-2: #3fc4a0; --type-3: #dc8fd2; --type-4: #d9b63f; --type-5: #a3a5ff; --type-6: #97a3b0;`

const script = async (): Promise<string> => {
  const result = await build({
    entryPoints: [fileURLToPath(new URL("main.ts", page))],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    logLevel: "silent"
  })
  return result.outputFiles[0]?.text.trim() ?? ""
}

const style = async (): Promise<string> => {
  const text = await readFile(new URL("style.css", page), "utf8")
  const { code } = await transform(text.replaceAll("@@dark", dark), { loader: "css", minify: true, charset: "utf8" })
  return code.trim()
}

/** The text of the module. */
export const generate = async (): Promise<string> =>
  `/** Written by \`node tools/viewer.ts\` from the modules in \`page/\`: what the file of a run is made of. */
export const script =
  ${JSON.stringify(await script())}
export const style =
  ${JSON.stringify(await style())}
`

if (import.meta.main) await writeFile(output, await generate())
