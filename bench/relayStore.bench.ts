/**
 * The relay's storage on one machine (`NodeRelayStore`): durable appends of one envelope each with 256 in flight, to one
 * route, a hundred and ten thousand; what one costs in CPU and on disk; pages read. The directory lies in the checkout,
 * so that the sync to disk is a real one. CPU is the figure to compare between machines: the disk decides the rest.
 */
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as Id from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import { createHash, randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { fileURLToPath } from "node:url"

const IN_FLIGHT = 256
const APPENDS = 40_000
const READ_MILLIS = 1000
const NOW = 1_800_000_000_000

const sha256 = (data: Uint8Array) => new Uint8Array(createHash("sha256").update(data).digest())
const fresh = (length: number) => new Uint8Array(randomBytes(length))

/** CPU of this process, µs. */
const cpuMicros = () => {
  const { system, user } = process.cpuUsage()
  return user + system
}

interface Appends {
  readonly routes: number
  readonly envelopeBytes: number
  readonly perSecond: number
  readonly cpuMicros: number
  readonly diskBytes: number
  readonly blockedMillisP50: number
  readonly blockedMillisP99: number
  readonly blockedMillisMax: number
}

interface Pages {
  readonly pageEnvelopes: number
  readonly envelopesPerSecond: number
  readonly pagesPerSecond: number
  readonly cpuMicrosPerEnvelope: number
}

const inDirectory = async <A>(use: (directory: string) => Promise<A>): Promise<A> => {
  const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
  mkdirSync(base, { recursive: true })
  const directory = mkdtempSync(join(base, "bench-"))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const openRoutes = (store: RelayStore["Service"], count: number) =>
  Effect.forEach(Array.from({ length: count }, () => Id.RouteId.make(fresh(32))), (route) =>
    Effect.as(
      store.open({
        route,
        epoch: Id.Epoch.make(1),
        keys: {
          write: Id.SigningKey.make(fresh(32)),
          read: Id.SigningKey.make(fresh(32)),
          admin: Id.SigningKey.make(fresh(32)),
          recovery: Id.SigningKey.make(fresh(32))
        },
        retention: { _tag: "Transit", ttl: { _tag: "Default" } },
        quotaBytes: Number.MAX_SAFE_INTEGER
      }),
      route
    ), { concurrency: "unbounded" })

const appends = (routes: number, envelopeBytes: number): Promise<Appends> =>
  inDirectory(async (directory) => {
    const bodies = Array.from({ length: 256 }, () => fresh(envelopeBytes))
    const ids = Array.from({ length: APPENDS }, () => Id.EnvelopeId.make(fresh(32)))
    const lane = Id.Lane.make(new Uint8Array(8))
    const measured = await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const store = yield* NodeRelayStore.make({ directory }, { sha256 })
      const opened = yield* openRoutes(store, routes)
      const delay = monitorEventLoopDelay({ resolution: 1 })
      const cpu = cpuMicros()
      const start = performance.now()
      delay.enable()
      yield* Effect.forEach(ids, (id, i) =>
        store.append({
          route: opened[i % routes] ?? Id.RouteId.make(fresh(32)),
          envelopes: [{ id, lane, bytes: bodies[i % 256] ?? fresh(envelopeBytes) }],
          nowMillis: NOW + i,
          expiresMillis: NOW + i + Limit.retentionMillis
        }), { concurrency: IN_FLIGHT, discard: true })
      delay.disable()
      const seconds = (performance.now() - start) / 1000
      return {
        perSecond: Math.round(APPENDS / seconds),
        cpuMicros: (cpuMicros() - cpu) / APPENDS,
        blockedMillisP50: delay.percentile(50) / 1e6,
        blockedMillisP99: delay.percentile(99) / 1e6,
        blockedMillisMax: delay.max / 1e6
      }
    })))
    return { routes, envelopeBytes, ...measured, diskBytes: statSync(join(directory, "sotto.db")).size / APPENDS }
  })

const readAll = Effect.fnUntraced(function*(store: RelayStore["Service"], route: Id.RouteId, limit: number) {
  let envelopes = 0
  let pages = 0
  let after = Id.Position.make(0)
  for (;;) {
    const page = yield* store.read({ route, after, lanes: [], limit, bytesMax: Limit.pageBytesMax })
    envelopes += page.envelopes.length
    pages++
    const last = page.envelopes.at(-1)
    if (!page.more || last === undefined) return { envelopes, pages }
    after = last.position
  }
})

const pages = (pageEnvelopes: number): Promise<Pages> =>
  inDirectory((directory) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const store = yield* NodeRelayStore.make({ directory }, { sha256 })
      const routes = yield* openRoutes(store, 20)
      const body = fresh(1024)
      // One by one in turn, so that the rows of a route lie apart, as they do when many are written to.
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 100; i++) {
          yield* Effect.forEach(routes, (route) =>
            store.append({
              route,
              envelopes: [{ id: Id.EnvelopeId.make(fresh(32)), lane: Id.Lane.make(new Uint8Array(8)), bytes: body }],
              nowMillis: NOW,
              expiresMillis: undefined
            }), { concurrency: "unbounded", discard: true })
        }
      }
      const cpu = cpuMicros()
      const start = performance.now()
      let read = 0
      let count = 0
      while (performance.now() - start < READ_MILLIS) {
        for (const route of routes) {
          const all = yield* readAll(store, route, pageEnvelopes)
          read += all.envelopes
          count += all.pages
        }
      }
      const seconds = (performance.now() - start) / 1000
      return {
        pageEnvelopes,
        envelopesPerSecond: Math.round(read / seconds),
        pagesPerSecond: Math.round(count / seconds),
        cpuMicrosPerEnvelope: (cpuMicros() - cpu) / read
      }
    })))
  )

const show = (value: number) => value.toFixed(1).padStart(9)

/** Prints the figures as a table, or as one JSON object. @public */
export const run = async (options: { readonly json: boolean }): Promise<void> => {
  const written: Array<Appends> = []
  for (const envelopeBytes of [1024, 300]) {
    for (const routes of [1, 100, 10_000]) written.push(await appends(routes, envelopeBytes))
  }
  const read = [await pages(100), await pages(Limit.pageEnvelopesMax)]
  if (options.json) {
    console.log(JSON.stringify({ inFlight: IN_FLIGHT, appends: written, pages: read }))
    return
  }
  console.log(`appends of one envelope, ${IN_FLIGHT} in flight, each durable before its answer`)
  console.log("   routes     bytes  appends/s  CPU µs  on disk  loop delay p50, p99, max (ms)")
  for (const each of written) {
    console.log(
      `${String(each.routes).padStart(9)} ${String(each.envelopeBytes).padStart(9)} ${
        String(each.perSecond).padStart(10)
      }` +
        `${show(each.cpuMicros).slice(1)}${show(each.diskBytes)} ${show(each.blockedMillisP50)}` +
        `${show(each.blockedMillisP99)}${show(each.blockedMillisMax)}`
    )
  }
  console.log("pages of 1 KiB envelopes, 20 routes written in turn")
  for (const each of read) {
    console.log(
      `${String(each.pageEnvelopes).padStart(9)} a page: ${each.pagesPerSecond} pages/s, ${each.envelopesPerSecond} ` +
        `envelopes/s, CPU ${each.cpuMicrosPerEnvelope.toFixed(1)} µs each`
    )
  }
}
