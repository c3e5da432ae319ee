import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Bytes from "@sotto/schema/Bytes"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Negentropy from "../../src/reconcile/Negentropy.ts"
import * as Storage from "../../src/reconcile/NegentropyStorage.ts"
import * as Varint from "../../src/reconcile/NegentropyVarint.ts"
import { find, hexes, idsFrom, pairOf, random, setOf } from "./kit.ts"

const hex = Bytes.toHex
const bytesOf = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const itemsOf = (ids: ReadonlyArray<Uint8Array>, time: (i: number) => number) =>
  ids.map((id, i): Storage.Item => ({ id, time: time(i) }))

interface Outcome {
  readonly have: ReadonlyArray<string>
  readonly need: ReadonlyArray<string>
  readonly rounds: number
  readonly longest: number
}

/** A client and a server until the client is done. */
const talk = (
  client: Storage.NegentropyStorage,
  server: Storage.NegentropyStorage,
  frames: ReadonlyArray<number | undefined> = []
): Outcome => {
  const [mine, theirs] = frames.map((frameBytesMax) => frameBytesMax === undefined ? {} : { frameBytesMax })
  const [have, need] = [new Set<string>(), new Set<string>()]
  let message: Uint8Array | undefined = Negentropy.initiate(client, mine)
  let [rounds, longest] = [0, 0]
  while (message !== undefined) {
    assert.isBelow(rounds, 5000)
    const answer: Uint8Array = Result.getOrThrow(Negentropy.respond(server, message, theirs))
    longest = Math.max(longest, message.length, answer.length)
    const received: Negentropy.Received = Result.getOrThrow(Negentropy.receive(client, answer, mine))
    for (const id of received.have) have.add(hex(id))
    for (const id of received.need) need.add(hex(id))
    message = received.message
    rounds++
  }
  return { have: [...have].sort(), need: [...need].sort(), rounds, longest }
}

describe("varints", () => {
  it.each([
    [0, "00"],
    [127, "7f"],
    [128, "8100"],
    [16_383, "ff7f"],
    [2 ** 31, "8880808000"],
    [2 ** 32, "9080808000"],
    [1_764_000_000_000, hex(Uint8Array.from(Varint.encode(1_764_000_000_000)))],
    [2 ** 53 - 1, "8fffffffffffff7f"]
  ])("%d", (value, form) => {
    assert.strictEqual(hex(Uint8Array.from(Varint.encode(value))), form)
    assert.deepStrictEqual(Varint.decode(bytesOf(form), 0), { value, end: form.length / 2 })
  })

  it("are read where they stand, and refused when cut or too large", () => {
    fc.assert(fc.property(fc.maxSafeNat(), fc.uint8Array({ maxLength: 3 }), (value, before) => {
      const bytes = Uint8Array.from([...before, ...Varint.encode(value), 0xff])
      assert.deepStrictEqual(Varint.decode(bytes, before.length), { value, end: bytes.length - 1 })
      assert.isUndefined(Varint.decode(bytes.subarray(0, -2), before.length))
    }))
    assert.isUndefined(Varint.decode(bytesOf("90808080808080" + "00"), 0))
    assert.throws(() => Varint.encode(2 ** 53), RangeError)
    assert.throws(() => Varint.encode(-1), RangeError)
  })
})

/** The fingerprint as the protocol's page writes it, on big integers. */
const slowFingerprint = (ids: ReadonlyArray<Uint8Array>): Uint8Array => {
  const sum = ids.reduce((sum, id) => sum + id.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n), 0n)
  const little = Uint8Array.from({ length: 32 }, (_, i) => Number((sum >> BigInt(8 * i)) & 255n))
  return sha256(Bytes.concat(little, Uint8Array.from(Varint.encode(ids.length)))).slice(0, 16)
}

