import { assert, describe, it } from "@effect/vitest"
import type { Closed } from "@sotto/core/ClientError"
import * as Coverage from "@sotto/core/log/Coverage"
import { type Cursor, Ordinal } from "@sotto/core/log/Cursor"
import { RelayNumber } from "@sotto/core/log/Ledger"
import * as Quorum from "@sotto/core/log/Quorum"
import * as Receipts from "@sotto/core/log/Receipts"
import { Position, RelayKey } from "@sotto/schema/Id"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

const QUORUMS: ReadonlyArray<Quorum.Quorum> = [1, "majority", "all"]

const cursorAt = (relay: number, position: number) => ({
  relay: RelayKey.make(new Uint8Array(32).fill(relay)),
  position: Position.make(position)
})

/** A relay as the journal has it in its books. */
interface Relay {
  readonly number: number
  offered: number
  readonly offerUntil: number
}

/** Receipts and coverage, driven as the journal and the pump drive them. */
class Books {
  readonly quorum: Quorum.Quorum
  readonly receipts: Receipts.Receipts
  readonly coverage = Coverage.make()
  readonly waiting: Array<Deferred.Deferred<Cursor, Closed>> = []
  relays: ReadonlyArray<Relay> = []
  ordinal = 0
  numbers = 0

  constructor(quorum: Quorum.Quorum) {
    this.quorum = quorum
    this.receipts = Receipts.make(quorum)
  }

  private use(relays: ReadonlyArray<Relay>): void {
    this.relays = relays
    const numbers = new Set(relays.map(({ number }) => number))
    this.coverage.keep(numbers)
    this.receipts.inUse(numbers)
  }

  add(): number {
    const relay = { number: ++this.numbers, offered: 0, offerUntil: this.ordinal }
    this.use([...this.relays, relay])
    return relay.number
  }

  remove(number: number): void {
    this.use(this.relays.filter((relay) => relay.number !== number))
  }

  /** A batch of `count` entries, the last of them signed. */
  push(count = 1): void {
    const signedIn = Ordinal.make(this.ordinal + count)
    while (this.ordinal < signedIn) {
      const ordinal = Ordinal.make(++this.ordinal)
      this.waiting.push(this.receipts.whenStored(ordinal, signedIn))
      for (const { number } of this.relays) this.coverage.markUnsent(RelayNumber.make(number), ordinal)
    }
  }

  /** What a relay that is new acknowledges next: all of the offer up to `through`. Answers which entries. */
  offer(relay: Relay, count: number): ReadonlyArray<number> {
    const through = Math.min(relay.offerUntil, relay.offered + count)
    const taken = Array.from({ length: through - relay.offered }, (_, at) => relay.offered + 1 + at)
    relay.offered = through
    for (const ordinal of taken) this.acknowledge(relay.number, ordinal)
    return taken
  }

  acknowledge(number: number, ordinal: number): void {
    this.coverage.markSent(RelayNumber.make(number), Ordinal.make(ordinal))
    this.receipts.stored(Ordinal.make(ordinal), RelayNumber.make(number), cursorAt(number, ordinal))
  }

  /** Any one of a relay's outbox. Answers which, if there is one. */
  acknowledgeOne({ number }: Relay, which: number): ReadonlyArray<number> {
    const unsent = [...this.coverage.unsent(RelayNumber.make(number))]
    const ordinal = unsent[which % Math.max(1, unsent.length)]
    if (ordinal === undefined) return []
    this.acknowledge(number, ordinal)
    return [ordinal]
  }

  pending(): number {
    if (this.relays.length === 0) return this.ordinal
    const offers = this.relays.map(({ offerUntil, offered }) => ({ after: offered, through: offerUntil }))
    return this.coverage.lackedBy(Quorum.lacking(this.quorum, this.relays.length), offers)
  }

  stored(): ReadonlyArray<boolean> {
    return this.waiting.map((deferred) => Deferred.isDoneUnsafe(deferred))
  }

  answer(ordinal: number): number | undefined {
    const deferred = this.waiting[ordinal - 1]
    if (deferred === undefined || !Deferred.isDoneUnsafe(deferred)) return undefined
    return Effect.runSync(Deferred.await(deferred).pipe(Effect.map(({ relay }) => relay[0]), Effect.orDie))
  }
}

/** The same, as plainly as it can be said: who has what, and is it enough. */
class Model {
  readonly quorum: Quorum.Quorum
  readonly holders: Array<Set<number>> = []
  /** For each entry, whose signature covers it. */
  readonly signedIn: Array<number> = []
  readonly stored: Array<boolean> = []
  relays = new Set<number>()

  constructor(quorum: Quorum.Quorum) {
    this.quorum = quorum
  }

  isEnough(has: ReadonlySet<number>): boolean {
    const count = [...this.relays].filter((relay) => has.has(relay)).length
    if (this.quorum === "all") return count > 0 && count === this.relays.size
    return this.quorum === 1 ? count > 0 : count * 2 > this.relays.size
  }

  push(count: number): void {
    const signedIn = this.holders.length + count - 1
    while (this.holders.length <= signedIn) {
      this.holders.push(new Set())
      this.signedIn.push(signedIn)
    }
  }

