/**
 * A commit that storage says failed may have been made. Whichever it is, and whatever storage said of it, an app is told
 * the same, once, and whoever waits for a relay to have an entry is answered.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { Page } from "../../src/log/Arrival.ts"
import * as Ledger from "../../src/log/Ledger.ts"
import * as Outbox from "../../src/log/Outbox.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import type { ClientEvent } from "../../src/Status.ts"
import { type Store, StoreFailed } from "../../src/Store.ts"
import * as JournalBench from "../kit/journalBench.ts"
import { hand, type Written } from "../kit/pen.ts"
import { control, expectSuccess, invite, join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import * as World from "../kit/World.ts"

const KINDS = ["not made", "made", "made, and nothing reads for a while"] as const
type Kind = (typeof KINDS)[number]

const failed = new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the test wants" })

/** Reads that fail after a commit of the third kind: when it is looked at, and with the next two tries. */
const UNREADABLE = 3

/** A store whose `at`-th commit fails, made or not. */
const breaking = (at: number, kind: Kind) => {
  let [commits, unreadable] = [0, 0]
  const reading = <A>(read: Effect.Effect<A, StoreFailed>) =>
    Effect.suspend(() => {
      if (unreadable === 0) return read
      unreadable--
      return Effect.fail(failed)
    })
  const over = (store: Store["Service"]): Store["Service"] => ({
    get: (key) => reading(store.get(key)),
    getMany: (keys) => reading(store.getMany(keys)),
    scan: (range) => reading(store.scan(range)),
    commit: (writes) =>
      Effect.suspend(() => {
        if (++commits !== at) return store.commit(writes)
        if (kind === "not made") return Effect.fail(failed)
        if (kind !== "made") unreadable = UNREADABLE
        return Effect.andThen(store.commit(writes), Effect.fail(failed))
      })
  })
  return { over, isHit: () => commits >= at }
}

const bytesOf = (...all: ReadonlyArray<Written>) => all.map(({ bytes }) => bytes)

/** What is in a space, for a commit to hold: members come and go, with epochs and entries that wait for them. */
const scene = () => {
  const space = makeSpace("what is told")
  const { crypto } = space
  const { guest, host } = join(crypto, space, "guest", ROLE.admin)
  const late = join(crypto, host, "late", ROLE.write)
  const admin = hand(crypto, host.state, host.identity)
  const writer = hand(crypto, late.guest.state, late.guest.identity)
  const [one, two, three] = [
    writer.seal({ ops: [put("a", "", "1")] }),
    writer.seal({ ops: [put("a", "", "2")] }),
    writer.seal({ ops: [put("a", "", "3")] })
  ]
  const removal = Rekey.prepare({
    crypto,
    state: late.host.state,
    signer: Membership.deviceSigner(crypto, host.identity),
    removed: [late.guest.identity.id],
    cutoffs: [{ device: late.guest.identity.id, lane: one.opened.header.lane, seq: 1, hash: one.opened.hash }],
    nowMillis: NOW
  })
  if (removal === undefined) throw new Error("no key of the current epoch")
  const applied = expectSuccess(SpaceState.applyOp(crypto, late.host.state, removal.op))
  const next = SpaceState.withEpoch(crypto, applied, removal.secret, removal.adminSeed)
  if (next === undefined) throw new Error("a key that does not fit")
  const fourth = invite(crypto, { identity: guest.identity, state: next }, "fourth")
  return {
    crypto,
    guest,
    fourth,
    unknownAuthor: bytesOf(one),
    authorComes: bytesOf(admin.seal({ ops: [control(late.op)] }), two),
    unknownEpoch: bytesOf(hand(crypto, next, host.identity).seal({ ops: [put("b", "", "of the next epoch")] })),
    authorGoes: bytesOf(three, admin.seal({ ops: [control(removal.op)] })),
    afterGap: bytesOf(hand(crypto, next, host.identity).seal({ ops: [put("c", "", "after a gap")] })),
    forgotten: bytesOf(hand(crypto, next, guest.identity).seal({ ops: [put("d", "", "forgotten")] }))
  }
}

const SCENE = scene()

/** Of what is kept for items, they take note whenever they are told, whatever else fails. */
const takeNote = Effect.fnUntraced(function*({ store }: JournalBench.Bench) {
  const rows = yield* Ledger.withdrawn.scan(store, { limit: 9 })
  yield* store.commit(rows.map(({ key }) => Ledger.withdrawn.remove(key)))
}, Effect.orDie)

