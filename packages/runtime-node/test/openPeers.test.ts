import { assert, describe, it } from "@effect/vitest"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import * as RelayServer from "@sotto/runtime-node/RelayServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { join } from "node:path"
import { temporaryDirectory } from "./kit/temporary.ts"

type Handle = Awaited<ReturnType<typeof openSotto>>

/** Two devices that met at a relay, which is gone. */
const paired = Effect.fnUntraced(function*(root: string) {
  const [laptop, phone] = [join(root, "laptop"), join(root, "phone")]
  yield* Effect.scoped(Effect.gen(function*() {
    const { address } = yield* RelayServer.start({ directory: join(root, "relay") })
    yield* Effect.promise(async () => {
      await using host = await openSotto({ dir: laptop, label: "Laptop", relay: address })
      await host.pair({
        onCode: ({ code }) => void joinSotto({ dir: phone, label: "Phone", from: { code, relay: address } }),
        approve: () => true
      })
      await host.settled()
    })
  }))
  return { laptop, phone }
})

const valuesOf = async (handle: Handle): Promise<ReadonlyArray<string>> => {
  const values: Array<string> = []
  for await (const { ops } of handle.entries()) {
    for (const { action } of ops) if (action._tag === "Put") values.push(Buffer.from(action.value).toString())
  }
  return values.sort()
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => undefined, (error: unknown) => error)

const tagOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "_tag" in error ? error._tag : error

describe("a device that apps know by promises", () => {
  it.layer(Layer.merge(NodeCrypto.layer, Logger.layer([])), { excludeTestServices: true })((it) => {
    it.effect("serves others, syncs with one, and stays connected", () =>
      Effect.gen(function*() {
        const dirs = yield* paired(yield* temporaryDirectory)
        yield* Effect.promise(async () => {
          await using laptop = await openSotto({ dir: dirs.laptop })
          await using phone = await openSotto({ dir: dirs.phone })
          await laptop.push("from the laptop")
          await phone.push("from the phone")
          const served = await laptop.peers.serve()
          assert.deepStrictEqual([served.url, served.urls], [`ws://127.0.0.1:${served.port}/`, [served.url]])
          const { device, received, sent } = await phone.peers.sync(served.url)
          // The entry that let the phone in came with the other.
          assert.deepStrictEqual([device, received, sent], [laptop.device, 2, 1])
          assert.deepStrictEqual(await valuesOf(phone), ["from the laptop", "from the phone"])
          assert.deepStrictEqual(await valuesOf(laptop), await valuesOf(phone))

          const stop = new AbortController()
          const lost: Array<string> = []
          let ended: Promise<unknown> = Promise.resolve()
          await new Promise<void>((resolve) => {
            ended = rejection(phone.peers.follow(served.url, {
              signal: stop.signal,
              onSynced: () => resolve(),
              onLost: ({ reason }) => lost.push(reason)
            }))
          })
          const [seen] = await laptop.peers.connected()
          assert.deepStrictEqual(seen?.device, phone.device)
          await laptop.push("later")
          for await (const { ops } of phone.entries({ live: true })) {
            if (ops.some(({ action }) => action._tag === "Put" && Buffer.from(action.value).toString() === "later")) {
              break
            }
          }
          stop.abort()
          assert.isDefined(await ended)
          assert.deepStrictEqual(lost, [])
          await served.close()
          assert.strictEqual(tagOf(await rejection(phone.peers.sync(served.url))), "PeerUnreachable")
          assert.strictEqual(tagOf(await rejection(phone.peers.sync("nowhere"))), "PeerUnreachable")
        })
      }))

    it.effect("ends what it began when it is closed", () =>
      Effect.gen(function*() {
        const dirs = yield* paired(yield* temporaryDirectory)
        yield* Effect.promise(async () => {
          await using laptop = await openSotto({ dir: dirs.laptop })
          const phone = await openSotto({ dir: dirs.phone })
          const served = await laptop.peers.serve()
          let ended: Promise<unknown> = Promise.resolve()
          await new Promise<void>((resolve) => {
            ended = rejection(phone.peers.follow(served.url, { onSynced: () => resolve() }))
          })
          await phone.close()
          assert.isDefined(await ended)
          await laptop.close()
          // The port is free again, and so is the directory.
          await using again = await openSotto({ dir: dirs.laptop })
          await using other = await again.peers.serve({ port: served.port })
          assert.strictEqual(other.port, served.port)
          assert.strictEqual(tagOf(await rejection(again.peers.serve({ port: served.port }))), "ListenFailed")
        })
      }))
  })
})
