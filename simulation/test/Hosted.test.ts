/** Network and disk under the kernel: a server that answers for what is durable, crashed at every operation. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import type { Owner } from "../src/Connection.ts"
import { Disk } from "../src/Disk.ts"
import type { CrashLaw } from "../src/DiskImage.ts"
import * as DiskLog from "../src/DiskLog.ts"
import * as Files from "../src/Files.ts"
import * as Kernel from "../src/Kernel.ts"
import { Network } from "../src/Network.ts"
import * as Process from "../src/Process.ts"
import * as Socket from "../src/Socket.ts"
import { crashLaws } from "./kit/SmallDisk.ts"

const RECORDS = 5

/** Keeps what it hears, and says so. */
const server = (host: Socket.Host, files: Files.Files) =>
  Effect.scoped(Effect.gen(function*() {
    const log = yield* DiskLog.open(files, "log")
    const known = new Set(log.recovered.map((record) => record[0]))
    const listener = yield* host.listen("server:1")
    for (;;) {
      yield* Effect.gen(function*() {
        const socket = yield* listener.accept
        for (;;) {
          for (const record of yield* socket.receive) {
            if (!known.has(record[0])) yield* log.append(record)
            known.add(record[0])
            yield* socket.send(record)
          }
        }
      }).pipe(Effect.scoped, Effect.catchTag("SocketClosed", () => Effect.void))
    }
  }))

/** Sends each record until the server has answered for it. */
const client = (host: Socket.Host, answered: Set<number>) =>
  Effect.gen(function*() {
    while (answered.size < RECORDS) {
      const session = Effect.gen(function*() {
        const socket = yield* host.connect("server:1")
        for (let k = 0; k < RECORDS; k++) {
          if (answered.has(k)) continue
          yield* socket.send(Uint8Array.of(k))
          for (const record of yield* socket.receive) answered.add(record[0] ?? -1)
        }
      })
      yield* Effect.scoped(session).pipe(Effect.catch(() => Effect.sleep("1 second")))
    }
  })

interface Crash {
  readonly n: number
  readonly phase: "before" | "after"
  readonly law: CrashLaw
}

const run = (seed: bigint, crash?: Crash) => {
  const kernel = Kernel.make({ seed })
  const parts = { timeline: kernel, seed, recorder: kernel.trace }
  const network = new Network({
    ...parts,
    link: { latency: { kind: "uniform", lowMicros: 500, highMicros: 20_000 }, loss: 0.1 }
  })
  network.name("server:1", "server")
  const latency = { sync: { kind: "exponential", minimumMicros: 100, meanMicros: 2_000 } } as const
  const disk = new Disk({ ...parts, node: "server", law: { latency } })
  const start = (
    node: string,
    incarnation: number,
    program: (host: Socket.Host, owner: Owner) => Effect.Effect<void, unknown>
  ) => {
    const life: { process?: Process.Process } = {}
    const owner: Owner = { node, alive: () => life.process?.alive ?? true }
    const process = Process.start(kernel, {
      node,
      incarnation,
      context: Context.empty(),
      preemption: { p: 0.05, delayMicros: { low: 1, high: 1_000 } },
      program: program(Socket.host(network, owner), owner)
    })
    life.process = process
    return { process, owner }
  }
  const serve = (incarnation: number) =>
    start("server", incarnation, (host, owner) => server(host, Files.make(disk, owner)))
  const first = serve(0)
  let operations = 0
  disk.onOperation(({ n, phase }) => {
    operations = n + 1
    if (crash === undefined || n !== crash.n || phase !== crash.phase) return undefined
    first.process.crash("aimed")
    network.kill(first.owner)
    kernel.schedule(500_000, () => {
      disk.crash(crash.law)
      serve(1)
    })
    return undefined
  })
  const answered = new Set<number>()
  const asking = start("client", 0, (host) => client(host, answered))
  kernel.run({ micros: 60_000_000 })
  const reader: Owner = { node: "server", alive: () => true }
  let kept = 0
  disk.law = { ...disk.law, latency: {} }
  Effect.runSync(Effect.map(DiskLog.open(Files.make(disk, reader), "log"), (log) => {
    kept = new Set(log.recovered.map((record) => record[0])).size
    assert.strictEqual(log.recovered.length, kept, "a record twice")
  }))
  return { hash: kernel.trace.hash, operations, answered: answered.size, kept, done: asking.process.state }
}

describe("a server on a disk and a network, under the kernel", () => {
  it("answers in the end for everything, and keeps it, whatever operation it crashes at", () => {
    const calm = run(1n)
    assert.deepStrictEqual([calm.answered, calm.kept, calm.done], [RECORDS, RECORDS, "exited"])
    for (let n = 0; n < calm.operations; n++) {
      for (const phase of ["before", "after"] as const) {
        const law = crashLaws[n % crashLaws.length] ?? { kind: "any" }
        const { answered, kept } = run(1n, { n, phase, law })
        assert.deepStrictEqual({ n, answered, kept }, { n, answered: RECORDS, kept: RECORDS })
      }
    }
  })

  it("happens the same way for the same seed, and otherwise for another", () => {
    const crash: Crash = { n: 6, phase: "after", law: { kind: "any" } }
    const hashes = [1n, 2n, 3n, 4n, 5n].map((seed) => run(seed, crash).hash)
    assert.strictEqual(new Set(hashes).size, 5)
    assert.deepStrictEqual([5n, 4n, 3n, 2n, 1n].map((seed) => run(seed, crash).hash), hashes.toReversed())
  })
})