const run = Effect.fnUntraced(function*(at: number, kind: Kind) {
  yield* TestClock.setTime(NOW)
  const { crypto, fourth, guest, ...all } = SCENE
  const { isHit, over } = breaking(at, kind)
  const bench = yield* JournalBench.make(crypto, guest, over)
  const journal = bench.journal()
  const heard = yield* PubSub.subscribe(journal.events)
  const outbox = yield* Outbox.make(journal)
  const { relay, store } = bench

  /** Tries again, as whoever has storage that fails does, until it is done. */
  const again = <A, E>(effect: Effect.Effect<A, E>, isDone = Effect.succeed(false)): Effect.Effect<A | undefined> =>
    Effect.flatMap(Effect.result(effect), (done) => {
      if (Result.isSuccess(done)) return Effect.succeed(done.success)
      const next = Effect.flatMap(isDone, (is) => is ? Effect.undefined : again(effect, isDone))
      return Effect.andThen(takeNote(bench), next)
    })
  const accept = (page: Page) => again(Effect.suspend(() => bench.accept(page, false)))
  const ordinal = Effect.map(Effect.orDie(Ledger.meta.get(store, "")), (row) => row?.ordinal)
  /** Writes, and not again what was written. */
  const write = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.flatMap(ordinal, (before) => again(effect, Effect.map(ordinal, (now) => now !== before)))

  yield* accept(relay.place(...all.unknownAuthor))
  yield* accept(relay.place(...all.authorComes))
  yield* accept(relay.place(...all.unknownEpoch))
  yield* accept(relay.place(...all.authorGoes))
  relay.skip(1)
  yield* accept(relay.place(...all.afterGap))
  const receipt = yield* write(outbox.push([put("d", "", "own")]))
  yield* accept(relay.place(...all.forgotten))
  yield* write(outbox.pushMember(fourth.op))
  // What was written again reaches the relay.
  const rows = yield* Effect.orDie(Ledger.entry.scan(store, { limit: 99 }))
  yield* accept(relay.place(...rows.flatMap(({ row }) => row.relay === 0 ? [row.envelope] : [])))
  const isStored = receipt === undefined ||
    (yield* Effect.raceFirst(Effect.as(receipt.stored, true), Effect.as(World.settle, false)))

  const told = yield* PubSub.takeUpTo(heard, 999)
  const values = yield* bench.values
  const aside = yield* bench.aside
  yield* bench.reopen
  assert.deepStrictEqual(yield* bench.values, values, "in the books, and in the store")
  return { isHit: isHit(), isStored, told: told.map(plain), values, aside }
}, Effect.scoped)

/** An event as text, without the relay's key, which is another one in each run. */
const plain = (event: ClientEvent): string =>
  JSON.stringify(event, (name, value: unknown) => {
    if (name === "relay") return undefined
    return value instanceof Uint8Array ? Bytes.toHex(value) : value
  })

describe("what an app is told", () => {
  it.effect("has everything in it that a commit can hold", () =>
    Effect.gen(function*() {
      const { aside, isHit, isStored, told, values } = yield* run(99, "made")
      assert.isFalse(isHit)
      assert.isTrue(isStored)
      const tags = [
        "Quarantined",
        "Healed",
        "MemberAdded",
        "MemberRemoved",
        "EpochOpened",
        "Retracted",
        "Gap",
        "Restored"
      ]
      for (const tag of tags) assert.isTrue(told.some((event) => event.includes(`"${tag}"`)), tag)
      assert.deepStrictEqual(values, ["1", "of the next epoch", "after a gap", "forgotten", "own"])
      assert.deepStrictEqual(aside, { cutoff: 2 })
    }))

  for (const kind of KINDS) {
    it.effect(`is the same whatever commit fails (${kind})`, () =>
      Effect.gen(function*() {
        const undisturbed = yield* run(99, kind)
        let at = 1
        while (true) {
          const ran = yield* run(at, kind)
          assert.deepStrictEqual(ran, { ...undisturbed, isHit: ran.isHit }, `commit ${at}`)
          if (!ran.isHit) break
          at++
        }
        assert.isAbove(at, 8)
      }))
  }
})
