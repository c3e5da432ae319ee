/**
 * A real browser for tests: bundles TypeScript entries with esbuild, serves them with one page from a loopback server,
 * and drives headless Chromium over a profile of its own. The origin outlives the browser, so that a test can close or
 * kill it, start it again and find what was stored.
 *
 * The entry named `main` is loaded by the page; tests call its exports with `call`. Every other entry is served as
 * `/NAME.js`, for workers. What the browser complains about is collected in `problems`.
 */
import { build } from "esbuild"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type BrowserContext, chromium, type Page } from "playwright-core"
import { chromiumExecutable } from "./chromium.ts"

/** Entries by name: where the module is, usually `new URL("./fixture/x.ts", import.meta.url)`. */
export type Entries = { readonly main: URL } & { readonly [name: string]: URL }

export interface BundleOptions {
  /** Modules that stand in for a package, by its name. */
  readonly alias?: Readonly<Record<string, URL>>
  /** A module whose exports stand in for globals that a browser lacks. */
  readonly inject?: URL
}

export interface Harness extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/`, the same for the life of the harness. A secure context: loopback counts as one. */
  readonly url: string
  /** Console errors, uncaught errors and failed loads of all pages, oldest first. Tests end with it empty. */
  readonly problems: ReadonlyArray<string>
  /** A new tab with the page loaded and the main entry evaluated. Rejects with the entry's error if it throws. */
  readonly open: () => Promise<Page>
  /** Closes the browser as a user would, and starts it again with the same profile. Its pages are gone. */
  readonly restart: () => Promise<void>
  /** Ends every browser process at once, as a crash or a power cut would, and starts it again with the same profile. */
  readonly crash: () => Promise<void>
}

/** One file per entry, for the browser, from our sources: what an app's bundler would see. */
const bundle = async (entries: Entries, options: BundleOptions): Promise<ReadonlyMap<string, Uint8Array>> => {
  const result = await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, url]) => [name, fileURLToPath(url)])),
    outdir: "/",
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2024",
    conditions: ["@sotto/source"],
    alias: Object.fromEntries(
      Object.entries(options.alias ?? {}).map(([name, url]) => [name, fileURLToPath(url)])
    ),
    inject: options.inject === undefined ? [] : [fileURLToPath(options.inject)],
    // Our packages say that they have no side effects; a test file's declarations are one.
    ignoreAnnotations: options.alias !== undefined,
    sourcemap: "inline",
    logLevel: "silent"
  })
  return new Map(result.outputFiles.map((file) => [file.path, file.contents]))
}

const page = `<!doctype html><meta charset="utf-8"><title>Sotto</title><link rel="icon" href="data:,">
<script type="module">globalThis.entry = import("/main.js"); globalThis.entry.catch(() => {})</script>`

const serve = async (files: ReadonlyMap<string, Uint8Array>) => {
  const server = createServer((request, response) => {
    const path = request.url ?? "/"
    const file = files.get(path)
    if (path === "/") response.setHeader("content-type", "text/html").end(page)
    else if (file !== undefined) response.setHeader("content-type", "text/javascript").end(file)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the test server has no port")
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return { url: `http://127.0.0.1:${address.port}/`, close }
}

const flags = ["--disable-gpu", "--disable-quic", "--disable-sync", "--disable-background-networking", "--no-first-run"]

const launch = async (profile: string, problems: Array<string>): Promise<BrowserContext> => {
  const { env, path } = await chromiumExecutable()
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: path,
    args: flags,
    env: { ...process.env, ...env }
  })
  context.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`)
  })
  context.on("weberror", (error) => problems.push(`uncaught: ${error.error().message}`))
  context.on("requestfailed", (request) => problems.push(`request: ${request.url()} ${request.failure()?.errorText}`))
  return context
}

/** Kills the browser from inside: its own command, so no process id is guessed. The driver then sees it gone. */
const kill = async (context: BrowserContext) => {
  const gone = new Promise<void>((resolve) => context.once("close", () => resolve()))
  const tab = await context.newPage()
  const devtools = await context.newCDPSession(tab)
  devtools.send("Browser.crash").catch(() => {})
  await gone
}

/** Starts server and browser. `await using harness = await startHarness({ main })` closes all of it. */
export const startHarness = async (entries: Entries, options: BundleOptions = {}): Promise<Harness> => {
  const problems: Array<string> = []
  const cleanup = new AsyncDisposableStack()
  try {
    const server = await serve(await bundle(entries, options))
    cleanup.defer(server.close)
    const profile = await mkdtemp(join(tmpdir(), "sotto-browser-"))
    cleanup.defer(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }))
    let context = await launch(profile, problems)
    cleanup.defer(() => context.close())
    return {
      url: server.url,
      problems,
      open: async () => {
        const tab = await context.newPage()
        await tab.goto(server.url)
        await tab.evaluate(() => Reflect.get(globalThis, "entry"))
        return tab
      },
      restart: async () => {
        await context.close()
        context = await launch(profile, problems)
      },
      crash: async () => {
        await kill(context)
        context = await launch(profile, problems)
      },
      [Symbol.asyncDispose]: () => cleanup.disposeAsync()
    }
  } catch (cause) {
    await cleanup.disposeAsync()
    throw cause
  }
}

/** Calls an export of the page's main entry and awaits it. Arguments and result cross as structured JSON values. */
export const call = (tab: Page, name: string, ...args: ReadonlyArray<unknown>): Promise<unknown> =>
  tab.evaluate(async ([name, args]) => {
    const entry: Record<string, (...args: ReadonlyArray<unknown>) => unknown> = await Reflect.get(globalThis, "entry")
    const exported = entry[name]
    if (exported === undefined) throw new Error(`the entry exports no ${name}`)
    return exported(...args)
  }, [name, args] as const)
