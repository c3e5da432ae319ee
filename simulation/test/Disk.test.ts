import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Disk } from "../src/Disk.ts"
import type { CrashLaw } from "../src/DiskImage.ts"
import * as Files from "../src/Files.ts"
import { crashLaws, smallDisk } from "./kit/SmallDisk.ts"
import { text, utf8 } from "./kit/SmallWorld.ts"

const opened = (seed = 1n, law = {}) => {
  const small = smallDisk(seed, law)
  return { ...small, owner: small.process("n") }
}

/** What a new process reads. */
const contents = (small: { readonly disk: Disk; readonly process: ReturnType<typeof smallDisk>["process"] }) => {
  const owner = small.process("n")
  return Object.fromEntries(
    small.disk.list(owner).map((file) => {
      const read = small.disk.read(owner, file, 0, 1_000)
      return [file, read._tag === "Success" ? text(read.success) : "?"]
    })
  )
}

const words = fc.array(fc.string({ minLength: 1, maxLength: 5, unit: fc.constantFrom("a", "b", "c") }), {
  maxLength: 6
})

describe("a crash", () => {
  it("leaves all that was synced, and of the rest what its law says", () => {
    fc.assert(
      fc.property(
        words,
        words,
        fc.constantFrom(...crashLaws),
        fc.bigInt({ min: 0n, max: 500n }),
        (synced, rest, law, seed) => {
          const small = opened(seed)
          const { disk, owner } = small
          disk.append(owner, "f", utf8(""))
          for (const word of synced) disk.append(owner, "f", utf8(word))
          disk.sync(owner, "f")
          disk.syncDirectory(owner)
          for (const word of rest) disk.append(owner, "f", utf8(word))
          disk.crash(law)
          const left = contents(small)["f"] ?? "gone"
          const before = synced.join("")
          const whole = before + rest.join("")
          assert.isTrue(left.startsWith(before))
          assert.isAtMost(left.length, whole.length)
          const prefixes = Array.from({ length: rest.length + 1 }, (_, k) => before + rest.slice(0, k).join(""))
          if (law.kind === "all") assert.strictEqual(left, whole)
          if (law.kind === "none") assert.strictEqual(left, before)
          if (law.kind === "prefix") assert.include(prefixes, left)
          assert.deepStrictEqual(disk.losses, [])
        }
      ),
      { numRuns: 300 }
    )
  })

  const outcomes = (law: CrashLaw) =>
    new Set(Array.from({ length: 200 }, (_, seed) => {
      const small = opened(BigInt(seed))
      small.disk.append(small.owner, "f", utf8(""))
      small.disk.syncDirectory(small.owner)
      for (const word of ["aa", "bb", "cc"]) small.disk.append(small.owner, "f", utf8(word))
      small.disk.crash(law)
      return contents(small)["f"] ?? "gone"
    }))

  it("tears writes in the middle: short, with zeros, with rubbish", () => {
    const torn = outcomes({ kind: "torn" })
    for (const outcome of ["", "aa", "aab", "aab\0", "aabbc\0"]) assert.isTrue(torn.has(outcome), outcome)
    assert.isAbove(torn.size, 12)
  })

  it("keeps later writes without earlier ones", () => {
    const scattered = outcomes({ kind: "scattered", keep: 0.5 })
    for (const outcome of ["", "aa", "\0\0bb", "\0\0\0\0cc", "aa\0\0cc", "aabbcc"]) {
      assert.isTrue(scattered.has(outcome), outcome)
    }
  })

  it("forgets names that were not synced: new, renamed and removed", () => {
    const small = opened()
    const { disk, owner } = small
    for (const file of ["old", "kept"]) {
      disk.append(owner, file, utf8(file))
      disk.sync(owner, file)
    }
    disk.syncDirectory(owner)
    disk.append(owner, "new", utf8("new"))
    disk.sync(owner, "new")
    disk.rename(owner, "old", "renamed")
    disk.remove(owner, "kept")
    assert.deepStrictEqual(contents(small), { new: "new", renamed: "old" })
    disk.crash({ kind: "none" })
    assert.deepStrictEqual(contents(small), { kept: "kept", old: "old" })
  })

  it("leaves the same for the same seed", () => {
    const leave = (seed: bigint) => {
      const small = opened(seed)
      for (const word of ["aa", "bb", "cc", "dd"]) small.disk.append(small.owner, word, utf8(word))
      small.disk.crash({ kind: "any" })
      return contents(small)
    }
    const left = Array.from({ length: 20 }, (_, k) => leave(BigInt(k)))
    assert.deepStrictEqual(Array.from({ length: 20 }, (_, k) => leave(BigInt(k))), left)
    assert.isAbove(new Set(left.map((files) => JSON.stringify(files))).size, 5)
  })
})

