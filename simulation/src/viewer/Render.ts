/**
 * A run as one HTML file: no server, no other file, nothing loaded from anywhere. It works from a disk, as an artifact
 * of a job, or in a mail.
 *
 * 1. The file says of itself that it may load nothing (its content security policy), and runs only its own script.
 * 2. Nothing of the report can end the element that it stands in: `<` never occurs in the JSON.
 * 3. The same report and options give the same file.
 */
import type { Report } from "../Report.ts"
import { pack, type PackOptions } from "./Packed.ts"
import * as Page from "./Page.ts"

export interface RenderOptions extends PackOptions {
  /** `light` or `dark` whatever the reader's system says. */
  readonly theme?: "light" | "dark" | undefined
}

/** The file's text. A report with `trace` has every row and the states; without, the last rows. */
export const render = (report: Report, options: RenderOptions = {}): string => {
  const packed = pack(report, options)
  const first = packed.violations[0]
  const says = first === undefined ? "nothing was violated" : `${first.invariant}: ${first.message}`
  return `<!doctype html>
<html lang="en"${options.theme === undefined ? "" : ` data-theme="${options.theme}"`}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(`${packed.title} · ${packed.scenario.seed}`)}</title>
<link rel="icon" href="data:,">
<style>${Page.style}</style>
</head>
<body>
<noscript>
<h1>${escaped(packed.title)}</h1>
<p>${escaped(says)}</p>
<p>The diagram needs JavaScript. The run again: <code>${escaped(packed.reproduce)}</code></p>
</noscript>
<script type="application/json" id="run">${JSON.stringify(packed).replaceAll("<", "\\u003c")}</script>
<script>${Page.script}</script>
</body>
</html>
`
}

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")