  look(): void {
    this.holders.forEach((has, at) => {
      const signed = this.holders[this.signedIn[at] ?? at]
      const whole = new Set([...has].filter((relay) => signed?.has(relay) === true))
      this.stored[at] = this.stored[at] === true || this.isEnough(whole)
    })
  }

  pending(): number {
    return this.holders.filter((has) => !this.isEnough(has)).length
  }
}

type Step = readonly [kind: "push" | "acknowledge" | "offer" | "add" | "remove", which: number, entry: number]

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant("push" as const) },
      { weight: 8, arbitrary: fc.constant("acknowledge" as const) },
      { weight: 3, arbitrary: fc.constant("offer" as const) },
      { weight: 2, arbitrary: fc.constant("add" as const) },
      { weight: 2, arbitrary: fc.constant("remove" as const) }
    ),
    fc.nat(7),
    fc.nat(30)
  ),
  { maxLength: 60, size: "max" }
)

const run = (books: Books, model: Model, [kind, which, entry]: Step): void => {
  const relay = books.relays[which % Math.max(1, books.relays.length)]
  const has = (ordinals: ReadonlyArray<number>, number: number) => {
    for (const ordinal of ordinals) model.holders[ordinal - 1]?.add(number)
  }
  if (kind === "push") {
    books.push(1 + which % 4)
    model.push(1 + which % 4)
  } else if (kind === "add") {
    if (books.relays.length < 5) model.relays.add(books.add())
  } else if (relay !== undefined) {
    if (kind === "acknowledge") has(books.acknowledgeOne(relay, entry), relay.number)
    else if (kind === "offer") has(books.offer(relay, entry), relay.number)
    else {
      books.remove(relay.number)
      model.relays.delete(relay.number)
    }
  }
  model.look()
}

describe("the write quorum", () => {
  it("is one, more than half, or all of the relays, and never none", () => {
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5].map((relays) => Quorum.needed(1, relays)), [1, 1, 1, 1, 1, 1])
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5].map((relays) => Quorum.needed("majority", relays)), [1, 1, 2, 2, 3, 3])
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5].map((relays) => Quorum.needed("all", relays)), [1, 1, 2, 3, 4, 5])
  })

  for (const quorum of QUORUMS) {
    it(`of ${quorum}: receipts and what is pending are those of the plain model, in any order of events`, () => {
      fc.assert(
        fc.property(steps, (all) => {
          const books = new Books(quorum)
          const model = new Model(quorum)
          for (const step of all) {
            run(books, model, step)
            assert.deepStrictEqual(books.stored(), model.stored)
            assert.strictEqual(books.pending(), model.pending())
            // Asked for once more, it is what was worked out before.
            assert.strictEqual(books.pending(), model.pending())
          }
        }),
        { numRuns: 400 }
      )
    })
  }

  it("is met by taking a relay away that does not have the entry, and answers with one that is left", () => {
    const books = new Books("majority")
    const [one, two, three] = [books.add(), books.add(), books.add()]
    books.push()
    books.acknowledge(one, 1)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false], 1])
    books.remove(two)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false], 1])
    books.remove(three)
    assert.deepStrictEqual([books.stored(), books.pending()], [[true], 0])
    assert.strictEqual(books.answer(1), one)
  })

  it("goes on waiting when the relay that has the entry is taken away, and when none is left", () => {
    const books = new Books("all")
    const [one, two] = [books.add(), books.add()]
    books.push()
    books.acknowledge(one, 1)
    books.remove(one)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false], 1])
    books.remove(two)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false], 1])
    const three = books.add()
    const [relay] = books.relays
    assert.deepStrictEqual(relay === undefined ? [] : books.offer(relay, 1), [1])
    assert.deepStrictEqual([books.stored(), books.pending()], [[true], 0])
    assert.strictEqual(books.answer(1), three)
  })

  it("counts a relay that has an entry once it has the signature that covers it, and answers where the entry is", () => {
    const books = new Books(1)
    const [one, two] = [books.add(), books.add()]
    books.push(3)
    books.acknowledge(one, 1)
    books.acknowledge(one, 2)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false, false, false], 1])
    books.acknowledge(two, 3)
    assert.deepStrictEqual([books.stored(), books.pending()], [[false, false, true], 0])
    // Written again, as after a backup: what the relay had is not what it is to have now.
    books.receipts.moved(Ordinal.make(3), Ordinal.make(4))
    books.acknowledge(one, 3)
    assert.deepStrictEqual(books.stored(), [false, false, true])
    books.acknowledge(one, 4)
    assert.deepStrictEqual(books.stored(), [true, true, true])
    assert.deepStrictEqual([books.answer(1), books.answer(2), books.answer(3)], [one, one, two])
  })

  it("asks for more when a relay is added, and what was answered stays answered", () => {
    const books = new Books("majority")
    const one = books.add()
    books.push()
    books.acknowledge(one, 1)
    books.push()
    books.add()
    books.acknowledge(one, 2)
    assert.deepStrictEqual(books.stored(), [true, false])
    assert.strictEqual(books.pending(), 2)
  })
})
