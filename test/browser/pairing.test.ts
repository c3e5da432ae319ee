/**
 * The whole way in a real browser: a page pairs with a Node device by code, syncs both ways, is reloaded, goes on, and
 * connects to the device itself when there is no relay.
 */
import type { SottoHandle } from "@sotto/core/Face"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import { openSotto } from "@sotto/runtime-node/open"
import * as RelayServer from "@sotto/runtime-node/RelayServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "vitest"
import { call, startHarness } from "./harness.ts"

const startRelay = async (directory: string) => {
  const scope = Scope.makeUnsafe()
  const running = await Effect.runPromise(
    RelayServer.start({ directory }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(NodeCrypto.layer))
  )
  return { address: running.address, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const valuesOf = async (device: SottoHandle): Promise<ReadonlyArray<string>> => {
  const values: Array<string> = []
  for await (const { ops } of device.entries()) {
    for (const { action } of ops) {
      if (action._tag === "Put") values.push(new TextDecoder().decode(action.value))
    }
  }
  return values.sort()
}

it("a page pairs with a Node device, syncs both ways, is reloaded and goes on, also without the relay", async () => {
  await using cleanup = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), "sotto-page-"))
  cleanup.defer(() => rm(directory, { recursive: true, force: true }))
  const relay = await startRelay(join(directory, "relay"))
  cleanup.defer(relay.close)
  const laptop = await openSotto({ dir: join(directory, "laptop"), label: "laptop", relay: relay.address })
  cleanup.defer(laptop.close)
  await (await laptop.push("before the page came")).stored()

  const harness = cleanup.use(await startHarness({ main: new URL("./fixture/device.ts", import.meta.url) }))
  const tab = await harness.open()
  const shown = Promise.withResolvers<string>()
  let pictures: ReadonlyArray<string> = []
  const paired = laptop.pair({
    onCode: ({ code }) => shown.resolve(code),
    approve: ({ emoji, label }) => {
      pictures = emoji.map(({ name }) => name)
      return label === "page"
    }
  })
  paired.catch(shown.reject)
  const onPage = await call(tab, "join", await shown.promise, relay.address)
  assert.strictEqual((await paired).label, "page")
  assert.deepStrictEqual(onPage, pictures)

  await call(tab, "open")
  await call(tab, "push", "from the page")
  await (await laptop.push("from the laptop")).stored()
  const both = ["before the page came", "from the laptop", "from the page"]
  assert.deepStrictEqual(await call(tab, "values"), both)

  await tab.reload()
  await tab.evaluate(() => Reflect.get(globalThis, "entry"))
  await call(tab, "open")
  await call(tab, "push", "after the reload")
  assert.deepStrictEqual(await call(tab, "values"), ["after the reload", ...both])

  await laptop.settled()
  assert.deepStrictEqual(await valuesOf(laptop), ["after the reload", ...both])

  // The same two without the relay: the page connects to the device.
  await laptop.pause()
  await call(tab, "pause")
  await laptop.push("laptop, alone")
  await call(tab, "write", "page, alone")
  const served = await laptop.peers.serve()
  assert.deepStrictEqual(await call(tab, "sync", served.url), [1, 1])
  const all = [...both, "after the reload", "laptop, alone", "page, alone"].sort()
  assert.deepStrictEqual(await call(tab, "valuesHere"), all)
  assert.deepStrictEqual(await valuesOf(laptop), all)
  await call(tab, "close")
  assert.deepStrictEqual(harness.problems, [])
}, 60_000)