describe("a dead process", () => {
  it("touches nothing, and hears nothing", () => {
    const small = opened()
    const { disk, owner } = small
    disk.append(owner, "f", utf8("alive"))
    let answers = 0
    small.run((files) => Effect.map(files.append("f", utf8("x")), () => answers++), { n: 1, phase: "before" })
    assert.deepStrictEqual(contents(small), { f: "alive" })
    small.run((files) => Effect.ensuring(files.append("f", utf8("!")), Effect.sync(() => answers++)), {
      n: 3,
      phase: "after"
    })
    assert.deepStrictEqual(contents(small), { f: "alive!" })
    assert.strictEqual(answers, 0)
    owner.kill()
    const operations = small.operations()
    disk.append(owner, "f", utf8("from the dead"))
    disk.remove(owner, "f")
    disk.sync(owner, "f")
    assert.strictEqual(disk.read(owner, "f", 0, 9)._tag, "Failure")
    assert.deepStrictEqual([disk.list(owner), disk.sizeOf(owner, "f")], [[], undefined])
    assert.strictEqual(small.operations(), operations)
  })

  it("hears nothing even on a scheduler that knows nothing of its death", () => {
    for (const when of ["waiting", "before", "after"] as const) {
      const small = opened(1n, when === "waiting" ? { latency: { append: { kind: "constant", micros: 1_000 } } } : {})
      const { disk, owner } = small
      let answered = 0
      disk.onOperation(({ phase }) => {
        if (phase === when) owner.kill()
        return undefined
      })
      small.timeline.schedule(500, () => owner.kill())
      const files = Files.make(disk, owner)
      Effect.runFork(Effect.ensuring(files.append("f", utf8("x")), Effect.sync(() => answered++)))
      small.timeline.run()
      assert.strictEqual(answered, 0)
      assert.deepStrictEqual(contents(small), when === "after" ? { f: "x" } : {})
    }
  })
})

describe("faults", () => {
  it("of a full disk let a part through, and removing makes room", () => {
    const small = opened(1n, { quotaBytes: 8 })
    const { disk, owner } = small
    disk.append(owner, "a", utf8("12345"))
    const answer = disk.append(owner, "b", utf8("67890"))
    assert.strictEqual(answer._tag === "Failure" ? answer.failure.reason : "none", "full")
    assert.deepStrictEqual(contents(small), { a: "12345", b: "678" })
    assert.strictEqual(disk.write(owner, "a", 0, utf8("54321"))._tag, "Success")
    disk.remove(owner, "a")
    assert.strictEqual(disk.append(owner, "b", utf8("90"))._tag, "Success")
  })

  it("of reads: errors, and less than was asked for; a whole file is read all the same", () => {
    const small = opened(1n, { shortRead: 0.9 })
    small.disk.append(small.owner, "f", utf8("a long line of words"))
    let whole = ""
    small.run((files) =>
      Effect.map(files.readAll("f"), (bytes) => {
        whole = text(bytes)
      })
    )
    assert.strictEqual(whole, "a long line of words")
    small.disk.law = { ...small.disk.law, readError: 1 }
    assert.strictEqual(small.disk.read(small.owner, "f", 0, 3)._tag, "Failure")
    assert.deepStrictEqual(small.disk.losses, [])
  })

  it("of a lying sync are losses only when something is lost", () => {
    for (const law of [{ kind: "all" }, { kind: "none" }] as const) {
      const small = opened()
      const { disk, owner } = small
      const honest = disk.lie()
      disk.append(owner, "f", utf8("x"))
      disk.sync(owner, "f")
      disk.syncDirectory(owner)
      honest()
      disk.crash(law)
      assert.strictEqual(disk.losses.length > 0, law.kind === "none")
      assert.deepStrictEqual(contents(small), law.kind === "none" ? {} : { f: "x" })
    }
    const mended = opened()
    const honest = mended.disk.lie()
    mended.disk.append(mended.owner, "f", utf8("x"))
    mended.disk.sync(mended.owner, "f")
    honest()
    honest()
    mended.disk.sync(mended.owner, "f")
    mended.disk.syncDirectory(mended.owner)
    mended.disk.crash({ kind: "none" })
    assert.deepStrictEqual(mended.disk.losses, [])
    assert.deepStrictEqual(contents(mended), { f: "x" })
  })

  it("that destroy: rot, misdirected writes, an old backup, eviction", () => {
    const small = opened()
    const { disk, owner } = small
    assert.isFalse(disk.rot())
    disk.append(owner, "f", utf8("backup"))
    disk.sync(owner, "f")
    disk.syncDirectory(owner)
    const backup = disk.snapshot()
    disk.append(owner, "f", utf8(" and more"))
    disk.sync(owner, "f")
    assert.isTrue(disk.rot("f"))
    assert.notStrictEqual(contents(small)["f"], "backup and more")
    assert.strictEqual(contents(small)["f"]?.length, 15)
    disk.restore(backup)
    assert.deepStrictEqual(contents(small), { f: "backup" })
    disk.law = { ...disk.law, misdirected: 1 }
    disk.write(owner, "f", 5, utf8("X"))
    disk.evict()
    assert.deepStrictEqual(contents(small), {})
    assert.deepStrictEqual(disk.losses.map((loss) => loss.kind), ["rot", "restore", "misdirected", "eviction"])
  })

  it("at the k-th operation of a kind", () => {
    const { disk, owner } = opened()
    const unhook = disk.onOperation(({ k, kind, phase }) =>
      kind === "append" && k === 1 && phase === "before" ? "unavailable" : undefined
    )
    const answers = [0, 1, 2].map(() => disk.append(owner, "f", utf8("x"))._tag)
    unhook()
    assert.deepStrictEqual(answers, ["Success", "Failure", "Success"])
    assert.strictEqual(disk.sizeOf(owner, "f"), 2)
  })
})

describe("latency", () => {
  it("makes operations wait for each other, in order", () => {
    const small = opened(1n, { latency: { append: { kind: "uniform", lowMicros: 100, highMicros: 5_000 } } })
    small.run((files) =>
      Effect.forEach(Array.from("abcdefgh"), (letter) => files.append("f", utf8(letter)), { concurrency: "unbounded" })
    )
    assert.deepStrictEqual(contents(small), { f: "abcdefgh" })
    assert.isAbove(small.timeline.nowMicros(), 800)
  })
})
