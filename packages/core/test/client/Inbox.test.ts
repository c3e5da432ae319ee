import { assert, describe, it } from "@effect/vitest"
import * as Inbox from "@sotto/core/log/Inbox"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Reader from "@sotto/core/log/Reader"
import * as Membership from "@sotto/core/space/Membership"
import * as Rekey from "@sotto/core/space/Rekey"
import * as SpaceState from "@sotto/core/space/SpaceState"
import { EnvelopeId, Position, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as TestClock from "effect/testing/TestClock"
import * as JournalBench from "../kit/journalBench.ts"
import { hand, removalAfter } from "../kit/pen.ts"
import { control, expectSuccess, join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import { gapsOf } from "../kit/values.ts"

/** A space with a host, whose entries are written by hand, and a guest, whose books are looked at. */
const seats = (seed: string) => {
  const space = makeSpace(seed)
  const { guest, host } = join(space.crypto, space, "guest", ROLE.admin)
  return { crypto: space.crypto, guest, host }
}

const bench = Effect.fnUntraced(function*(seed: string) {
  yield* TestClock.setTime(NOW)
  const all = seats(seed)
  return { ...all, bench: yield* JournalBench.make(all.crypto, all.guest) }
})

describe("a page", () => {
  it.effect("makes entries in the order of the log", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, guest, host } = yield* bench("order")
      const one = hand(crypto, host.state, host.identity)
      const other = hand(crypto, guest.state, guest.identity)
      const page = b.relay.place(
        one.seal({ ops: [put("a", "", "1")] }).bytes,
        other.seal({ ops: [put("b", "", "2")] }).bytes,
        one.seal({ ops: [put("a", "", "3")] }).bytes
      )
      const taken = yield* b.accept(page)
      assert.strictEqual(taken.accepted, 3)
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3"])
      const [book] = [...b.journal().books().bookByHex.values()]
      assert.strictEqual(book?.mark.cursor, 3)
    }))

  it.effect("that ends before the signature of a batch waits for it, also across a restart", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("pending")
      const { seal } = hand(crypto, host.state, host.identity)
      const first = seal({ ops: [put("a", "", "1")], signed: false }).bytes
      const second = seal({ ops: [put("a", "", "2")], signed: false }).bytes
      const last = seal({ ops: [put("a", "", "3")] }).bytes
      yield* b.accept(b.relay.place(first, second))
      assert.deepStrictEqual(yield* b.values, [])
      assert.deepStrictEqual(yield* b.aside, {})
      yield* b.reopen
      yield* b.accept(b.relay.place(last))
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3"])
      assert.strictEqual(b.journal().books().waitingByHex.size, 0)
    }))

  it.effect("that names one envelope twice makes one entry of it, pending or not", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("twice")
      const { seal } = hand(crypto, host.state, host.identity)
      const first = seal({ ops: [put("a", "", "1")], signed: false }).bytes
      yield* b.accept(b.relay.place(first, first))
      yield* b.reopen
      const last = seal({ ops: [put("a", "", "2")] }).bytes
      yield* b.accept(b.relay.place(last, last, first))
      assert.deepStrictEqual(yield* b.values, ["1", "2"])
      assert.deepStrictEqual(yield* b.aside, {})
    }))

  it.effect("that comes again changes nothing", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("again")
      const { seal } = hand(crypto, host.state, host.identity)
      const page = b.relay.place(seal().bytes, seal().bytes)
      yield* b.accept(page)
      const before = b.journal().books()
      const taken = yield* b.accept(page)
      assert.strictEqual(taken.accepted, 0)
      assert.deepStrictEqual(b.journal().books().meta, before.meta)
      assert.strictEqual((yield* b.values).length, 2)
    }))

  it.effect("whose members are not known yet waits for them, in whatever order they come", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("author")
      const late = join(crypto, host, "late", ROLE.write)
      const { seal } = hand(crypto, late.guest.state, late.guest.identity)
      const texts = ["1", "2"].map((text) => seal({ ops: [put("a", "", text)] }).bytes)
      const taken = yield* b.accept(b.relay.place(...texts))
      assert.deepStrictEqual(yield* b.aside, { "author-unknown": 2 })
      assert.strictEqual(taken.events.filter(({ _tag }) => _tag === "Quarantined").length, 2)
      yield* b.reopen
      assert.deepStrictEqual(yield* b.aside, { "author-unknown": 2 })
      const op = hand(crypto, host.state, host.identity).seal({ ops: [control(late.op)] }).bytes
      const third = seal({ ops: [put("a", "", "3")] }).bytes
      const healed = yield* b.accept(b.relay.place(third, op))
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3"])
      assert.deepStrictEqual(yield* b.aside, {})
      assert.deepStrictEqual(healed.events.filter(({ _tag }) => _tag === "Healed"), [{ _tag: "Healed", count: 2 }])
      assert.isTrue(healed.events.some((event) => event._tag === "MemberAdded" && event.label === "late"))
      const { membership } = b.journal().books().state
      assert.isTrue(Membership.hasRole(membership, late.guest.identity.id, ROLE.write))
      yield* b.reopen
      assert.isTrue(
        Membership.hasRole(b.journal().books().state.membership, late.guest.identity.id, ROLE.write)
      )
    }))

  it.effect("of an epoch whose key is not here waits for the key, and it comes with the log", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("epoch")
      const prepared = Rekey.prepare({
        crypto,
        state: host.state,
        signer: Membership.deviceSigner(crypto, host.identity),
        removed: [],
        cutoffs: [],
        nowMillis: NOW
      })
      assert.isDefined(prepared)
      if (prepared === undefined) return
      const applied = expectSuccess(SpaceState.applyOp(crypto, host.state, prepared.op))
      const next = SpaceState.withEpoch(crypto, applied, prepared.secret, prepared.adminSeed)
      assert.isDefined(next)
      if (next === undefined) return
      const op = hand(crypto, host.state, host.identity).seal({ ops: [control(prepared.op)] }).bytes
      const { seal } = hand(crypto, next, host.identity)
      const texts = ["1", "2"].map((text) => seal({ ops: [put("a", "", text)] }).bytes)
      yield* b.accept(b.relay.place(...texts))
      assert.deepStrictEqual(yield* b.aside, { "epoch-unknown": 2 })
      yield* b.reopen
      const taken = yield* b.accept(b.relay.place(op))
      assert.isTrue(taken.events.some((event) => event._tag === "EpochOpened" && event.epoch === 2))
      assert.deepStrictEqual(yield* b.values, ["1", "2"])
      assert.deepStrictEqual(yield* b.aside, {})
      yield* b.reopen
      assert.strictEqual(SpaceState.currentEpoch(b.journal().books().state).epoch, 2)
      assert.deepStrictEqual(yield* b.values, ["1", "2"])
    }))

  it.effect("that removes a device takes back what it wrote after its cut-off, whichever came first", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, guest, host } = yield* bench("cutoff")
      const late = join(crypto, host, "late", ROLE.write)
      const first = hand(crypto, host.state, host.identity)
      const added = first.seal({ ops: [control(late.op)] }).bytes
      const { seal } = hand(crypto, late.guest.state, late.guest.identity)
      const write = (text: string) => seal({ ops: [put("a", "", text)] })
      const [one, two, three, four] = [write("1"), write("2"), write("3"), write("4")]
      const removal = first.seal({ ops: [control(removalAfter(crypto, late.host, one))] }).bytes
      yield* b.accept(b.relay.place(added, one.bytes, two.bytes))
      assert.deepStrictEqual(yield* b.values, ["1", "2"])
      // Two comes before the removal, three with it, four after it.
      const taken = yield* b.accept(b.relay.place(three.bytes, removal))
      assert.deepStrictEqual(taken.events.filter(({ _tag }) => _tag === "Retracted"), [
        { _tag: "Retracted", ids: [two.opened.id] }
      ])
      yield* b.accept(b.relay.place(four.bytes))
      assert.deepStrictEqual(yield* b.values, ["1"])
      assert.deepStrictEqual(yield* b.aside, { cutoff: 3 })
      yield* b.reopen
      assert.deepStrictEqual(yield* b.values, ["1"])
      assert.deepStrictEqual(yield* b.aside, { cutoff: 3 })
      // Another device hears of the removal first.
      const other = yield* JournalBench.make(crypto, guest)
      yield* other.accept(other.relay.place(added, removal, one.bytes, two.bytes, three.bytes, four.bytes))
      assert.deepStrictEqual(yield* other.values, ["1"])
      assert.deepStrictEqual(yield* other.aside, { cutoff: 3 })
    }))

  it.effect("with a gap in a chain waits for what is missing, unless the relay no longer has it", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("gap")
      const { seal } = hand(crypto, host.state, host.identity)
      const write = (text: string) => seal({ ops: [put("a", "", text)] }).bytes
      const [one, two, three] = [write("1"), write("2"), write("3")]
      yield* b.accept(b.relay.place(one, three))
      assert.deepStrictEqual(yield* b.values, ["1"])
      assert.deepStrictEqual(yield* b.aside, { gap: 1 })
      yield* b.reopen
      yield* b.accept(b.relay.place(two))
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3"])
      seal()
      b.relay.skip(1)
      const after = seal({ ops: [put("a", "", "after the gap")] }).bytes
      const elsewhere = yield* b.accept(b.relay.place(after), false)
      assert.deepStrictEqual(gapsOf(elsewhere.events), [[4, 4, false]])
      assert.deepStrictEqual(yield* b.aside, { gap: 1 })
      yield* Inbox.reconsider(b.journal(), true)
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3", "after the gap"])
    }))

  it.effect("dated ahead of this device's clock waits until it is not", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("clock")
      const { seal } = hand(crypto, host.state, host.identity)
      const ahead = seal({ ops: [put("a", "", "tomorrow")], millis: NOW + 86_400_000 }).bytes
      yield* b.accept(b.relay.place(ahead))
      assert.deepStrictEqual(yield* b.aside, { clock: 1 })
      yield* TestClock.adjust("1 day")
      yield* Inbox.reconsider(b.journal(), false)
      assert.deepStrictEqual(yield* b.values, ["tomorrow"])
    }))

  it.effect("is known by what it waits for now, also after a restart, and told of once", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("clocks")
      const { seal } = hand(crypto, host.state, host.identity)
      const [one, two] = [1, 2].map((days) =>
        seal({ ops: [put("a", "", `in ${days}`)], millis: NOW + days * 86_400_000 }).bytes
      )
      if (one === undefined || two === undefined) return
      const taken = yield* b.accept(b.relay.place(one, two))
      assert.strictEqual(taken.events.filter(({ _tag }) => _tag === "Quarantined").length, 2)
      assert.deepStrictEqual(yield* b.aside, { clock: 1, gap: 1 })
      yield* TestClock.adjust("1 day")
      const told: Array<string> = []
      const reconsider = Effect.gen(function*() {
        const events = yield* PubSub.subscribe(b.journal().events)
        yield* Inbox.reconsider(b.journal(), false)
        const all = yield* PubSub.takeUpTo(events, 9)
        told.push(...all.map(({ _tag }) => _tag))
      }).pipe(Effect.scoped)
      yield* reconsider
      assert.deepStrictEqual(yield* b.values, ["in 1"])
      assert.deepStrictEqual(yield* b.aside, { clock: 1 })
      yield* b.reopen
      yield* reconsider
      assert.deepStrictEqual(yield* b.aside, { clock: 1 })
      yield* TestClock.adjust("1 day")
      yield* reconsider
      assert.deepStrictEqual(yield* b.values, ["in 1", "in 2"])
      assert.deepStrictEqual(told, ["Healed", "Healed"])
    }))

  it.effect("holds back what is wrong with its reason, and takes the rest", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("wrong")
      const stranger = makeSpace("another space")
      const { seal } = hand(crypto, host.state, host.identity)
      const good = seal({ ops: [put("a", "", "good")] })
      const forged = hand(crypto, host.state, host.identity).seal({
        ops: [put("b", "", "forged")],
        signature: Signature.make(new Uint8Array(64))
      })
      const foreign = hand(stranger.crypto, stranger.state, stranger.identity).seal()
      const changed = good.bytes.slice()
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
      const fork = hand(crypto, host.state, host.identity).seal({ ops: [put("a", "", "fork")] })
      const page = b.relay.place(good.bytes, forged.bytes, foreign.bytes, changed, fork.bytes, Uint8Array.of(1, 1, 1))
      const taken = yield* b.accept(page)
      const wrong = { signature: 1, commitment: 1, tag: 1, fork: 1, size: 1 }
      assert.deepStrictEqual(yield* b.values, ["good"])
      assert.deepStrictEqual(yield* b.aside, wrong)
      assert.strictEqual(taken.events.filter((event) => event._tag === "Quarantined" && !event.waiting).length, 5)
      yield* b.reopen
      yield* Inbox.reconsider(b.journal(), false)
      assert.deepStrictEqual(yield* b.aside, wrong)
    }))

  it.effect("keeps membership operations that come before those they name, across a restart", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("deferred")
      const one = join(crypto, host, "one", ROLE.admin)
      const two = join(crypto, { ...host, state: one.host.state }, "two", ROLE.write)
      const first = hand(crypto, host.state, host.identity)
      const op1 = first.seal({ ops: [control(one.op)] }).bytes
      const other = hand(crypto, one.guest.state, one.guest.identity)
      const three = join(crypto, { identity: one.guest.identity, state: two.host.state }, "three", ROLE.write)
      // An operation by a device that is known only after the first one, naming both before it.
      const op3 = other.seal({ ops: [control(three.op)] }).bytes
      const op2 = first.seal({ ops: [control(two.op)] }).bytes
      yield* b.accept(b.relay.place(op3))
      yield* b.accept(b.relay.place(op1))
      assert.strictEqual(b.journal().books().deferred.length, 1)
      yield* b.reopen
      assert.strictEqual(b.journal().books().deferred.length, 1)
      yield* b.accept(b.relay.place(op2))
      const labels = Membership.members(b.journal().books().state.membership).map(({ label }) => label)
      assert.sameMembers(labels, ["creator", "guest", "one", "two", "three"])
      yield* b.reopen
      assert.strictEqual(b.journal().books().deferred.length, 0)
    }))

  it.effect("is not taken, cursor and all, when more would wait than may", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("full")
      const late = join(crypto, host, "late", ROLE.write)
      const { seal } = hand(crypto, late.guest.state, late.guest.identity)
      const relay = Ledger.RelayNumber.make(1)
      const row = {
        reason: "epoch-unknown" as const,
        relay,
        position: Position.make(1),
        sinceMillis: 0,
        sizeBytes: 1,
        envelope: Uint8Array.of(1)
      }
      const id = (n: number) => EnvelopeId.make(new Uint8Array(32).fill(n & 0xff).fill(n >>> 8, 16))
      yield* b.store.commit(
        Array.from({ length: Limit.quarantineEntriesMax }, (_, n) => Ledger.waiting.put(id(n), row))
      )
      yield* b.reopen
      const refused = yield* Effect.flip(b.accept(b.relay.place(seal().bytes)))
      assert.strictEqual(refused._tag, "QuarantineFull")
      assert.strictEqual([...b.journal().books().bookByHex.values()][0]?.mark.cursor, 0)
    }))

  it.effect("is not taken either when what waits would take more room than it may", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("large")
      const { seal } = hand(crypto, join(crypto, host, "late").guest.state, join(crypto, host, "later").guest.identity)
      const row = {
        reason: "epoch-unknown" as const,
        relay: Ledger.RelayNumber.make(1),
        position: Position.make(1),
        sinceMillis: 0,
        sizeBytes: Limit.quarantineBytesMax,
        envelope: Uint8Array.of(1)
      }
      yield* b.store.commit([Ledger.waiting.put(EnvelopeId.make(new Uint8Array(32)), row)])
      yield* b.reopen
      const refused = yield* Effect.flip(b.accept(b.relay.place(seal().bytes)))
      assert.strictEqual(refused._tag, "QuarantineFull")
    }))

  it.effect("keeps the reason of a large envelope that is refused, and not the envelope", () =>
    Effect.gen(function*() {
      const { bench: b, crypto } = yield* bench("large and wrong")
      const foreign = makeSpace("another space altogether")
      const ops = [put("a", "", crypto.random(40_000))]
      const { bytes } = hand(foreign.crypto, foreign.state, foreign.identity).seal({ ops })
      yield* b.accept(b.relay.place(bytes))
      const [kept] = yield* Reader.quarantine(b.journal())
      assert.deepInclude(kept, { reason: "commitment", sizeBytes: bytes.length, waiting: false })
      const rows = yield* Ledger.refused.scan(b.store, { limit: 10 })
      assert.deepStrictEqual(rows.map(({ row }) => row.envelope.length), [0])
    }))

  it.effect("leaves no value in the open at rest", () =>
    Effect.gen(function*() {
      const { bench: b, crypto, host } = yield* bench("at rest")
      const marker = "this is the value that nobody else may read"
      const label = "the label of a device"
      const late = join(crypto, host, label, ROLE.write)
      const { seal } = hand(crypto, host.state, host.identity)
      yield* b.accept(b.relay.place(
        seal({ ops: [put("collection-name-marker", "key-name-marker", marker)] }).bytes,
        hand(crypto, host.state, host.identity).seal({ ops: [control(late.op)] }).bytes
      ))
      assert.deepStrictEqual(yield* b.values, [marker])
      const rows = yield* b.store.scan({
        from: Uint8Array.of(0),
        to: Uint8Array.of(0xff),
        limit: Number.MAX_SAFE_INTEGER
      })
      const all = rows.map(({ key, value }) => String.fromCharCode(...key, ...value)).join("")
      for (const text of [marker, "collection-name-marker", "key-name-marker", label, "guest"]) {
        assert.isFalse(all.includes(text), text)
      }
    }))
})
