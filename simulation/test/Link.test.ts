import { assert, describe, it } from "vitest"
import type { LinkLaw } from "../src/Link.ts"
import * as Partition from "../src/Partition.ts"
import type { Row } from "../src/Trace.ts"
import { connected, drain, noisy, type Options, type World, world } from "./kit/SmallNetwork.ts"
import { text, utf8 } from "./kit/SmallWorld.ts"

/** One hundred messages and datagrams from each of two nodes, each read at once. */
const traffic = (options: Options, fault: (small: World) => void = () => undefined): ReadonlyArray<Row> => {
  const small = world({ law: { giveUpMicros: 0 }, ...options })
  const { a, b, local, remote } = connected(small)
  drain(local, [])
  drain(remote, [])
  const socket = small.network.bind(a, "a:2", () => undefined)
  small.network.bind(b, "b:2", () => undefined)
  fault(small)
  for (let k = 0; k < 100; k++) {
    small.timeline.schedule(k * 20_000, () => {
      local.write(utf8(`out ${k}`))
      remote.write(utf8(`back ${k}`))
      socket?.send("b:2", utf8(`datagram ${k}`))
    })
  }
  small.timeline.run()
  return small.recorder.rows()
}

describe("rows", () => {
  it("are the same for the same seed, and others for another", () => {
    const seen = traffic({ link: noisy })
    assert.deepStrictEqual(traffic({ link: noisy }), seen)
    assert.notDeepEqual(traffic({ link: noisy, seed: 8n }), seen)
  })

  it("have the sending as the cause of each arrival and each loss", () => {
    const rows = traffic({ link: noisy, classify: ({ bytes }) => text(bytes).split(" ")[0] })
    const byIndex = new Map(rows.map((row) => [row.i, row]))
    const arrived = rows.filter((row) => row.kind === "recv")
    assert.isAbove(arrived.length, 280)
    for (const row of rows) {
      if (row.kind !== "recv" && row.kind !== "drop" && row.kind !== "duplicate") continue
      assert.strictEqual(byIndex.get(row.cause ?? -1)?.kind, "send")
    }
    for (const row of rows.filter((other) => other.kind === "send")) assert.isString(row.payload?.["type"])
  })

  /** When each sending arrived for the first time, by what was sent. */
  const arrivals = (rows: ReadonlyArray<Row>) => {
    const delays = new Map<string, number>()
    const sendings = rows.filter((row) => row.kind === "send")
    const sentByRow = new Map(sendings.map((row, k) => [row.i, { k, row }]))
    for (const row of rows) {
      const sent = sentByRow.get(row.cause ?? -1)
      if (row.kind !== "recv" || sent === undefined || delays.has(String(sent.k))) continue
      delays.set(String(sent.k), row.tMicros - sent.row.tMicros)
    }
    return delays
  }

  it("of other messages stay as they were when one fault is taken away", () => {
    const quiet: Partial<LinkLaw> = { ...noisy, loss: 0, retransmitMicros: 5_000 }
    const without = arrivals(traffic({ link: quiet }))
    const faults: ReadonlyArray<(small: World) => void> = [
      (small) => {
        const lift = small.network.block(Partition.isolate("a"))
        small.timeline.schedule(200_000, lift)
      },
      (small) =>
        small.timeline.schedule(
          100_000,
          () => small.timeline.schedule(100_000, small.network.change(Partition.everywhere, { loss: 0.3 }))
        ),
      (small) => small.timeline.schedule(200_000, small.network.clog(Partition.link("a", "b")))
    ]
    for (const fault of faults) {
      const withFault = arrivals(traffic({ link: quiet }, fault))
      let touched = 0
      let same = 0
      for (const [sent, delay] of without) {
        if (withFault.get(sent) === delay) same++
        else touched++
      }
      assert.isAbove(touched, 0)
      // The fault lasts 0.2 s of 2 s, and what was lost may hold up what comes a little later.
      assert.isAbove(same, 0.6 * without.size)
      const last = [...without].slice(-60)
      for (const [sent, delay] of last) assert.strictEqual(withFault.get(sent), delay)
    }
  })

  it("of messages stay as they were when other connections are opened and closed", () => {
    const link: Partial<LinkLaw> = {
      latency: { kind: "uniform", lowMicros: 1_000, highMicros: 9_000 },
      corruption: 0.1
    }
    const more = (small: World) => {
      const fail = () => assert.fail("not open")
      for (const node of ["a", "c"]) {
        small.network.connect(small.process(node), "b:1", { open: (end) => end.close(), failed: fail })
      }
    }
    assert.deepStrictEqual(arrivals(traffic({ link }, more)), arrivals(traffic({ link })))
  })

  it("of messages that were lost on a connection come after another sending at the earliest", () => {
    const rows = traffic({ link: { loss: 0.2 } })
    const sent = new Map(rows.filter((row) => row.kind === "send").map((row) => [row.i, row.tMicros]))
    const again = new Set(rows.filter((row) => row.payload?.["reason"] === "loss, sent again").map((row) => row.cause))
    assert.isAbove(again.size, 10)
    for (const row of rows) {
      if (row.kind !== "recv" || !again.has(row.cause)) continue
      assert.isAtLeast(row.tMicros - (sent.get(row.cause ?? -1) ?? 0), 200_000)
    }
  })

  it("of knobs that are off do not shift the draws of the others", () => {
    const one: Partial<LinkLaw> = { latency: { kind: "uniform", lowMicros: 0, highMicros: 9_000 }, corruption: 0.5 }
    const other: Partial<LinkLaw> = { ...one, duplication: 0.5 }
    assert.deepStrictEqual(arrivals(traffic({ link: one })), arrivals(traffic({ link: other })))
  })
})

describe("datagrams", () => {
  const exchange = (link: Partial<LinkLaw>, sizeBytes = 4) => {
    const small = world({ link })
    const [a, b] = [small.process("a"), small.process("b")]
    const heard: Array<number> = []
    const socket = small.network.bind(a, "a:1", () => undefined)
    small.network.bind(b, "b:1", (bytes) => heard.push(bytes[0] ?? 0))
    for (let k = 0; k < 200; k++) socket?.send("b:1", new Uint8Array(sizeBytes).fill(k))
    small.timeline.run()
    return heard
  }
  const sent = Array.from({ length: 200 }, (_, k) => k)

  it("arrive once and in order without a fault", () => assert.deepStrictEqual(exchange({}), sent))

  it("are lost, doubled, overtaken, too long", () => {
    const lost = exchange({ loss: 0.3 })
    assert.isTrue(lost.length > 100 && lost.length < 180)
    const doubled = exchange({ duplication: 0.3 })
    assert.isTrue(doubled.length > 220 && new Set(doubled).size === 200)
    const overtaken = exchange({ reorder: 0.3 })
    assert.notDeepEqual(overtaken, sent)
    assert.deepStrictEqual(overtaken.toSorted((x, y) => x - y), sent)
    assert.deepStrictEqual(exchange({ mtuBytes: 3 }), [])
  })

  it("are lost when a partition comes while they are on their way, and wait in a clog", () => {
    for (const kind of ["block", "clog"] as const) {
      const small = world()
      const heard: Array<number> = []
      const socket = small.network.bind(small.process("a"), "a:1", () => undefined)
      small.network.bind(small.process("b"), "b:1", () => heard.push(small.timeline.nowMicros()))
      socket?.send("b:1", utf8("x"))
      const lift = small.network[kind](Partition.isolate("a"))
      small.timeline.schedule(7_000, lift)
      small.timeline.run()
      assert.deepStrictEqual(heard, kind === "clog" ? [7_000] : [])
    }
  })
})
