/**
 * A relay on a network that means it ill: bytes that are no HTTP, no WebSocket, no handshake and no protocol, in all
 * speeds. Each connection ends, in time; the others go on; the process stays up, and what was acknowledged is there.
 */
import { openSotto } from "@sotto/runtime-node/open"
import { Limit } from "@sotto/schema/Limit"
import * as crypto from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as pause } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { OPCODE, RawClient, UPGRADE, webSocketFrame } from "../process/RawClient.ts"
import { RecordingProxy } from "../process/RecordingProxy.ts"
import { type RunningRelay, Stage } from "../process/Stage.ts"

/** What ends a connection at once takes no longer than this, on a busy machine. */
const PROMPT_MILLIS = 5000
/** The relay looks for slow headers every two seconds. */
const SLOW_MILLIS = Limit.handshakeStepMillis + 6000

let stage: Stage
let relay: RunningRelay
let writer: Awaited<ReturnType<typeof openSotto>>
let written = 0

beforeAll(async () => {
  stage = new Stage()
  relay = await stage.relay({
    args: ["--metrics-port", "0", "--log-level", "debug"],
    // All of this comes from one address: the limits per address have tests of their own.
    env: { SOTTO_RELAY_CONNECTS_PER_MINUTE: "10000", SOTTO_RELAY_UNAUTHENTICATED_PER_ADDRESS_MAX: "1000" }
  })
  writer = await openSotto({ dir: stage.home("laptop"), relay: relay.address, label: "Laptop" })
})

afterAll(async () => {
  await writer.close()
  await stage[Symbol.asyncDispose]()
})

/** The relay serves who keeps to the protocol, is whole, and has blamed nobody of its own. */
const assertServes = async () => {
  const receipt = await writer.push(`value ${written++}`)
  await receipt.stored()
  const health = await fetch(`http://127.0.0.1:${relay.port}/health`)
  assert.strictEqual(health.status, 200)
  assert.isNull(relay.child.process.exitCode)
  assert.notMatch(relay.child.stderr, /defect|unhandled|uncaught/i)
}

/** Sends this on a connection of its own, and waits for its end. */
const outcomeOf = async (bytes: string | Uint8Array, options: { readonly upgraded?: boolean } = {}) => {
  using client = await RawClient.to(relay.port)
  if (options.upgraded === true) await client.upgrade()
  const before = client.received.length
  client.send(bytes)
  const { ended, received } = await client.end(PROMPT_MILLIS)
  return { ended, answer: received.subarray(before) }
}

const statusOf = (answer: Buffer) => answer.toString("latin1").split("\r\n")[0]

/** The code of a close frame that the relay sent, if it sent one. */
const closeCodeOf = (answer: Buffer) => answer[0] === 0x88 && answer.length >= 4 ? answer.readUInt16BE(2) : undefined

describe("what is no HTTP, or no upgrade", () => {
  const headers = (text: string) => UPGRADE.replace("\r\n\r\n", `\r\n${text}\r\n\r\n`)
  it.each<readonly [name: string, bytes: string | Uint8Array, status: RegExp]>([
    ["a TLS hello", Buffer.from("16030100c8010000c40303", "hex"), /400/],
    ["zeros", new Uint8Array(1000), /400/],
    ["random bytes", Buffer.concat([Buffer.from([0xff]), crypto.randomBytes(1000)]), /400/],
    ["another version of HTTP", "GET / HTTP/9.9\r\nHost: relay\r\n\r\n", /400/],
    ["headers beyond 8 KiB", headers(`X-Long: ${"x".repeat(9000)}`), /431/],
    ["a header that never ends its line", `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}`, /431/],
    ["two lengths", headers("Content-Length: 5\r\nTransfer-Encoding: chunked"), /400/],
    ["an old version of WebSocket", UPGRADE.replace("Version: 13", "Version: 7"), /4(00|26)/],
    ["no key", UPGRADE.replace(/Sec-WebSocket-Key.*\r\n/, ""), /400/],
    ["a key of a wrong length", UPGRADE.replace("AAAA==", "A=="), /400/],
    ["another upgrade", UPGRADE.replace("websocket", "h2c"), /400/],
    ["an upgrade that posts", UPGRADE.replace("GET", "POST"), /405/],
    ["a request for something else", "DELETE /etc/passwd HTTP/1.1\r\nHost: relay\r\n\r\n", /404/]
  ])("%s", async (_name, bytes, status) => {
    const { answer, ended } = await outcomeOf(bytes)
    assert.match(statusOf(answer) ?? "", status)
    assert.isTrue(ended)
    await assertServes()
  })

  it("a connection that is reset in the middle of its upgrade", async () => {
    for (let cut = 1; cut < UPGRADE.length; cut += 20) {
      using client = await RawClient.to(relay.port)
      client.send(UPGRADE.slice(0, cut))
      client.socket.resetAndDestroy()
    }
    await assertServes()
  })
})

