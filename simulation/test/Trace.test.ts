import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Trace from "../src/Trace.ts"

const value = fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.constant(null))
const row = fc.record({
  tMicros: fc.nat(),
  node: fc.constantFrom("n1", "n2", ""),
  kind: fc.constantFrom("send", "recv", "log"),
  payload: fc.option(fc.dictionary(fc.string(), value), { nil: undefined })
})
type Noted = typeof row extends fc.Arbitrary<infer A> ? A : never

const trace = (noted: ReadonlyArray<Noted>, options: { full?: boolean; keep?: number } = {}) => {
  let now = 0
  const made = Trace.make({ timeline: { nowMicros: () => now }, ...options })
  for (const { kind, node, payload, tMicros } of noted) {
    now = tMicros
    made.note(node, kind, payload)
  }
  return made
}

describe("hash", () => {
  it("is the same with all rows kept, some, or none but the last", () => {
    fc.assert(fc.property(fc.array(row), (noted) => {
      const { hash } = trace(noted)
      assert.match(hash, /^[0-9a-f]{16}$/)
      assert.strictEqual(trace(noted, { full: true }).hash, hash)
      assert.strictEqual(trace(noted, { keep: 1 }).hash, hash)
    }))
  })

  it("differs when any part of any row does", () => {
    const base: Noted = { tMicros: 5, node: "n1", kind: "send", payload: { to: "n2", size: 3 } }
    const changes: ReadonlyArray<Partial<Noted>> = [
      {},
      { tMicros: 6 },
      { tMicros: 5 + 2 ** 32 },
      { node: "n2" },
      { kind: "recv" },
      { payload: undefined },
      { payload: {} },
      { payload: { to: "n2" } },
      { payload: { to: "n2", size: 4 } },
      { payload: { to: "n2", size: 3.5 } },
      { payload: { to: "n2", size: "3" } },
      { payload: { to: "n3", size: 3 } },
      { payload: { to: true, size: 3 } },
      { payload: { to: false, size: 3 } },
      { payload: { to: null, size: 3 } }
    ]
    for (const at of [0, 1, 2]) {
      const hashes = changes.map((change) => {
        const noted = [base, base, base]
        noted[at] = { ...base, ...change }
        return trace(noted).hash
      })
      // No payload and an empty one say the same.
      assert.strictEqual(new Set(hashes).size, changes.length - 1)
    }
  })

  it("does not cover the cause", () => {
    const made = [1, 2].map((cause) => {
      const one = Trace.make({ timeline: { nowMicros: () => 0 } })
      one.note("n", "k", undefined, cause)
      return one.hash
    })
    assert.strictEqual(made[0], made[1])
  })
})

describe("rows", () => {
  it("are the last ones, oldest first", () => {
    fc.assert(fc.property(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 10 }), (noted, keep) => {
      const all = trace(noted, { full: true }).rows()
      assert.deepStrictEqual(all.map((r) => r.i), noted.map((_, i) => i))
      assert.deepStrictEqual(trace(noted, { keep }).rows(), all.slice(-keep))
    }))
  })

  it("take the recorder's cause unless they name one", () => {
    const made = Trace.make({ timeline: { nowMicros: () => 0 } })
    const sent = made.note("a", "send")
    made.cause = sent
    made.note("b", "recv")
    made.note("b", "apply", undefined, 1)
    made.cause = undefined
    made.note("c", "send")
    assert.deepStrictEqual(made.rows().map((r) => r.cause), [undefined, 0, 1, undefined])
  })

  it("read as one line", () => {
    const made = trace([{ tMicros: 1_000_020, node: "n1", kind: "send", payload: { to: "n2" } }])
    assert.deepStrictEqual(made.rows().map(Trace.text), ["#0 1.000020 n1 send {\"to\":\"n2\"}"])
  })
})

describe("divergence", () => {
  it("is the first row that differs, also where one trace ends", () => {
    fc.assert(fc.property(fc.array(row, { minLength: 1 }), fc.nat(), (noted, index) => {
      const before = trace(noted, { full: true }).rows()
      assert.isUndefined(Trace.divergence(before, trace(noted, { full: true }).rows()))
      const i = index % noted.length
      const other = noted.map((r, k) => k === i ? { ...r, tMicros: r.tMicros + 1 } : r)
      assert.strictEqual(Trace.divergence(before, trace(other, { full: true }).rows())?.i, i)
      assert.strictEqual(Trace.divergence(before, before.slice(0, i))?.i, i)
    }))
  })
})
