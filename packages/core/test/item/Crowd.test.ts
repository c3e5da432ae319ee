import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Merge from "../../src/item/Merge.ts"
import * as AddWinsSet from "../../src/item/merge/AddWinsSet.ts"
import * as Counter from "../../src/item/merge/Counter.ts"
import { custom } from "../../src/item/merge/Custom.ts"
import { lastWriter } from "../../src/item/merge/LastWriter.ts"
import { preferLocal, preferRemote } from "../../src/item/merge/Prefer.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { fields, threeWayMap } from "../../src/item/merge/ThreeWayMap.ts"
import { text, value } from "./kit.ts"
import { fold, mergedOf } from "./merge/kit.ts"
import { Crowd, type Replica } from "./replicas.ts"

const item = { collection: "a", key: "k" }

/** What happens in a crowd: somebody writes, hears of some entries, or writes a merge down. */
type Event =
  | { readonly _tag: "write"; readonly who: number; readonly what: number }
  | { readonly _tag: "hear"; readonly who: number; readonly from: number; readonly many: number }
  | { readonly _tag: "merge"; readonly who: number }

const number = fc.nat({ max: 11 })
const events = fc.array(
  fc.oneof(
    fc.record({ _tag: fc.constant("write" as const), who: number, what: number }),
    fc.record({ _tag: fc.constant("hear" as const), who: number, from: fc.nat({ max: 40 }), many: fc.nat({ max: 9 }) }),
    fc.record({ _tag: fc.constant("merge" as const), who: number })
  ),
  { minLength: 1, maxLength: 30 }
)

const play = (crowd: Crowd, all: ReadonlyArray<Event>, write: (replica: Replica, what: number) => void): void => {
  for (const event of all) {
    const replica = crowd.at(event.who)
    if (event._tag === "write") write(replica, event.what)
    else if (event._tag === "hear") replica.hear(crowd.entries.slice(event.from, event.from + event.many))
    else {
      const op = replica.view().settle
      if (op !== undefined) replica.push(op)
    }
  }
}

/** What every replica shows in the end, and how long it took. */
const ends = (crowd: Crowd) => {
  crowd.gather()
  const before = crowd.entries.length
  const rounds = crowd.settle()
  const [first, ...others] = crowd.seen()
  for (const other of others) assert.deepStrictEqual(other, first)
  return { rounds, merges: crowd.entries.length - before, views: crowd.replicas.map((replica) => replica.view()) }
}

const map = (entries: ReadonlyArray<readonly [string, string]>) =>
  fields.encode(new Map(entries.map(([k, v]) => [k, text(v)])))

/** Each with how its values are written: what number `what` writes on top of what is there. */
const strategies: ReadonlyArray<
  readonly [name: string, strategy: Strategy, write: (replica: Replica, what: number) => void]
> = (() => {
  const plain = (replica: Replica, what: number) => replica.write(what === 0 ? undefined : text(`v${what % 4}`))
  const shown = (replica: Replica, otherwise: Uint8Array): Uint8Array => {
    const { shown } = replica.view()
    return shown._tag === "Value" ? shown.value : otherwise
  }
  const field = (replica: Replica, what: number) => {
    const before = fields.decode(shown(replica, map([]))) ?? new Map<string, Uint8Array>()
    replica.write(fields.encode(new Map(before).set(`f${what % 3}`, text(`${what}`))))
  }
  const atOnce = ({ local, remote }: { readonly local?: Uint8Array; readonly remote?: Uint8Array }) => local ?? remote
  return [
    ["last writer", lastWriter, plain],
    ["prefer local", preferLocal, plain],
    ["prefer remote", preferRemote, plain],
    ["three-way map", threeWayMap({ field: atOnce, onDelete: "keep" }), field],
    ["an app's function", custom("app", spelledShortly, { onDelete: "keep" }), plain],
    [
      "counter",
      Counter.counter(),
      (replica, what) => replica.write(Counter.add(shown(replica, Counter.zero), replica.device, what))
    ],
    ["add-wins set", AddWinsSet.addWinsSet(), (replica, what) => {
      const before = shown(replica, AddWinsSet.empty)
      replica.write(
        what % 3 === 0
          ? AddWinsSet.remove(before, text(`${what % 2}`))
          : AddWinsSet.add(before, replica.device, text(`${what % 2}`))
      )
    }]
  ]
})()

/** Another value for another order of its sides, however often it is merged again. */
function spelledShortly(
  { base, local, remote }: { readonly base?: Uint8Array; readonly local: Uint8Array; readonly remote: Uint8Array }
): Uint8Array {
  let sum = 7
  for (const byte of [...local, 1, ...remote, 2, ...base ?? []]) sum = (Math.imul(sum, 31) + byte) >>> 0
  return text(sum.toString(16))
}

