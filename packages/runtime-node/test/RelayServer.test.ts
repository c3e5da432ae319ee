import { assert, describe, it } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as RelayServer from "@sotto/runtime-node/RelayServer"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { chmodSync, existsSync, mkdirSync } from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { WebSocket } from "ws"
import * as Kit from "../../core/test/kit/relayKit.ts"
import { overNetwork } from "./kit/overNetwork.ts"
import { temporaryDirectory } from "./kit/temporary.ts"

const get = (url: string, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(url, { method })
    return { status: response.status, body: await response.text(), headers: response.headers }
  })
const http = (url: string) => url.replace(/^ws/, "http")

const start = (directory: string, options: Omit<RelayServer.RelayServerOptions, "directory"> = {}) =>
  RelayServer.start({ ...options, directory })

const backUp = (directory: string, to: string): void => {
  mkdirSync(to, { mode: 0o700, recursive: true })
  const source = new DatabaseSync(join(directory, "sotto.db"), { readOnly: true })
  source.exec(`VACUUM INTO '${join(to, "sotto.db")}'`)
  source.close()
  chmodSync(join(to, "sotto.db"), 0o600)
}

/** Runs `use` with a relay of its own scope. */
const during = <A, E, R>(
  directory: string,
  use: (running: RelayServer.Running) => Effect.Effect<A, E, R>,
  options: Omit<RelayServer.RelayServerOptions, "directory"> = {}
) => Effect.scoped(Effect.flatMap(start(directory, options), use))

/** What a WebSocket that is opened by hand comes to: how it closed, or the status that it was refused with. */
const outcome = (url: string, options: {
  readonly headers?: Record<string, string>
  readonly onOpen?: (socket: WebSocket) => void
}) =>
  Effect.callback<{ readonly opened: boolean; readonly code: number }>((resume) => {
    const socket = new WebSocket(url, { headers: options.headers ?? {}, perMessageDeflate: false })
    let opened = false
    socket.on("open", () => {
      opened = true
      options.onOpen?.(socket)
    })
    socket.on("unexpected-response", (_, response) => {
      resume(Effect.succeed({ opened, code: response.statusCode ?? 0 }))
      response.destroy()
    })
    socket.on("error", () => undefined)
    socket.on("close", (code) => resume(Effect.succeed({ opened, code })))
  })

const envelopesIn = (metrics: string): number => Number(/^sotto_relay_envelopes_total (\d+)$/m.exec(metrics)?.[1] ?? 0)

