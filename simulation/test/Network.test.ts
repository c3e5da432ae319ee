import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { End, Owner } from "../src/Connection.ts"
import type { Network } from "../src/Network.ts"
import * as Partition from "../src/Partition.ts"
import { connected, drain, fail, howEnded, world } from "./kit/SmallNetwork.ts"
import { text, utf8 } from "./kit/SmallWorld.ts"

const answers = (network: Network, owner: Owner, address: string) => {
  const heard: Array<string> = []
  network.connect(owner, address, { open: () => heard.push("open"), failed: (reason) => heard.push(reason) })
  return heard
}

const law = fc.record({
  latency: fc.oneof(
    fc.record({ kind: fc.constant("constant" as const), micros: fc.nat(100_000) }),
    fc.record({
      kind: fc.constant("uniform" as const),
      lowMicros: fc.nat(1_000),
      highMicros: fc.integer({ min: 1_000, max: 99_000 })
    }),
    fc.record({ kind: fc.constant("exponential" as const), minimumMicros: fc.nat(1_000), meanMicros: fc.nat(50_000) })
  ),
  loss: fc.constantFrom(0, 0.3),
  duplication: fc.constantFrom(0, 0.5),
  reorder: fc.constantFrom(0, 0.5),
  bandwidthBytesPerSecond: fc.constantFrom(0, 1_000)
})

