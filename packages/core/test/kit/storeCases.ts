/**
 * What every `Store` Layer must do (core/src/Store.ts), as cases that know no test runner: `storeConformance` runs them
 * under Vitest, and a page can run them in a browser. A case dies with what it found.
 */
import { type Pair, type Range, Store, type Write } from "@sotto/core/Store"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

/** One promise of a store. Each run gets a store that is empty. */
export interface StoreCase {
  readonly title: string
  readonly run: Effect.Effect<void, unknown, Store>
}

/** A case over a storage that is closed and opened again between its steps. */
export interface ReopenCase {
  readonly title: string
  readonly steps: ReadonlyArray<Effect.Effect<void, unknown, Store>>
}

const key = (...bytes: ReadonlyArray<number>) => Uint8Array.from(bytes)
const LOWEST = key()
const HIGHEST = new Uint8Array(80).fill(0xff)

const show = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => inner instanceof Uint8Array ? `0x${Bytes.toHex(inner)}` : inner) ??
    "undefined"

const same = (found: unknown, expected: unknown, what: string): void => {
  if (show(found) !== show(expected)) throw new Error(`${what}: found ${show(found)}, expected ${show(expected)}`)
}

const get = (at: Uint8Array) => Store.use((store) => store.get(at))
const getMany = (keys: ReadonlyArray<Uint8Array>) => Store.use((store) => store.getMany(keys))
const put = (at: Uint8Array, value: Uint8Array) => Store.use((store) => store.commit([{ key: at, value }]))
const remove = (at: Uint8Array) => Store.use((store) => store.commit([{ key: at }]))
const commit = (writes: Parameters<Store["Service"]["commit"]>[0]) => Store.use((store) => store.commit(writes))
const scan = (options?: { from?: Uint8Array; to?: Uint8Array; limit?: number; reverse?: boolean }) =>
  Store.use((store) =>
    store.scan({
      from: options?.from ?? LOWEST,
      to: options?.to ?? HIGHEST,
      limit: options?.limit ?? 100_000,
      ...(options?.reverse === undefined ? {} : { reverse: options.reverse })
    })
  )
const keysOf = (pairs: ReadonlyArray<{ readonly key: Uint8Array }>) => pairs.map((pair) => pair.key)