describe("RelayServer", () => {
  it.layer(Layer.merge(NodeCrypto.layer, Logger.layer([])), { excludeTestServices: true })((it) => {
    it.effect("answers health in public, and nothing else", () =>
      Effect.gen(function*() {
        yield* during(yield* temporaryDirectory, ({ metricsUrl, url }) =>
          Effect.gen(function*() {
            assert.isUndefined(metricsUrl)
            const health = yield* get(`${http(url)}health`)
            assert.deepStrictEqual([health.status, health.body], [200, "ok\n"])
            assert.notMatch(JSON.stringify([...health.headers]), /sotto|node|x-powered/i)
            assert.deepStrictEqual((yield* get(`${http(url)}health`, "HEAD")).body, "")
            for (const path of ["", "metrics", "health/", "health?x", "status"]) {
              const other = yield* get(`${http(url)}${path}`)
              assert.deepStrictEqual([other.status, other.body], [404, ""], path)
            }
            assert.strictEqual((yield* get(`${http(url)}health`, "POST")).status, 404)
          }))
      }))

    it.effect("is a service too, for as long as its Layer", () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        const port = yield* RelayServer.RelayServer.pipe(
          Effect.tap(({ url }) =>
            Effect.map(get(`${http(url)}health`), ({ status }) => assert.strictEqual(status, 200))
          ),
          Effect.map((running) => running.port),
          Effect.provide(RelayServer.layer({ directory }), { local: true })
        )
        yield* during(directory, () => Effect.void, { port })
      }))

    it.effect("metrics are on a listener of their own, without labels that name anyone", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto
        yield* during(yield* temporaryDirectory, ({ metricsUrl, relay, url }) =>
          Effect.gen(function*() {
            const routeId = Kit.route(crypto)
            assert.isDefined(metricsUrl)
            const before = yield* get(metricsUrl)
            const { client, handle } = yield* Kit.member(overNetwork(relay, url), routeId, Kit.epochKeys(crypto))
            yield* Kit.push(client, handle, [Kit.envelope(crypto)])
            const { body, status } = yield* get(metricsUrl)
            assert.strictEqual(status, 200)
            // The process counts, so relays before this one may be in it.
            assert.strictEqual(envelopesIn(body), envelopesIn(before.body) + 1)
            assert.match(body, /^sotto_relay_connections 1$/m)
            assert.notInclude(body, "127.0.0.1")
            assert.notInclude(body, Buffer.from(routeId).toString("hex"))
            assert.strictEqual((yield* get(metricsUrl.replace("metrics", "health"))).status, 404)
          }), { metrics: { port: 0 } })
      }))

    it.effect("follows another one as its standby: says so, counts, and refuses devices", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto
        const directory = yield* temporaryDirectory
        const copy = join(yield* temporaryDirectory, "copy"), older = join(yield* temporaryDirectory, "older")
        yield* during(directory, ({ address, relay, url }) =>
          Effect.gen(function*() {
            const replicate = Result.getOrThrow(relayAddressFromText(address))
            const none = yield* Effect.flip(Effect.scoped(start(copy, { replicate })))
            assert.strictEqual(none._tag, "StandbyWithoutKey")
            assert.isFalse(existsSync(copy))
            for (const backup of [copy, older]) backUp(directory, backup)
            const routeId = Kit.route(crypto), keys = Kit.epochKeys(crypto)
            const { client, handle } = yield* Kit.member(overNetwork(relay, url), routeId, keys)
            yield* Kit.push(client, handle, Array.from({ length: 300 }, () => Kit.envelope(crypto)))
            yield* during(copy, (standby) =>
              Effect.gen(function*() {
                const health = () => get(`${http(standby.url)}health`)
                while ((yield* health()).body !== "standby following lag 0.0 s 0 positions\n") yield* Effect.sleep(50)
                assert.strictEqual((yield* health()).status, 503)
                const device = yield* Kit.connect(overNetwork(standby.relay, standby.url))
                assert.strictEqual((yield* Effect.flip(Kit.attach(device, routeId, keys)))._tag, "Standby")
                yield* Effect.sleep(1100)
                const { body } = yield* get(standby.metricsUrl ?? "")
                assert.match(body, /^sotto_relay_standbys 1$/m)
                assert.match(body, /^sotto_standby_lag_seconds 0$/m)
                assert.match(body, /^sotto_standby_lag_positions 0$/m)
                assert.isAbove(Number(/^sotto_standby_bytes_total (\d+)$/m.exec(body)?.[1]), 300 * 300)
              }), { replicate, metrics: { port: 0 } })
          }))
        yield* during(copy, ({ url }) =>
          Effect.map(get(`${http(url)}health`), ({ body }) => assert.strictEqual(body, "ok\n")))
        // The relay as it was before all that: another history.
        yield* during(older, ({ address }) =>
          Effect.gen(function*() {
            const replicate = Result.getOrThrow(relayAddressFromText(address))
            const ended = yield* Effect.flip(during(copy, (standby) =>
              standby.ended, { replicate }))
            assert.strictEqual(ended._tag, "CopyDiffers")
          }))
      }), 60_000)

    it.effect("what was acknowledged is there after a restart, under the same key", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto
        const directory = yield* temporaryDirectory
        const routeId = Kit.route(crypto), keys = Kit.epochKeys(crypto)
        const envelopes = Array.from({ length: 30 }, () => Kit.envelope(crypto, { bytes: 20_000 }))
        const first = yield* during(directory, ({ relay, url }) =>
          Effect.gen(function*() {
            const { client, handle } = yield* Kit.member(overNetwork(relay, url), routeId, keys)
            yield* Kit.push(client, handle, envelopes)
            return relay.relayKey
          }))
        yield* during(directory, ({ address, relay, url }) =>
          Effect.gen(function*() {
            assert.deepStrictEqual(relay.relayKey, first)
            assert.strictEqual(address, relay.address(url))
            const client = yield* Kit.connect(overNetwork(relay, url))
            const { handle } = yield* Kit.attach(client, routeId, keys, ["read"])
            yield* Kit.subscribe(client, handle)
            const received = yield* Kit.receive(client, 30)
            assert.isTrue(Kit.sameBytes(received.map((placed) => placed.envelope), envelopes))
          }))
      }))

    it.effect("a port in use and a directory in use are told, and leave nothing behind", () =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory, other = yield* temporaryDirectory
        yield* during(directory, ({ port }) =>
          Effect.gen(function*() {
            const inUse = yield* Effect.flip(during(other, () => Effect.void, { port }))
            assert.deepStrictEqual([inUse._tag, "reason" in inUse ? inUse.reason : ""], ["ListenFailed", "in-use"])
            assert.include(inUse.message, "--port")
            const locked = yield* Effect.flip(during(directory, () => Effect.void))
            assert.deepStrictEqual([locked._tag, "reason" in locked ? locked.reason : ""], [
              "RelayStoreFailed",
              "locked"
            ])
            yield* during(other, () => Effect.void)
            const metricsInUse = yield* Effect.flip(during(other, () => Effect.void, { metrics: { port } }))
            assert.strictEqual(metricsInUse._tag, "ListenFailed")
            yield* during(other, () => Effect.void)
          }))
        const elsewhere = yield* Effect.flip(during(other, () => Effect.void, { host: "192.0.2.1" }))
        assert.deepStrictEqual("reason" in elsewhere ? elsewhere.reason : "", "address")
      }))

    it.effect("routes without the key that they were opened under are no relay to start", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto
        const directory = yield* temporaryDirectory
        yield* during(directory, ({ relay, url }) =>
          Kit.member(overNetwork(relay, url), Kit.route(crypto), Kit.epochKeys(crypto)))
        const database = new DatabaseSync(join(directory, "sotto.db"))
        database.exec("DELETE FROM secret")
        database.close()
        for (let i = 0; i < 2; i++) {
          assert.strictEqual(
            (yield* Effect.flip(during(directory, () =>
              Effect.void)))._tag,
            "RelayIdentityUnreadable"
          )
        }
      }))

    it.effect("the end tells clients, answers what was taken, and frees port and directory", () =>
      Effect.gen(function*() {
        const crypto = yield* Crypto
        const directory = yield* temporaryDirectory
        const scope = yield* Scope.make()
        const { port, relay, url } = yield* Scope.provide(start(directory), scope)
        const { client, handle } = yield* Kit.member(overNetwork(relay, url), Kit.route(crypto), Kit.epochKeys(crypto))
        // One that never says anything, one whose upgrade never ends.
        const silent = new WebSocket(url)
        yield* Effect.promise(() => once(silent, "open"))
        const half = net.connect(port, "127.0.0.1")
        yield* Effect.promise(() => once(half, "connect"))
        half.write("GET / HTTP/1.1\r\nHost: x\r\n")
        yield* client.send({ _tag: "Push", handle, request: 5, envelopes: [Kit.envelope(crypto)] })
        yield* Kit.settle
        yield* Effect.timeoutOrElse(Scope.close(scope, Exit.void), {
          duration: "20 seconds",
          orElse: () => Effect.die("the relay did not end")
        })
        const goAway = yield* client.take("GoAway")
        assert.isAtLeast(goAway.retryAfterMillis, 1)
        yield* client.ended
        const again = yield* during(directory, ({ relay }) => Effect.succeed(relay.relayKey), { port })
        assert.deepStrictEqual(again, relay.relayKey)
        half.destroy()
      }))

    it.effect("text, messages that are too large, and headers that are, end the connection", () =>
      Effect.gen(function*() {
        yield* during(yield* temporaryDirectory, ({ url }) =>
          Effect.gen(function*() {
            const text = yield* outcome(url, { onOpen: (socket) => socket.send("hello") })
            assert.deepStrictEqual(text, { opened: true, code: 1003 })
            const large = yield* outcome(url, { onOpen: (socket) => socket.send(new Uint8Array(3 * 1024 * 1024)) })
            assert.deepStrictEqual(large, { opened: true, code: 1009 })
            assert.strictEqual((yield* outcome(url, { headers: { "x-long": "x".repeat(10_000) } })).code, 431)
            assert.strictEqual((yield* get(`${http(url)}health`)).status, 200)
          }))
      }))

    it.effect("an address with too many strangers is refused before the upgrade", () =>
      Effect.gen(function*() {
        yield* during(yield* temporaryDirectory, ({ url }) =>
          Effect.gen(function*() {
            const first = new WebSocket(url)
            yield* Effect.promise(() => once(first, "open"))
            assert.deepStrictEqual(yield* outcome(url, {}), { opened: false, code: 429 })
            first.terminate()
          }), { settings: { limits: { unauthenticatedPerAddressMax: 1 } } })
      }))

    it.effect("a client's address is the proxy's word only when the proxy is trusted", () =>
      Effect.gen(function*() {
        const from = (address: string) => ({ headers: { "x-forwarded-for": `203.0.113.9, ${address}` } })
        const settings = { limits: { unauthenticatedPerAddressMax: 1 } }
        yield* during(yield* temporaryDirectory, ({ url }) =>
          Effect.gen(function*() {
            const first = new WebSocket(url, from("198.51.100.1"))
            yield* Effect.promise(() => once(first, "open"))
            assert.strictEqual((yield* outcome(url, from("198.51.100.1"))).code, 429)
            const second = yield* outcome(url, { ...from("198.51.100.2"), onOpen: (socket) => socket.close() })
            assert.isTrue(second.opened)
            first.terminate()
          }), { settings, trustProxy: true })
        yield* during(yield* temporaryDirectory, ({ url }) =>
          Effect.gen(function*() {
            const first = new WebSocket(url, from("198.51.100.1"))
            yield* Effect.promise(() => once(first, "open"))
            assert.strictEqual((yield* outcome(url, from("198.51.100.2"))).code, 429)
            first.terminate()
          }), { settings })
      }))
  })
})