describe("a connection", () => {
  it("carries everything once and in order, under every law that does not end it, and through partitions and clogs", () => {
    fc.assert(
      fc.property(law, fc.bigInt({ min: 0n, max: 99n }), fc.boolean(), (link, seed, stream) => {
        const small = world({ link, seed, law: { giveUpMicros: 0, connectTimeoutMicros: 10 ** 12 } })
        const { local, remote } = connected(small, { stream })
        const there: Array<string> = []
        const back: Array<string> = []
        drain(remote, there)
        drain(local, back)
        const words = Array.from({ length: 60 }, (_, k) => `word ${k};`)
        const start = small.timeline.nowMicros()
        words.forEach((word, k) => {
          small.timeline.schedule(k * 10_000, () => {
            local.write(utf8(word))
            remote.write(utf8(word))
          })
        })
        small.timeline.schedule(50_000, () => {
          const lift = small.network.block(Partition.isolate("a", "in"))
          small.timeline.schedule(100_000, lift)
        })
        small.timeline.schedule(300_000, () => {
          const lift = small.network.clog(Partition.everywhere)
          small.timeline.schedule(100_000, lift)
        })
        small.timeline.schedule(60 * 10_000, () => local.close())
        small.timeline.run(start + 10 ** 10)
        assert.strictEqual(there.join(""), words.join(""))
        if (!stream) assert.deepStrictEqual(there, words)
        assert.isTrue(words.join("").startsWith(back.join("")))
        assert.deepStrictEqual(remote.ended, { clean: true, detail: "closed by the other side" })
        assert.strictEqual(local.write(utf8("late")), false)
      }),
      { numRuns: 60 }
    )
  })

  it("hears nothing while its direction is cut, and the other direction goes on", () => {
    for (const direction of ["in", "out", "both"] as const) {
      const small = world()
      const { local, remote } = connected(small)
      const [atA, atB]: [Array<string>, Array<string>] = [[], []]
      drain(local, atA)
      drain(remote, atB)
      const lift = small.network.block(Partition.isolate("a", direction))
      local.write(utf8("to b"))
      remote.write(utf8("to a"))
      small.timeline.run(small.timeline.nowMicros() + 1_000_000)
      assert.deepStrictEqual(atA, direction === "out" ? ["to a"] : [])
      assert.deepStrictEqual(atB, direction === "in" ? ["to b"] : [])
      lift()
      lift()
      small.timeline.run(small.timeline.nowMicros() + 10_000_000)
      assert.deepStrictEqual([atA, atB], [["to a"], ["to b"]])
    }
  })

  it("stays cut until the last of several partitions is lifted", () => {
    const small = world()
    const { local, remote } = connected(small)
    const atB: Array<string> = []
    drain(remote, atB)
    const lifts = [Partition.isolate("a"), Partition.between(["a"], ["b"])].map((pairs) => small.network.block(pairs))
    local.write(utf8("x"))
    for (const lift of lifts) {
      assert.deepStrictEqual(atB, [])
      lift()
      small.timeline.run(small.timeline.nowMicros() + 5_000_000)
    }
    assert.deepStrictEqual(atB, ["x"])
  })

  it("is given up by a sender that hears nothing for long", () => {
    const small = world({ law: { giveUpMicros: 30_000_000 } })
    const { local, remote } = connected(small)
    small.network.block(Partition.link("a", "b"))
    local.write(utf8("x"))
    const start = small.timeline.nowMicros()
    small.timeline.run(start + 29_000_000)
    assert.isUndefined(local.ended)
    small.timeline.run(start + 31_000_000)
    assert.deepStrictEqual(local.ended, { clean: false, detail: "no answer" })
    assert.isUndefined(remote.ended)
  })

  it("gives up too when only the news of its arrival is cut off", () => {
    const small = world({ law: { giveUpMicros: 30_000_000 } })
    const { local, remote } = connected(small)
    drain(remote, [])
    small.network.block(Partition.link("b", "a"))
    local.write(utf8("x"))
    small.timeline.run(small.timeline.nowMicros() + 40_000_000)
    assert.deepStrictEqual(local.ended, { clean: false, detail: "no answer" })
  })

  it("has a bound on what is queued, that ends when the other side reads and the news of it came back", () => {
    const small = world({ law: { queueBytesMax: 100 }, link: { latency: { kind: "constant", micros: 1_000 } } })
    const { local, remote } = connected(small)
    let writable = false
    while (!local.full) local.write(new Uint8Array(30))
    assert.strictEqual(local.queuedBytes, 120)
    local.whenWritable(() => {
      writable = true
    })
    small.timeline.run(small.timeline.nowMicros() + 10_000)
    assert.isFalse(writable, "arrived, but not read")
    assert.strictEqual(remote.read().length, 4)
    small.timeline.run(small.timeline.nowMicros() + 999)
    assert.isFalse(writable, "the news is on its way")
    small.timeline.run(small.timeline.nowMicros() + 1)
    assert.isTrue(writable)
    assert.strictEqual(local.queuedBytes, 0)
  })

  it("is torn for the other side some time after its process died, or never", () => {
    for (const notice of [{ kind: "reset", afterMicros: 5_000 }, { kind: "never" }] as const) {
      const small = world({ law: { giveUpMicros: 0 } })
      const { a, local, remote } = connected(small)
      const heard: Array<string> = []
      drain(remote, heard)
      local.write(utf8("last words"))
      a.kill()
      small.network.kill(a, notice)
      assert.isFalse(local.write(utf8("from the dead")))
      local.whenReadable(fail)
      small.timeline.run(small.timeline.nowMicros() + 1_000)
      assert.isUndefined(remote.ended)
      remote.write(utf8("anybody?"))
      small.timeline.run(small.timeline.nowMicros() + 10 ** 9)
      assert.deepStrictEqual(heard, ["last words"])
      assert.strictEqual(howEnded(remote)?.clean, notice.kind === "reset" ? false : undefined)
    }
  })

  it("loses what had not left when its process died", () => {
    const small = world({ link: { bandwidthBytesPerSecond: 1_000 } })
    const { a, local, remote } = connected(small)
    const heard: Array<string> = []
    drain(remote, heard)
    for (let k = 0; k < 10; k++) local.write(new Uint8Array(100).fill(48 + k))
    small.timeline.run(small.timeline.nowMicros() + 350_000)
    a.kill()
    small.network.kill(a)
    small.timeline.run()
    assert.strictEqual(heard.length, 3)
    assert.strictEqual(remote.ended?.clean, false)
  })

  it("ends at a loss when the law says so", () => {
    const small = world({ law: { giveUpMicros: 0 } })
    const { local, remote } = connected(small)
    small.network.change(Partition.link("a", "b"), { loss: 1, lossOnConnection: "reset" })
    local.write(utf8("x"))
    small.timeline.run()
    assert.strictEqual(local.ended?.clean, false)
    assert.strictEqual(remote.ended?.clean, false)
    assert.deepStrictEqual(remote.read(), [])
  })

  it("lets nothing past a loss after which it ends", () => {
    const small = world({ law: { giveUpMicros: 0 } })
    const { local, remote } = connected(small)
    const heard: Array<string> = []
    drain(remote, heard)
    small.network.change(Partition.link("a", "b"), { loss: 1, lossOnConnection: "reset" })
    local.write(utf8("lost"))
    small.network.change(Partition.link("a", "b"), { loss: 0, lossOnConnection: "reset" })
    local.write(utf8("behind it"))
    small.timeline.run()
    assert.deepStrictEqual(heard, [])
    assert.strictEqual(remote.ended?.clean, false)
  })

  it("is torn on both sides by a box on the way", () => {
    const small = world()
    const { local, remote } = connected(small)
    remote.write(utf8("unread"))
    small.timeline.run()
    small.network.tear(Partition.link("a", "b"))
    small.timeline.run()
    assert.deepStrictEqual([local.ended?.clean, remote.ended?.clean], [false, false])
    assert.deepStrictEqual(local.read(), [])
  })

  it("drops what the other side has not read when it is reset, and keeps it when it is closed", () => {
    for (const how of ["reset", "close"] as const) {
      const small = world()
      const { local, remote } = connected(small)
      const bytes = utf8("unread")
      local.write(bytes)
      bytes.fill(0)
      small.timeline.run()
      local[how]()
      small.timeline.run()
      assert.deepStrictEqual(remote.read().map(text), how === "reset" ? [] : ["unread"])
      assert.strictEqual(remote.ended?.clean, how === "close")
    }
  })

  it("lets nothing past a message that is too long for a black hole", () => {
    const small = world({ law: { giveUpMicros: 9_000_000 }, link: { blackHoleBytes: 10 } })
    const { local, remote } = connected(small)
    const heard: Array<string> = []
    drain(remote, heard)
    for (const word of ["short", "much too long", "short"]) local.write(utf8(word))
    small.timeline.run()
    assert.deepStrictEqual(heard, ["short"])
    assert.deepStrictEqual(local.ended, { clean: false, detail: "no answer" })
  })

  it("carries flipped bits when the law says so, and does not touch the sender's bytes", () => {
    const small = world({ link: { corruption: 1 } })
    const { local, remote } = connected(small)
    const bytes = new Uint8Array(50)
    local.write(bytes)
    small.timeline.run()
    const [heard] = remote.read()
    assert.strictEqual(heard?.length, 50)
    assert.isTrue(heard?.some((byte) => byte !== 0))
    assert.isTrue(bytes.every((byte) => byte === 0))
  })
})