/** Every case that needs one open store. */
export const storeCases: ReadonlyArray<StoreCase> = [
  {
    title: "a key that was never written has no value, and an empty store no pairs",
    run: Effect.gen(function*() {
      same(yield* get(key(1)), undefined, "value")
      same(yield* scan(), [], "pairs")
    })
  },
  {
    title: "a value is read back, replaced and deleted",
    run: Effect.gen(function*() {
      yield* put(key(1), key(1, 2, 3))
      same(yield* get(key(1)), key(1, 2, 3), "value")
      yield* put(key(1), key(4))
      same(yield* get(key(1)), key(4), "replaced value")
      yield* remove(key(1))
      same(yield* get(key(1)), undefined, "deleted value")
      yield* remove(key(1))
      same(yield* scan(), [], "pairs")
    })
  },
  {
    title: "many values are read at once, in the order of their keys",
    run: Effect.gen(function*() {
      const count = 700
      const at = (n: number) => key(n >> 8, n & 0xff)
      yield* commit(Array.from({ length: count }, (_, n) => ({ key: at(2 * n), value: at(n) })))
      const asked = [...Array.from({ length: 2 * count }, (_, n) => n).reverse(), 4, 4, 5]
      const expected = asked.map((n) => n % 2 === 0 ? at(n / 2) : undefined)
      same(yield* getMany(asked.map(at)), expected, "values")
      same(yield* getMany([]), [], "no values")
      const [one, other] = yield* getMany([at(0), at(0)])
      one?.fill(9)
      same(other, at(0), "a value that was asked for twice")
      same(yield* get(at(0)), at(0), "what is kept")
    })
  },
  {
    title: "an empty value is a value",
    run: Effect.gen(function*() {
      yield* put(key(1), key())
      same(yield* get(key(1)), key(), "value")
      same(yield* scan(), [{ key: key(1), value: key() }], "pairs")
    })
  },
  {
    title: "keys are ordered by bytes, and a prefix comes before what it begins",
    run: Effect.gen(function*() {
      const ordered = [
        key(0),
        key(0, 0),
        key(0, 255),
        key(1),
        key(1, 0, 0),
        key(9),
        key(10),
        key(127),
        key(128),
        key(255)
      ]
      const shuffled = [7, 2, 9, 0, 5, 3, 8, 1, 6, 4].flatMap((i) => ordered[i] ?? [])
      yield* commit(shuffled.map((at) => ({ key: at, value: at })))
      same(keysOf(yield* scan()), ordered, "ascending")
      same(keysOf(yield* scan({ reverse: false })), ordered, "explicitly ascending")
      same(keysOf(yield* scan({ reverse: true })), ordered.toReversed(), "descending")
    })
  },
  {
    title: "a range has its first key and not its last",
    run: Effect.gen(function*() {
      yield* commit([1, 2, 3, 4, 5].map((n) => ({ key: key(n), value: key(n) })))
      const middle = { from: key(2), to: key(4) }
      same(keysOf(yield* scan(middle)), [key(2), key(3)], "ascending")
      same(keysOf(yield* scan({ ...middle, reverse: true })), [key(3), key(2)], "descending")
      same(keysOf(yield* scan({ from: key(1, 1), to: key(3, 1) })), [key(2), key(3)], "bounds that are no keys")
      same(yield* scan({ from: key(4), to: key(4) }), [], "empty range")
      same(yield* scan({ from: key(4), to: key(2) }), [], "range the wrong way round")
    })
  },
  {
    title: "a limit cuts from the side where the scan begins",
    run: Effect.gen(function*() {
      yield* commit([1, 2, 3, 4, 5].map((n) => ({ key: key(n), value: key(n) })))
      same(keysOf(yield* scan({ limit: 2 })), [key(1), key(2)], "ascending")
      same(keysOf(yield* scan({ limit: 2, reverse: true })), [key(5), key(4)], "descending")
      same(yield* scan({ limit: 0 }), [], "none")
    })
  },
  {
    title: "a batch happens in its order: the last write of a key stays",
    run: Effect.gen(function*() {
      yield* put(key(3), key(3))
      yield* commit([
        { key: key(1), value: key(1) },
        { key: key(1), value: key(2) },
        { key: key(2), value: key(9) },
        { key: key(2) },
        { key: key(3) },
        { key: key(3), value: key(4) }
      ])
      same(yield* scan(), [{ key: key(1), value: key(2) }, { key: key(3), value: key(4) }], "pairs")
      yield* commit([])
      same(keysOf(yield* scan()), [key(1), key(3)], "keys after an empty batch")
    })
  },
  {
    title: "arrays that went in or came out are the caller's: changing them changes nothing in the store",
    run: Effect.gen(function*() {
      const at = key(1, 2), value = key(3, 4)
      yield* put(at, value)
      at.fill(0)
      value.fill(0)
      const read = yield* get(key(1, 2))
      same(read, key(3, 4), "value after its source changed")
      read?.fill(0)
      for (const pair of yield* scan()) {
        pair.key.fill(0)
        pair.value.fill(0)
      }
      same(yield* scan(), [{ key: key(1, 2), value: key(3, 4) }], "pairs")
    })
  },
  {
    title: "bytes that lie inside a larger buffer are taken as they are",
    run: Effect.gen(function*() {
      const buffer = key(9, 9, 1, 2, 3, 9)
      yield* put(buffer.subarray(2, 4), buffer.subarray(3, 5))
      same(yield* scan(), [{ key: key(1, 2), value: key(2, 3) }], "pairs")
    })
  },
  {
    title: "a megabyte in one value, and ten thousand writes in one batch",
    run: Effect.gen(function*() {
      const large = Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 31 + (i >>> 8))
      yield* put(key(255), large)
      yield* commit(Array.from({ length: 10_000 }, (_, i) => ({ key: Bytes.u32(i), value: Bytes.u64(i) })))
      const read = yield* get(key(255))
      same(read !== undefined && Bytes.equals(read, large), true, "the large value")
      const pairs = yield* scan({ to: key(1) })
      same(pairs.length, 10_000, "pairs")
      same(
        pairs.every((pair, i) => Bytes.equals(pair.key, Bytes.u32(i)) && Bytes.equals(pair.value, Bytes.u64(i))),
        true,
        "order"
      )
    })
  },
  {
    title: "commits that run at the same time are all there, and each is whole",
    run: Effect.gen(function*() {
      yield* Effect.forEach(
        Array.from({ length: 64 }, (_, i) => i),
        (i) => commit([{ key: key(1, i), value: key(i) }, { key: key(2, i), value: key(i) }]),
        { concurrency: "unbounded", discard: true }
      )
      const all = Array.from({ length: 64 }, (_, i) => key(i))
      same((yield* scan({ from: key(1), to: key(2) })).map((pair) => pair.value), all, "first halves")
      same((yield* scan({ from: key(2), to: key(3) })).map((pair) => pair.value), all, "second halves")
    })
  },
  {
    title: "the last of several commits to one key that wait for each other stays",
    run: Effect.gen(function*() {
      for (let i = 0; i < 20; i++) yield* put(key(7), key(i))
      same(yield* get(key(7)), key(19), "value")
    })
  },
  { title: "any run of batches reads like an ordered map", run: Effect.suspend(() => againstModel) }
]