describe("what is no WebSocket", () => {
  it.each<readonly [name: string, bytes: Uint8Array, code: number]>([
    ["a text message", webSocketFrame(OPCODE.text, Buffer.from("hello")), 1003],
    ["text that is no UTF-8", webSocketFrame(OPCODE.text, Uint8Array.of(0xff, 0xfe)), 1007],
    ["a frame without a mask", webSocketFrame(OPCODE.binary, new Uint8Array(10), { masked: false }), 1002],
    ["an unknown opcode", webSocketFrame(OPCODE.reserved, new Uint8Array(10)), 1002],
    ["a compressed frame", webSocketFrame(OPCODE.binary, new Uint8Array(10), { reserved: 0x40 }), 1002],
    ["a middle without a beginning", webSocketFrame(OPCODE.continuation, new Uint8Array(10)), 1002],
    ["a ping in pieces", webSocketFrame(OPCODE.ping, new Uint8Array(10), { final: false }), 1002],
    ["a ping that is too long", webSocketFrame(OPCODE.ping, new Uint8Array(200)), 1002],
    ["a length of 4 MiB", webSocketFrame(OPCODE.binary, new Uint8Array(0), { claimed: 1n << 22n }), 1009],
    ["a length of 2^62", webSocketFrame(OPCODE.binary, new Uint8Array(0), { claimed: 1n << 62n }), 1009],
    ["a close without a reason that there is", webSocketFrame(OPCODE.close, Uint8Array.of(0, 1)), 1002]
  ])("%s", async (_name, bytes, code) => {
    const { answer, ended } = await outcomeOf(bytes, { upgraded: true })
    assert.strictEqual(closeCodeOf(answer), code)
    assert.isTrue(ended)
    await assertServes()
  })
})

describe("what is no handshake", () => {
  it.each<readonly [name: string, bytes: Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["one byte", Uint8Array.of(1)],
    ["random bytes", crypto.randomBytes(500)],
    ["more than any handshake", crypto.randomBytes(70_000)],
    ["as much as a message may have", crypto.randomBytes(Limit.messageBytesMax)]
  ])("%s", async (_name, bytes) => {
    const { ended } = await outcomeOf(webSocketFrame(OPCODE.binary, bytes), { upgraded: true })
    assert.isTrue(ended)
    await assertServes()
  })

  it("a frame that breaks off", async () => {
    using client = await RawClient.to(relay.port)
    await client.upgrade()
    client.send(webSocketFrame(OPCODE.binary, new Uint8Array(100), { claimed: 1000n }))
    client.socket.end()
    assert.isTrue((await client.end(PROMPT_MILLIS)).ended)
    await assertServes()
  })

  it("a whole connection that was recorded, played again", async () => {
    await using proxy = await RecordingProxy.to(relay.port)
    const through = relay.address.replace(`:${relay.port}/`, `:${proxy.port}/`)
    {
      await using other = await openSotto({ dir: stage.home("recorded"), relay: through, label: "Recorded" })
      await (await other.push("recorded")).stored()
    }
    const rowsIn = () => {
      const database = new DatabaseSync(`${relay.data}/sotto.db`, { readOnly: true })
      try {
        return ["route", "envelope", "tag"].map((table) =>
          database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]
        )
      } finally {
        database.close()
      }
    }
    const before = rowsIn()
    assert.isAbove(proxy.sent.length, 2000)
    using client = await RawClient.to(relay.port)
    client.send(proxy.sent)
    const { ended, received } = await client.end(PROMPT_MILLIS)
    assert.match(statusOf(received) ?? "", /101/)
    assert.isTrue(ended)
    assert.deepStrictEqual(rowsIn(), before)
    await assertServes()
  })
})

describe("who is slow", () => {
  it("is put out within the time of a step, whatever it is slow with, and holds nobody up", async () => {
    const drip = async (client: RawClient, bytes: Uint8Array) => {
      for (const byte of bytes) {
        if (client.socket.destroyed) return
        client.send(Uint8Array.of(byte))
        await pause(500)
      }
    }
    const start = async (upgraded: boolean, act: (client: RawClient) => Promise<void>) => {
      const client = await RawClient.to(relay.port)
      if (upgraded) await client.upgrade()
      const ending = client.end(SLOW_MILLIS)
      await Promise.race([act(client), ending])
      const { ended } = await ending
      client.socket.destroy()
      return ended
    }
    const piece = (opcode: number) => webSocketFrame(opcode, new Uint8Array(4), { final: false })
    const slow = Promise.all([
      start(false, async () => undefined),
      start(false, (client) => drip(client, Buffer.from(UPGRADE))),
      start(false, (client) => drip(client, Buffer.from(`GET /health HTTP/1.1\r\nX: ${"x".repeat(1000)}`))),
      start(true, async () => undefined),
      start(true, (client) => drip(client, webSocketFrame(OPCODE.binary, new Uint8Array(1000)))),
      start(true, async (client) => {
        client.send(piece(OPCODE.binary))
        while (!client.socket.destroyed) {
          await pause(300)
          client.send(piece(OPCODE.continuation))
          client.send(webSocketFrame(OPCODE.ping, new Uint8Array(4)))
        }
      })
    ])
    const turns = async () => {
      for (let turn = 0; turn < 8; turn++) {
        await assertServes()
        await pause(200)
      }
    }
    const [ended] = await Promise.all([slow, turns()])
    assert.deepStrictEqual(ended, [true, true, true, true, true, true])
    await assertServes()
  })
})

describe("after all of it", () => {
  it("nothing is left of it, nothing of others is lost, and the relay ends in order", async () => {
    const gauge = async () =>
      /^sotto_relay_connections (\d+)$/m.exec(await (await fetch(relay.metrics ?? "")).text())?.[1]
    for (let look = 0; look < 50 && await gauge() !== "1"; look++) await pause(100)
    assert.strictEqual(await gauge(), "1")
    const kept: Array<string> = []
    for await (const { ops } of writer.entries()) {
      for (const { action } of ops) if (action._tag === "Put") kept.push(Buffer.from(action.value).toString())
    }
    assert.deepStrictEqual(kept, Array.from({ length: written }, (_, n) => `value ${n}`))
    assert.deepStrictEqual(await writer.evidence(), [])
    const ended = await relay.child.stop("SIGTERM")
    assert.strictEqual(ended.code, 0)
  })
})