describe("connecting", () => {
  it("fails for each reason", () => {
    const small = world({ law: { connectTimeoutMicros: 3_000_000 } })
    const { network, process, timeline } = small
    const [a, b] = [process("a"), process("b")]
    network.name("b:1", "b")
    const unknown = answers(network, a, "nowhere:1")
    const refused = answers(network, a, "b:1")
    timeline.run()
    const lift = network.offline("a")
    const offline = answers(network, a, "b:1")
    timeline.run(timeline.nowMicros() + 1)
    lift()
    network.listen(b, "b:1", () => undefined)
    network.block(Partition.link("b", "a"))
    const timeout = answers(network, a, "b:1")
    timeline.run()
    assert.deepStrictEqual([unknown, refused, offline, timeout], [["unknown"], ["refused"], ["network"], ["timeout"]])
  })

  it("resets what was accepted but given up meanwhile", () => {
    const small = world()
    const accepted: Array<End> = []
    const [a, b] = [small.process("a"), small.process("b")]
    small.network.listen(b, "b:1", (end) => accepted.push(end))
    const giveUp = small.network.connect(a, "b:1", { open: fail, failed: fail })
    small.timeline.run(600)
    giveUp()
    small.timeline.run()
    assert.deepStrictEqual(accepted.map((end) => end.ended?.clean), [false])
  })

  it("opens when the partition is gone in time", () => {
    const small = world({ law: { connectTimeoutMicros: 60_000_000 } })
    const [a, b] = [small.process("a"), small.process("b")]
    small.network.listen(b, "b:1", () => undefined)
    const lift = small.network.block(Partition.isolate("a"))
    const heard = answers(small.network, a, "b:1")
    small.timeline.schedule(20_000_000, lift)
    small.timeline.run(20_000_000)
    assert.deepStrictEqual(heard, [])
    small.timeline.run()
    assert.deepStrictEqual(heard, ["open"])
  })

  it("is refused a second listener, and may take over from a dead one", () => {
    const { network, process } = world()
    const first = process("b")
    assert.isDefined(network.listen(first, "b:1", () => undefined))
    assert.isUndefined(network.listen(process("b"), "b:1", () => undefined))
    first.kill()
    assert.isDefined(network.listen(process("b"), "b:1", () => undefined))
  })
})

describe("whoever sits on the wire", () => {
  it("withholds, changes, doubles and delays; observers see what goes on", () => {
    const small = world()
    const { local, remote } = connected(small)
    const heard: Array<string> = []
    const seen: Array<string> = []
    drain(remote, heard)
    small.network.observe(({ bytes }) => seen.push(text(bytes)))
    const untap = small.network.tap(Partition.link("a", "b"), ({ bytes }) => {
      const word = text(bytes)
      if (word === "withheld") return []
      if (word === "late") return [{ bytes, delayMicros: 10_000 }]
      return word === "twice" ? [{ bytes }, { bytes: utf8("TWICE") }] : [{ bytes }]
    })
    for (const word of ["late", "withheld", "twice", "plain"]) local.write(utf8(word))
    small.timeline.run()
    assert.deepStrictEqual(heard, ["twice", "TWICE", "plain", "late"])
    assert.deepStrictEqual(seen, ["late", "twice", "TWICE", "plain"])
    untap()
    local.inject(utf8("injected"))
    local.write(utf8("withheld"))
    small.timeline.run(small.timeline.nowMicros() + 1_000_000)
    assert.deepStrictEqual(heard.slice(4), ["injected", "withheld"])
    assert.strictEqual(local.queuedBytes, 0)
  })

  it("fails the k-th send, or kills its process there", () => {
    for (const how of ["fail", "kill"] as const) {
      const small = world()
      const { a, local, remote } = connected(small)
      const heard: Array<string> = []
      drain(remote, heard)
      small.network.onOperation(({ k, kind, node }) => {
        if (kind !== "send" || node !== "a" || k !== 2) return undefined
        if (how === "fail") return "fail"
        a.kill()
        small.network.kill(a)
        return undefined
      })
      const written = ["0", "1", "2", "3"].map((word) => local.write(utf8(word)))
      small.timeline.run()
      assert.deepStrictEqual(written, [true, true, false, false])
      assert.deepStrictEqual(heard, ["0", "1"])
      assert.strictEqual(remote.ended?.clean, false)
    }
  })
})
