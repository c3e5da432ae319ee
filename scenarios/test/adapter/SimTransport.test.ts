/** The shipped channel, client side and relay side, over the simulator's network. */
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@sotto/core/Transport"
import * as SimTransport from "@sotto/scenarios/adapter/SimTransport"
import { RelayKey } from "@sotto/schema/Id"
import * as Kernel from "@sotto/simulation/Kernel"
import { Network } from "@sotto/simulation/Network"
import * as Process from "@sotto/simulation/Process"
import * as Socket from "@sotto/simulation/Socket"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

const URL = SimTransport.urlOf("relay-1")
const address = { url: URL, key: RelayKey.make(new Uint8Array(32)) }

const world = () => {
  const kernel = Kernel.make({ seed: 1n })
  const network = new Network({
    timeline: kernel,
    seed: 1n,
    recorder: kernel.trace,
    link: { latency: { kind: "uniform", lowMicros: 500, highMicros: 5000 } }
  })
  network.name("relay-1", "relay")
  const start = (node: string, program: (host: Socket.Host) => Effect.Effect<unknown, unknown>) => {
    const life: { process?: Process.Process } = {}
    const owner = { node, alive: () => life.process?.alive ?? true }
    const process = Process.start(kernel, {
      node,
      context: Context.empty(),
      program: program(Socket.host(network, owner))
    })
    life.process = process
    return {
      process,
      crash: () => {
        process.crash()
        network.kill(owner)
      }
    }
  }
  return { kernel, network, start }
}

/** A relay that says everything back. */
const echo = {
  serve: (connection: Connection) =>
    Effect.ignore(
      Effect.forever(Effect.flatMap(connection.receive, (messages) => Effect.forEach(messages, connection.send)))
    )
}

describe("SimTransport", () => {
  it("carries whole messages both ways, for many connections at once", () => {
    const { kernel, start } = world()
    start("relay", (host) => Effect.scoped(SimTransport.serve(host, "relay-1", echo)))
    const heard: Array<string> = []
    for (const client of ["a", "b", "c"]) {
      start(client, (host) =>
        Effect.scoped(Effect.gen(function*() {
          yield* Effect.sleep(10)
          const connection = yield* SimTransport.make(host).connect(address)
          assert.strictEqual(connection.remoteAddress, "relay")
          for (let n = 0; n < 5; n++) yield* connection.send(Uint8Array.of(n))
          let count = 0
          while (count < 5) {
            for (const [n] of yield* connection.receive) heard.push(`${client}${n}`)
            count = heard.filter((one) => one.startsWith(client)).length
          }
        })))
    }
    kernel.run({ micros: 10_000_000 })
    assert.deepStrictEqual(heard.toSorted(), ["a", "b", "c"].flatMap((one) => [0, 1, 2, 3, 4].map((n) => `${one}${n}`)))
  })

  it("tells why there is no connection, and how one ended", () => {
    const { kernel, start } = world()
    const ends: Array<unknown> = []
    const relay = start(
      "relay",
      (host) => Effect.andThen(Effect.sleep(1000), Effect.scoped(SimTransport.serve(host, "relay-1", echo)))
    )
    start("client", (host) =>
      Effect.gen(function*() {
        const transport = SimTransport.make(host)
        const failure = (url: string) => Effect.scoped(Effect.flip(transport.connect({ ...address, url })))
        ends.push((yield* failure(URL)).reason, (yield* failure("ws://nowhere/")).reason)
        yield* Effect.sleep(2000)
        const connection = yield* transport.connect(address)
        yield* connection.send(Uint8Array.of(1))
        yield* connection.receive
        kernel.schedule(1000, relay.crash)
        ends.push(yield* Effect.flip(connection.receive))
      }).pipe(Effect.scoped))
    kernel.run({ micros: 20_000_000 })
    assert.deepStrictEqual(ends.slice(0, 2), ["refused", "network"])
    assert.include(ends[2], { _tag: "ConnectionClosed", clean: false })
  })

  it("ends a connection in order when either side is done with it", () => {
    const { kernel, start } = world()
    const ends: Array<unknown> = []
    start("relay", (host) =>
      Effect.scoped(SimTransport.serve(host, "relay-1", {
        serve: (connection) =>
          Effect.ignore(Effect.flatMap(connection.receive, () =>
            Effect.tap(Effect.flip(connection.receive), (end) =>
              Effect.sync(() => ends.push(end)))))
      })))
    start("client", (host) =>
      Effect.gen(function*() {
        yield* Effect.sleep(10)
        const first = yield* SimTransport.make(host).connect(address)
        yield* first.send(Uint8Array.of(1))
        yield* Effect.sleep(100)
      }).pipe(Effect.scoped))
    kernel.run({ micros: 5_000_000 })
    assert.strictEqual(ends.length, 1)
    assert.include(ends[0], { _tag: "ConnectionClosed", clean: true })
  })
})
