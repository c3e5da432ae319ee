import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { type Event, EventQueue } from "../src/EventQueue.ts"

const event = (run: () => void = () => {}): Event => ({ run, owner: undefined, cause: undefined })

const drain = (queue: EventQueue, until = Infinity): void => {
  for (let next = queue.take(until); next !== undefined; next = queue.take(until)) {
    const { run } = next
    next.run = undefined
    run?.()
  }
}

/** Each command adds an event; when that runs, it adds its own followers. */
interface Plan {
  readonly delay: number
  readonly then: ReadonlyArray<Plan>
}
const plan: fc.Arbitrary<Plan> = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.record({
    delay: fc.oneof(fc.constant(0), fc.nat(5), fc.nat(1_000_000)),
    then: fc.oneof({ depthSize: "small" }, fc.constant([]), fc.array(tie("plan"), { maxLength: 4 }))
  })
})).plan

describe("EventQueue", () => {
  it("takes events by time, and in order of scheduling where times are equal", () => {
    fc.assert(fc.property(fc.array(plan, { maxLength: 60 }), (plans) => {
      const queue = new EventQueue()
      const ran: Array<{ time: number; order: number }> = []
      let order = 0
      let count = 0
      const add = (one: Plan): void => {
        const mine = order++
        count++
        const due = queue.now + one.delay
        queue.add(
          event(() => {
            assert.strictEqual(queue.now, due)
            ran.push({ time: due, order: mine })
            one.then.forEach(add)
          }),
          one.delay
        )
      }
      plans.forEach(add)
      drain(queue)
      assert.strictEqual(ran.length, count)
      assert.deepStrictEqual(ran, ran.toSorted((a, b) => a.time - b.time || a.order - b.order))
      assert.strictEqual(queue.size, 0)
    }))
  })

  it("takes nothing later than it is asked for, and does not move the clock for it", () => {
    const queue = new EventQueue()
    for (const delay of [5, 10, 20]) queue.add(event(), delay)
    drain(queue, 10)
    assert.strictEqual(queue.now, 10)
    assert.strictEqual(queue.next(), 20)
    assert.isUndefined(queue.take(19))
    assert.strictEqual(queue.now, 10)
  })

  it("leaves out what was taken back and what died, as if it had never been", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(20), fc.constantFrom("keep", "cancel", "dead"))), (added) => {
      const queue = new EventQueue()
      const owner = { alive: true }
      const ran: Array<number> = []
      const events = added.map(([delay, fate], i) => {
        const made: Event = { run: () => ran.push(i), owner: fate === "dead" ? owner : undefined, cause: undefined }
        queue.add(made, delay)
        return made
      })
      owner.alive = false
      added.forEach(([, fate], i) => {
        const made = events[i]
        if (fate === "cancel" && made !== undefined) made.run = undefined
      })
      const kept = added.map(([delay, fate], i) => ({ delay, fate, i })).filter(({ fate }) => fate === "keep")
      assert.strictEqual(queue.next(), kept.length === 0 ? undefined : Math.min(...kept.map(({ delay }) => delay)))
      drain(queue)
      assert.deepStrictEqual(ran, kept.toSorted((a, b) => a.delay - b.delay || a.i - b.i).map(({ i }) => i))
      assert.strictEqual(queue.now, Math.max(0, ...kept.map(({ delay }) => delay)))
    }))
  })

  it("holds many events at one instant and over all times", () => {
    const queue = new EventQueue()
    let ran = 0
    for (let i = 0; i < 20_000; i++) queue.add(event(() => ran++), 0)
    for (let i = 0; i < 20_000; i++) queue.add(event(() => ran++), (i * 7919) % 10_007)
    assert.strictEqual(queue.size, 40_000)
    drain(queue)
    assert.strictEqual(ran, 40_000)
  })
})
