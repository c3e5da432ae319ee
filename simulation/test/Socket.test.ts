import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { End } from "../src/Connection.ts"
import * as Partition from "../src/Partition.ts"
import * as Socket from "../src/Socket.ts"
import { connected, noisy, world } from "./kit/SmallNetwork.ts"
import { text, utf8 } from "./kit/SmallWorld.ts"

describe("sockets", () => {
  it("echo, under preemption, with back-pressure, and end with their scopes", () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 0.3), fc.bigInt({ min: 0n, max: 20n }), (preempt, seed) => {
        const small = world({ seed, link: noisy, law: { queueBytesMax: 40 } })
        small.network.change(Partition.everywhere, { corruption: 0 })
        const [a, b] = [small.process("a", preempt, seed), small.process("b", preempt, seed)]
        small.network.name("b:1", "b")
        b.fork(Effect.scoped(Effect.gen(function*() {
          const listener = yield* Socket.host(small.network, b).listen("b:1")
          const socket = yield* listener.accept
          for (;;) {
            for (const bytes of yield* socket.receive) yield* socket.send(bytes)
          }
        })))
        let exit: Exit.Exit<ReadonlyArray<string>, unknown> | undefined
        const words = Array.from({ length: 50 }, (_, k) => `word ${k}`)
        a.fork(
          Effect.scoped(Effect.gen(function*() {
            const socket = yield* Socket.host(small.network, a).connect("b:1")
            yield* Effect.forkChild(Effect.forEach(words, (word) => socket.send(utf8(word))))
            const heard: Array<string> = []
            while (heard.length < words.length) heard.push(...(yield* socket.receive).map(text))
            return heard
          })),
          (done) => {
            exit = done
          }
        )
        small.timeline.run(100_000_000)
        assert.deepStrictEqual(exit, Exit.succeed(words))
        const closes = small.recorder.rows().filter((row) => row.kind === "close" || row.kind === "closed")
        assert.strictEqual(closes.length, 2)
      }),
      { numRuns: 20 }
    )
  })

  it("never have more queued than the bound and one message", () => {
    const small = world({ law: { queueBytesMax: 100 } })
    const { a, local, remote } = connected(small)
    const socket = Socket.fromEnd(local)
    a.fork(Effect.forEach(Array.from({ length: 50 }), () => socket.send(new Uint8Array(30))))
    let read = 0
    for (let k = 0; k < 200; k++) {
      small.timeline.run(small.timeline.nowMicros() + 300)
      assert.isAtMost(local.queuedBytes, 130)
      if (k % 3 === 0) read += remote.read().length
    }
    assert.strictEqual(read, 50)
  })

  it("run no finaliser after a crash, and all of them when they are interrupted", () => {
    for (const how of ["crash", "stop"] as const) {
      const small = world()
      const [a, b] = [small.process("a"), small.process("b")]
      const finalised: Array<string> = []
      const remote: Array<End> = []
      small.network.listen(b, "b:1", (end) => remote.push(end))
      const fiber = a.fork(Effect.scoped(Effect.gen(function*() {
        const socket = yield* Socket.host(small.network, a).connect("b:1")
        yield* Effect.addFinalizer(() => Effect.sync(() => finalised.push("ran")))
        yield* socket.receive
      })))
      small.timeline.run(10_000)
      assert.strictEqual(remote.length, 1)
      if (how === "stop") fiber.interruptUnsafe()
      else {
        a.kill()
        small.network.kill(a)
      }
      remote[0]?.write(utf8("too late"))
      small.timeline.run()
      assert.deepStrictEqual(finalised, how === "stop" ? ["ran"] : [])
      assert.strictEqual(remote[0]?.ended?.clean, how === "stop")
    }
  })

  it("leave no open connection behind when connecting is interrupted, whenever that is", () => {
    let opened = 0
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 500n }), fc.integer({ min: 900, max: 1_100 }), (seed, at) => {
        const small = world({ seed })
        const [a, b] = [small.process("a", 0.3, seed), small.process("b")]
        const remote: Array<End> = []
        small.network.listen(b, "b:1", (end) => remote.push(end))
        const connect = Effect.scoped(Effect.andThen(Socket.host(small.network, a).connect("b:1"), Effect.never))
        const fiber = a.fork(connect)
        small.timeline.schedule(at, () => fiber.interruptUnsafe())
        small.timeline.run()
        opened += remote.length
        for (const end of remote) assert.isDefined(end.ended)
      }),
      { numRuns: 200 }
    )
    assert.isAbove(opened, 50)
  })

  it("keep what arrived for the next receive when one is interrupted", () => {
    const small = world()
    const { a, local, remote } = connected(small)
    const socket = Socket.fromEnd(local)
    const fiber = a.fork(socket.receive)
    small.timeline.run()
    fiber.interruptUnsafe()
    remote.write(utf8("kept"))
    small.timeline.run()
    let heard: string | undefined
    a.fork(Effect.map(socket.receive, ([first]) => {
      heard = text(first)
    }))
    small.timeline.run()
    assert.strictEqual(heard, "kept")
  })

  it("take datagrams", () => {
    const small = world()
    const [a, b] = [small.process("a"), small.process("b")]
    let heard: string | undefined
    b.fork(Effect.scoped(Effect.gen(function*() {
      const socket = yield* Socket.host(small.network, b).bind("b:1")
      const { bytes, from } = yield* socket.receive
      heard = `${text(bytes)} from ${from}`
    })))
    small.timeline.run()
    a.fork(Effect.scoped(Effect.gen(function*() {
      const socket = yield* Socket.host(small.network, a).bind("a:1")
      yield* socket.send("b:1", utf8("hello"))
    })))
    small.timeline.run()
    assert.strictEqual(heard, "hello from a:1")
  })
})