const smallKey = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
const write = fc.record({ key: smallKey, value: fc.option(fc.uint8Array({ maxLength: 8 }), { nil: undefined }) })
const question = fc.record({
  from: smallKey,
  to: smallKey,
  limit: fc.integer({ min: 0, max: 8 }),
  reverse: fc.boolean()
})

/** 100 runs of up to 6 batches, each run on its own half of the store so that none sees another's keys. */
const againstModel = Effect.gen(function*() {
  const script = fc.array(fc.record({ batch: fc.array(write, { maxLength: 6 }), question }), { maxLength: 6 })
  let run = 0
  for (const steps of fc.sample(script, { numRuns: 100, seed: 7 })) {
    const space = Bytes.concat(key(100), Bytes.u32(run++))
    const within = (bytes: Uint8Array) => Bytes.concat(space, bytes)
    let model: ReadonlyArray<Pair> = []
    for (const { batch, question } of steps) {
      const writes = batch.map(({ key, value }) =>
        value === undefined ? { key: within(key) } : { key: within(key), value }
      )
      yield* commit(writes)
      model = writes.reduce(applyTo, model)
      const range = { ...question, from: within(question.from), to: within(question.to) }
      same(yield* scan(range), select(model, range), "pairs")
    }
  }
})

const applyTo = (model: ReadonlyArray<Pair>, { key, value }: Write): ReadonlyArray<Pair> => {
  const others = model.filter((pair) => !Bytes.equals(pair.key, key))
  return value === undefined ? others : [...others, { key, value }].sort((a, b) => Bytes.compare(a.key, b.key))
}

const select = (model: ReadonlyArray<Pair>, { from, limit, reverse, to }: Range): ReadonlyArray<Pair> => {
  const inside = model.filter(({ key }) => Bytes.compare(key, from) >= 0 && Bytes.compare(key, to) < 0)
  return (reverse === true ? inside.toReversed() : inside).slice(0, limit)
}

/** Cases for a storage that outlives its store. */
export const reopenCases: ReadonlyArray<ReopenCase> = [
  {
    title: "what was committed is there after a restart, and what was deleted is not",
    steps: [
      commit([1, 2, 3].map((n) => ({ key: key(n), value: key(n, n) }))),
      Effect.gen(function*() {
        same(keysOf(yield* scan()), [key(1), key(2), key(3)], "keys")
        yield* commit([{ key: key(2) }, { key: key(3), value: key(30) }])
      }),
      Effect.gen(function*() {
        same(yield* scan(), [{ key: key(1), value: key(1, 1) }, { key: key(3), value: key(30) }], "pairs")
      })
    ]
  }
]