describe("devices that merge at the same time", () => {
  for (const size of [2, 3]) {
    it.each(strategies)(`come to one value, ${size} of them: %s`, (_, strategy, write) => {
      let merged = 0
      fc.assert(
        fc.property(events, fc.nat({ max: 99 }), (all, salt) => {
          const crowd = new Crowd(strategy, size, salt)
          play(crowd, all, write)
          const { merges, rounds, views } = ends(crowd)
          // All see the same heads: one round of merges that are alike, or of preferences and one of what they come to.
          assert.isAtMost(rounds, 2)
          assert.isAtMost(merges, 2 * size)
          for (const { conflict, shown } of views) {
            assert.isUndefined(conflict)
            assert.deepStrictEqual(shown, views[0]?.shown)
          }
          if (merges > 0) merged++
        }),
        { numRuns: 150 }
      )
      assert.isAbove(merged, 10)
    })
  }

  it("need one entry where the one that is to write it does, and nobody else", () => {
    const crowd = new Crowd(lastWriter, 3)
    crowd.replicas.forEach((replica, who) => replica.write(text(`${who}`)))
    crowd.gather()
    const settlers = crowd.replicas.filter((replica) => replica.view().isSettler)
    assert.deepStrictEqual(settlers, [crowd.at(2)])
    for (const replica of settlers) replica.push(replica.view().settle ?? assert.fail("nothing to write"))
    crowd.gather()
    assert.strictEqual(crowd.entries.length, 4)
    assert.deepStrictEqual(crowd.replicas.map((replica) => replica.view().settle), [undefined, undefined, undefined])
  })

  it("in a crowd of 32 that merges whatever it has heard of stay far from giving up", () => {
    const summed = custom("summed", ({ local, remote }) => mergedOf(fold(Counter.counter(), local, remote)) ?? local)
    let highest = 0
    fc.assert(
      fc.property(fc.array(number, { minLength: 32, maxLength: 32 }), fc.nat({ max: 99 }), (steps, salt) => {
        const crowd = new Crowd(summed, 32, salt)
        for (const replica of crowd.replicas) replica.write(Counter.add(Counter.zero, replica.device, 1))
        for (let round = 0; round < 12; round++) {
          const heard = crowd.replicas.map((_, at) => crowd.at(at + 1 + (steps[(at + round) % 32] ?? 0) * 3).known)
            .map((known) => new Set(known))
          crowd.replicas.forEach((replica, at) => {
            replica.hear(crowd.entries.filter(({ id }) => heard[at]?.has(id) === true && !replica.known.has(id)))
          })
          crowd.mergeAll()
          for (const replica of crowd.replicas) assert.isUndefined(replica.view().conflict)
        }
        for (const head of Effect.runSync(crowd.at(0).store.heads([item])).flat()) {
          highest = Math.max(highest, head.generation)
        }
        const { views } = ends(crowd)
        const shown = views[0]?.shown
        assert.strictEqual(shown?._tag === "Value" ? Counter.total(shown.value) : undefined, 32)
      }),
      { numRuns: 5 }
    )
    assert.isAtLeast(highest, 3)
    assert.isAtMost(highest, Merge.GENERATIONS_MAX / 2)
  })

  it("lose no count and count nothing twice", () => {
    const [, strategy, write] = strategies[5] ?? assert.fail("no counter")
    fc.assert(
      fc.property(events, (all) => {
        const crowd = new Crowd(strategy, 3)
        play(crowd, all, write)
        const { views } = ends(crowd)
        const sum = all.reduce((total, event) => event._tag === "write" ? total + event.what : total, 0)
        const shown = views[0]?.shown
        assert.strictEqual(shown?._tag === "Value" ? Counter.total(shown.value) : 0, sum)
      })
    )
  })

  it("by a function that is none end in the conflict list, after a bounded number of entries", () => {
    let calls = 0
    const crowd = new Crowd(custom("dice", () => text(`${calls++}`)), 2)
    crowd.replicas.forEach((replica, who) => replica.write(text(`first ${who}`)))
    const { merges, rounds, views } = ends(crowd)
    assert.strictEqual(rounds, Merge.GENERATIONS_MAX)
    assert.strictEqual(merges, 2 * Merge.GENERATIONS_MAX)
    assert.deepStrictEqual(views.map(({ conflict }) => conflict?._tag), ["Diverging", "Diverging"])
    // An edit beside them is merged as ever: not all of them are resolutions then.
    const other = new Crowd(custom("dice", () => text(`${calls++}`)), 2)
    other.replicas.forEach((replica, who) => replica.write(text(`first ${who}`)))
    ends(other)
    other.at(0).push({ ...item, parents: [], action: value("an edit") })
    assert.isUndefined(other.at(0).view().conflict)
    // A person's word ends it.
    const [first] = crowd.replicas
    first?.push({ ...item, parents: crowd.seen()[0]?.heads[0]?.[2] ?? [], action: value("decided") })
    assert.deepStrictEqual(ends(crowd).views.map(({ shown }) => shown), [
      { _tag: "Value", value: text("decided") },
      { _tag: "Value", value: text("decided") }
    ])
  })
})