describe("storage", () => {
  it("has the fingerprints of the protocol, for every range", () => {
    const ids = idsFrom(1, 300)
    const storage = Storage.make(itemsOf(ids, (i) => i))
    for (
      const [from, to] of [[0, 0], [0, 1], [0, 300], [63, 64], [64, 65], [1, 129], [128, 300], [299, 300]] as const
    ) {
      assert.deepStrictEqual(Storage.fingerprint(storage, from, to), slowFingerprint(ids.slice(from, to)))
    }
    const ones = Array.from({ length: 9 }, () => new Uint8Array(32).fill(0xff))
    const wrapping = Storage.make(itemsOf(ones, (i) => i))
    assert.deepStrictEqual(Storage.fingerprint(wrapping, 2, 8), slowFingerprint(ones.slice(2, 8)))
  })

  it("is in the order of time, then id, without repetition", () => {
    const ids = idsFrom(2, 200)
    const time = (i: number) => i % 3 === 0 ? 5 : 2 ** 40 + i % 7
    const storage = Storage.make([...itemsOf(ids, time), ...itemsOf(ids.slice(0, 5), time)])
    assert.strictEqual(storage.count, 200)
    for (let i = 1; i < 200; i++) {
      const [before, after] = [Storage.timeAt(storage, i - 1), Storage.timeAt(storage, i)]
      const isOrdered = before < after ||
        (before === after && Bytes.compare(Storage.idAt(storage, i - 1), Storage.idAt(storage, i)) < 0)
      assert.isTrue(isOrdered)
      assert.strictEqual(Storage.find(storage, 0, Storage.boundAt(storage, i)), i)
    }
    assert.throws(() => Storage.make([{ time: 1.5, id: new Uint8Array(32) }]), RangeError)
  })
})

describe("a client and a server", () => {
  const sizes = fc.record({
    seed: fc.integer(),
    shared: fc.nat(400),
    mine: fc.nat(60),
    theirs: fc.nat(60),
    times: fc.constantFrom("zero", "seconds", "milliseconds", "late")
  })
  const timeOf = { zero: () => 0, seconds: (i: number) => 1_700_000_000 + i, late: (i: number) => 2 ** 52 + i }
  const times = (name: "zero" | "seconds" | "milliseconds" | "late", seed: number) => {
    const next = random(seed)
    return name === "milliseconds" ? () => 1_764_000_000_000 + next() % 1000 : timeOf[name]
  }

  it("find the difference, whatever the times, with and without small frames", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.constantFrom(undefined, 4096),
        fc.constantFrom(undefined, 4096, 5000),
        (size, ...frames) => {
          const { mine, seed, shared, theirs } = size
          const items = itemsOf(idsFrom(seed, shared + mine + theirs), times(size.times, seed))
          const both = items.slice(0, shared)
          const [ours, others] = [items.slice(shared, shared + mine), items.slice(shared + mine)]
          const outcome = talk(Storage.make([...both, ...ours]), Storage.make([...others, ...both]), frames)
          assert.deepStrictEqual(outcome.have, hexes(ours.map(({ id }) => id)))
          assert.deepStrictEqual(outcome.need, hexes(others.map(({ id }) => id)))
        }
      ),
      { numRuns: 150 }
    )
  })

  it("keep to the limit of a frame, and get through all the same", () => {
    const { a, b, mine, theirs } = pairOf(4, 3000, 2400)
    const outcome = talk(Storage.fromSet(a), Storage.fromSet(b), [4096, 4096])
    assert.isAtMost(outcome.longest, 4096)
    assert.deepStrictEqual([outcome.have.length, outcome.need.length], [mine.length, theirs.length])
    assert.isAbove(outcome.rounds, 10)
    const one = talk(Storage.fromSet(setOf([])), Storage.fromSet(b), [4096, 4096])
    assert.strictEqual(one.need.length, 3000 + theirs.length)
    assert.throws(() => Negentropy.initiate(Storage.fromSet(a), { frameBytesMax: 4095 }), RangeError)
  })

  it("have no limit of their own: a frame of 150,000 ids", () => {
    const server = Storage.fromSet(setOf(idsFrom(7, 150_000), { sumLater: true }))
    const answer = Result.getOrThrow(
      Negentropy.respond(server, Negentropy.initiate(Storage.make([])), { frameBytesMax: 2 ** 30 })
    )
    assert.strictEqual(Result.getOrThrow(Negentropy.receive(Storage.make([]), answer)).need.length, 150_000)
  })

  it("find what the other strategies find: 10,000 random pairs", () => {
    const next = random(5)
    for (let run = 0; run < 10_000; run++) {
      const [seed, shared, mine, theirs] = [next(), next() % 24, next() % 5, next() % 5]
      const ids = idsFrom(seed, shared + mine + theirs)
      const both = ids.slice(0, shared)
      const a = setOf([...both, ...ids.slice(shared, shared + mine)])
      const b = setOf([...both, ...ids.slice(shared + mine)])
      const { have, need } = talk(Storage.fromSet(a), Storage.fromSet(b))
      const expected = { push: have, need }
      assert.deepStrictEqual(hexes(ids.slice(shared, shared + mine)), have)
      assert.deepStrictEqual(hexes(ids.slice(shared + mine)), need)
      assert.deepStrictEqual(find(a, b, { strategy: "sketch" }), expected)
      assert.deepStrictEqual(find(a, b, { strategy: "ranges" }), expected)
    }
  }, 120_000)
})

describe("messages", () => {
  const storage = Storage.make(itemsOf(idsFrom(6, 500), (i) => i * 1000))
  const reasonOf = <A>(result: Result.Result<A, Negentropy.NegentropyFailed>) =>
    Result.isFailure(result) ? result.failure.reason : "taken"

  it("are those of the protocol's page", () => {
    // Two items at times 1 and 3: below 32, so their ids are listed up to the end.
    const [one, two] = [new Uint8Array(32).fill(0x11), new Uint8Array(32).fill(0x22)]
    const small = Storage.make([{ time: 3, id: two }, { time: 1, id: one }])
    const message = Negentropy.initiate(small)
    assert.strictEqual(hex(message), `61${"0000"}0202${hex(one)}${hex(two)}`)
    // The server lists its own for that range; the client says nothing more.
    const other = Storage.make([{ time: 1, id: one }])
    const answer = Result.getOrThrow(Negentropy.respond(other, message))
    assert.strictEqual(hex(answer), `6100000201${hex(one)}`)
    assert.deepStrictEqual(Result.getOrThrow(Negentropy.receive(small, answer)), {
      message: undefined,
      have: [two],
      need: []
    })
    // Sixteen fingerprints; bounds are times, as differences plus one.
    const many = Negentropy.initiate(storage)
    assert.strictEqual(many[0], 0x61)
    assert.deepStrictEqual(Varint.decode(many, 1), { value: 32_001, end: 4 })
    assert.strictEqual(hex(many.subarray(4, 22)), `0001${hex(Storage.fingerprint(storage, 0, 32))}`)
    // Equal: everything is skipped, and a skip at the end is not said.
    assert.strictEqual(hex(Result.getOrThrow(Negentropy.respond(storage, many))), "61")
  })

  it("of another version are answered with the version spoken here", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(Negentropy.respond(storage, Uint8Array.of(0x62, 1, 2))),
      Uint8Array.of(0x61)
    )
    assert.strictEqual(reasonOf(Negentropy.respond(storage, Uint8Array.of(0x5f))), "version")
    assert.strictEqual(reasonOf(Negentropy.receive(storage, Uint8Array.of(0x62))), "version")
  })

  it.each([
    ["", "truncated"],
    ["6180", "truncated"],
    ["610000", "truncated"],
    ["61000001aabb", "truncated"],
    ["6100000205", "truncated"],
    ["610000028fffffffffffff7f", "truncated"],
    ["61000003", "mode"],
    ["610021" + "00".repeat(33) + "00", "bound"],
    ["618fffffffffffff7f00008fffffffffffff7f0000", "bound"]
  ])("%j is refused: %s", (message, reason) => {
    const refused = Negentropy.respond(storage, bytesOf(message))
    assert.strictEqual(reasonOf(refused), reason)
    assert.strictEqual(reasonOf(Negentropy.receive(storage, bytesOf(message))), reason)
    if (Result.isFailure(refused)) assert.include(refused.failure.message, reason)
  })

  it("never throw, and are answered within a frame", () => {
    const initial = Negentropy.initiate(storage)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.boolean(), (noise, at, isNoise) => {
        const message = isNoise ? Bytes.concat(Uint8Array.of(0x61), noise) : initial.slice()
        if (!isNoise) { for (const [i, byte] of noise.slice(0, 3).entries()) message[1 + (at + 31 * i) % 300] = byte }
        const answered = Negentropy.respond(storage, message, { frameBytesMax: 4096 })
        if (Result.isSuccess(answered)) assert.isAtMost(answered.success.length, 4096)
        Negentropy.receive(storage, message, { frameBytesMax: 4096 })
      }),
      { numRuns: 3000 }
    )
  })
})
