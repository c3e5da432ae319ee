/**
 * A member that does not keep to the protocol: it completes the handshake with its own keys, and then says what it likes.
 * Whatever it does, the other side's connection comes to an end of its type, in bounded time and memory; no wrong entry
 * counts; and an honest sync afterwards finds both the same.
 */
import { assert, layer } from "@effect/vitest"
import * as Channel from "@sotto/core/channel/Channel"
import * as Connection from "@sotto/core/channel/Connection"
import * as Demux from "@sotto/core/channel/Demux"
import type { PeerEnded } from "@sotto/core/log/Peers"
import * as Bytes from "@sotto/schema/Bytes"
import { EntryHash } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type PeerFrame, peerFrameCodec } from "@sotto/schema/Peer"
import { InvalidMessage, toRefusal } from "@sotto/schema/RelayError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { hand } from "../kit/pen.ts"
import { put } from "../kit/seededSpace.ts"
import { push, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

type Role = "initiator" | "responder"

/** A victim and two more members, whom it knows: `evil` speaks by hand, `source` is honest. */
const space = Effect.gen(function*() {
  const world = yield* World.make
  const victim = yield* World.found(world, "victim", [])
  const hosts: Array<World.DeviceHost> = []
  for (const label of ["evil", "source", "third"]) {
    const host = yield* World.admit(world, victim, label)
    yield* host.open
    hosts.push(host)
  }
  const [evil, source, third] = hosts
  if (evil === undefined || source === undefined || third === undefined) return yield* Effect.die("too few")
  for (const host of hosts) yield* sync(host, victim)
  return { world, victim, evil, source, third }
})

/** An honest comparison. */
const sync = Effect.fnUntraced(function*(from: World.DeviceHost, to: World.DeviceHost) {
  const [near, far] = yield* Connection.pair
  yield* Effect.forkScoped(Effect.exit(to.client().peers.speak(far, "responder")))
  return yield* from.client().peers.sync(near)
}, Effect.scoped)

/** Honest syncs bring all to the same values, which are these. */
const agree = Effect.fnUntraced(function*(hosts: ReadonlyArray<World.DeviceHost>, expected: ReadonlyArray<string>) {
  const [first, ...others] = hosts
  if (first === undefined) return
  for (const host of [...others, ...others]) yield* sync(host, first)
  for (const host of hosts) assert.deepStrictEqual(yield* sorted(host.client()), [...expected].sort())
})

/** A line on which frames are said by hand, with the keys of `as`. */
const line = Effect.fnUntraced(function*(as: World.DeviceHost, near: Connection.End, role: Role) {
  const { spaceId } = yield* as.client().state
  const { data, control } = yield* Effect.flatMap(
    Channel.meet(near, { role, identity: as.identity(), context: spaceId }),
    Demux.make
  )
  return {
    say: (...frames: ReadonlyArray<PeerFrame>) =>
      Effect.forEach(frames, (frame) => data.send(peerFrameCodec.encodeAfter(1, frame)), { discard: true }),
    sayBytes: (bytes: Uint8Array) => data.send(Bytes.concat(Uint8Array.of(1), bytes)),
    sayControl: (bytes: Uint8Array) => control.send(Bytes.concat(Uint8Array.of(0), bytes)),
    hear: Effect.map(data.receive, (messages) => messages.map((one) => Result.getOrThrow(peerFrameCodec.decode(one))))
  }
})

const said = (error: PeerEnded): string => `${error._tag}${"reason" in error ? ` ${error.reason}` : ""}`

/** How a session ended. */
const endOf = (exit: Exit.Exit<unknown, PeerEnded>): string =>
  Exit.isSuccess(exit)
    ? "done"
    : Option.match(Cause.findErrorOption(exit.cause), { onNone: () => Cause.pretty(exit.cause), onSome: said })

/** The victim, spoken to by hand: it connected itself, or was connected to. */
const attack = Effect.fnUntraced(function*(
  { evil, victim }: { readonly evil: World.DeviceHost; readonly victim: World.DeviceHost },
  role: Role = "initiator"
) {
  const [near, far] = yield* Connection.pair
  const { peers } = victim.client()
  const speaking = role === "initiator" ? peers.speak(far, "responder") : peers.sync(far)
  const session = yield* Effect.forkScoped(Effect.exit(Effect.asVoid(speaking)))
  const spoken = yield* line(evil, near, role)
  return { ...spoken, near, ended: Effect.map(Fiber.join(session), endOf) }
})

/** Time for everything that ends by itself when nothing comes any more. */
const patience = Effect.gen(function*() {
  yield* World.settle
  for (let i = 0; i < 12; i++) {
    yield* TestClock.adjust(Limit.keepAliveMillis)
    yield* World.settle
  }
})

const NOTHING: Uint8Array = new Uint8Array(0)

layer(World.CryptoLive)("a member that connects, and then", (it) => {
  it.effect("sends garbage, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      yield* push(all.victim.client(), "mine")
      const samples = fc.sample(fc.uint8Array({ maxLength: 200 }), { numRuns: 12, seed: 7 })
      const garbage = samples.filter((bytes) => Result.isFailure(peerFrameCodec.decode(bytes)))
      assert.isAbove(garbage.length, 6)
      for (const bytes of garbage) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { ended, sayBytes } = yield* attack(all)
          yield* sayBytes(bytes)
          assert.strictEqual(yield* ended, "ChannelFailed control")
        }))
      }
      yield* agree([all.victim, all.evil], ["mine"])
    }))

  it.effect("answers what nobody asked, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      const refusal = toRefusal(new InvalidMessage({ detail: "no" }))
      const answers: ReadonlyArray<readonly [PeerFrame, string]> = [
        [{ _tag: "Reconciled", request: 1, message: NOTHING }, "ChannelFailed control"],
        [{ _tag: "Envelopes", request: 1, envelopes: [], more: false }, "ChannelFailed control"],
        [{ _tag: "Envelopes", request: 0, envelopes: [new Uint8Array(300)], more: true }, "ChannelFailed control"],
        [{ _tag: "Taken", request: 1 }, "ChannelFailed control"],
        [{ _tag: "Refused", request: 0, refusal }, "InvalidMessage"],
        [{ _tag: "Refused", request: 9, refusal: { ...refusal, number: 9999 } }, "ChannelFailed control"],
        [{ _tag: "Reconcile", request: 1, keyEpoch: null, message: NOTHING }, "ChannelFailed control"]
      ]
      for (const [frame, expected] of answers) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { ended, say } = yield* attack(all)
          yield* say(frame)
          assert.strictEqual(yield* ended, expected, frame._tag)
        }))
      }
      assert.deepStrictEqual(yield* all.victim.client().quarantine, [])
    }))

  it.effect("asks on and on without reading, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      const { ended, say } = yield* attack(all)
      const asking = yield* Effect.forkScoped(Effect.exit(Effect.forever(say({ _tag: "Ping", request: 1 }))))
      assert.strictEqual(yield* ended, "ChannelFailed control")
      yield* Fiber.interrupt(asking)
    }))

  it.effect("compares with nonsense, is told so and may go on", () =>
    Effect.gen(function*() {
      const all = yield* space
      yield* push(all.victim.client(), "mine")
      const { hear, say } = yield* attack(all)
      const samples = fc.sample(fc.uint8Array({ maxLength: 100 }), { numRuns: 40, seed: 3 })
      for (const message of samples) {
        yield* say({ _tag: "Reconcile", request: 1, keyEpoch: 0xffff_ffff, message })
        const [answer] = yield* hear
        assert.oneOf(answer?._tag, ["Refused", "Reconciled", "Envelopes"])
      }
      assert.lengthOf(yield* all.victim.client().peers.connected, 1)
      yield* agree([all.victim, all.evil], ["mine"])
    }))

  it.effect("floods the plane that is not there, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      const { ended, sayControl } = yield* attack(all)
      const piece = new Uint8Array(60_000)
      yield* Effect.forkScoped(Effect.exit(Effect.forever(sayControl(piece))))
      yield* patience
      assert.strictEqual(yield* ended, "PeerSilent")
    }))

  it.effect("offers forged envelopes, has none of them accepted", () =>
    Effect.gen(function*() {
      const all = yield* space
      const { evil, third, victim, world } = all
      yield* push(victim.client(), "mine")
      yield* push(third.client(), "honest")
      const state = yield* evil.client().state
      const own = hand(world.crypto, state, evil.identity())
      const asThird = hand(world.crypto, state, third.identity())
      const ops = [put("evil", "", "forged")]
      const stranger = yield* World.found(world, "stranger", [])
      const elsewhere = hand(world.crypto, yield* stranger.client().state, stranger.identity())
      const notMember = hand(world.crypto, state, stranger.identity())
      const genuine = own.seal({ ops: [put("good", "", "genuine")], millis: 0 }).bytes
      const forged: Readonly<Record<string, Uint8Array>> = {
        signature: asThird.seal({ ops, millis: 0, signer: evil.identity() }).bytes,
        tag: changed(genuine, genuine.length - 1),
        commitment: elsewhere.seal({ ops, millis: 0 }).bytes,
        "author-unknown": notMember.seal({ ops, millis: 0 }).bytes,
        gap: own.seal({ ops: [put("later", "", "x")], seq: 9, millis: 0 }).bytes,
        clock: own.seal({ ops, seq: 1, prev: EMPTY_HASH, millis: Limit.clockAheadMillisMax * 2 }).bytes,
        flags: new Uint8Array(20).fill(1)
      }
      const { ended, hear, near, say } = yield* attack(all)
      for (const [request, envelope] of Object.values(forged).entries()) {
        yield* say({ _tag: "Offer", request, envelopes: [envelope, envelope] })
        assert.deepStrictEqual(yield* hear, [{ _tag: "Taken", request }])
      }
      // The same again, and what is here already: nothing comes twice.
      yield* say({ _tag: "Offer", request: 99, envelopes: [genuine, ...Object.values(forged), genuine] })
      yield* say({ _tag: "Offer", request: 99, envelopes: [genuine] })
      yield* World.settle
      assert.deepStrictEqual(yield* sorted(victim.client()), ["genuine", "mine"])
      const reasons = (yield* victim.client().quarantine).map(({ reason }) => reason).sort()
      assert.deepStrictEqual(reasons, Object.keys(forged).sort())
      yield* near.close
      assert.strictEqual(yield* ended, "ConnectionClosed")
      // The third one's place is not taken by what was forged in its name.
      yield* agree([victim, third, all.source], ["genuine", "honest", "mine"])
    }))

  it.effect("hangs up after any message, has taken nothing away", () =>
    Effect.gen(function*() {
      const { source, victim } = yield* space
      const values: Array<string> = []
      const write = Effect.fnUntraced(function*(round: number) {
        for (const host of [victim, source]) {
          values.push(`${host.label} ${round}`)
          yield* push(host.client(), `${host.label} ${round}`)
        }
      })
      let cut = 0
      do yield* write(++cut)
      while (!(yield* cutAfter(source, victim, cut)))
      // Four messages of the handshake, and at least a question, an answer, envelopes and an offer.
      assert.isAbove(cut, 8)
      yield* agree([victim, source], values)
      assert.deepStrictEqual(yield* victim.client().quarantine, [])
    }))
})

const EMPTY_HASH = EntryHash.make(new Uint8Array(32))

const changed = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => i === at ? byte ^ 1 : byte)

/** An honest sync over a connection that breaks after so many messages; answers whether it needed no more. */
const cutAfter = Effect.fnUntraced(function*(from: World.DeviceHost, to: World.DeviceHost, count: number) {
  const [near, far] = yield* Connection.pair
  let messages = 0
  const counting = (end: Connection.End): Connection.End => ({
    ...end,
    send: (message) => ++messages <= count ? end.send(message) : Effect.andThen(end.close, end.send(message))
  })
  const answering = yield* Effect.forkScoped(Effect.exit(to.client().peers.speak(counting(far), "responder")))
  const exit = yield* Effect.exit(from.client().peers.sync(counting(near)))
  yield* near.close
  for (const end of [endOf(exit), endOf(yield* Fiber.join(answering))]) {
    assert.oneOf(end, ["done", "ConnectionClosed", "ChannelFailed handshake"])
  }
  return Exit.isSuccess(exit) && messages <= count
}, Effect.scoped)

layer(World.CryptoLive)("a member that is connected to, and", (it) => {
  it.effect("answers pings and nothing else, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      const { ended, hear, say } = yield* attack(all, "responder")
      yield* Effect.forkScoped(Effect.exit(Effect.forever(Effect.flatMap(hear, (frames) =>
        Effect.forEach(
          frames,
          (frame) => frame._tag === "Ping" ? say({ _tag: "Pong", request: frame.request }) : Effect.void
        )))))
      yield* patience
      assert.strictEqual(yield* ended, "PeerSilent")
    }))

  it.effect("never comes to an end with its envelopes, is left", () =>
    Effect.gen(function*() {
      const all = yield* space
      for (const count of [0, 1, 5]) {
        yield* push(all.source.client(), `there ${count}`)
        yield* Effect.scoped(Effect.gen(function*() {
          const ended = yield* between(all, (frame) =>
            frame._tag === "Envelopes"
              ? Array.from({ length: 20 }, () => ({
                ...frame,
                envelopes: Array.from({ length: count }, () => frame.envelopes[0] ?? NOTHING),
                more: true
              }))
              : [frame])
          assert.strictEqual(ended, "ChannelFailed control")
        }))
      }
    }))

  it.effect(
    "alters what it says in any way, anywhere: that ends as it must, and changes nothing",
    () =>
      Effect.gen(function*() {
        const all = yield* space
        const { source, victim } = all
        const values: Array<string> = []
        const seen = new Map<string, number>()
        for (const [kind, alter] of Object.entries(ALTERATIONS)) {
          for (let at = 0; at < 3; at++) {
            for (let i = 0; i < 3; i++) values.push(`${kind} ${at} ${i}`)
            yield* push(source.client(), `${kind} ${at} 0`)
            yield* push(source.client(), `${kind} ${at} 1`)
            yield* push(victim.client(), `${kind} ${at} 2`)
            let number = 0
            const ended = yield* Effect.scoped(between(all, (frame) => number++ === at ? alter(frame, at) : [frame]))
            const key = `${kind}: ${ended}`
            seen.set(key, (seen.get(key) ?? 0) + 1)
            assert.oneOf(ended, [...ENDS], `${kind} at ${at}`)
            const here = yield* sorted(victim.client())
            assert.deepStrictEqual(here.filter((value) => !values.includes(value)), [])
            yield* sync(victim, source)
            for (const host of [victim, source]) {
              assert.deepStrictEqual(yield* sorted(host.client()), [...values].sort())
            }
          }
        }
        // Each kind of end came about: none of them is there by name alone.
        for (const end of ENDS) {
          assert.isTrue(
            [...seen.keys()].some((key) => key.endsWith(`: ${end}`)),
            `${end} in ${[...seen.keys()].join()}`
          )
        }
      }),
    120_000
  )

  it.effect(
    "lies about what it has, at any byte: that ends as it must, and changes nothing",
    () =>
      Effect.gen(function*() {
        const all = yield* space
        const { source, victim } = all
        const values: Array<string> = []
        const ends = new Set<string>()
        for (let round = 0; round < 24; round++) {
          values.push(`source ${round}`, `victim ${round}`)
          yield* push(source.client(), `source ${round}`)
          yield* push(victim.client(), `victim ${round}`)
          const ended = yield* Effect.scoped(between(all, (frame) =>
            frame._tag === "Reconciled"
              ? [{ ...frame, message: changed(frame.message, Math.floor((frame.message.length - 1) * round / 23)) }]
              : [frame]))
          ends.add(ended)
          assert.oneOf(ended, [...LIES])
          yield* sync(victim, source)
          for (const host of [victim, source]) assert.deepStrictEqual(yield* sorted(host.client()), [...values].sort())
        }
        assert.isAbove(ends.size, 1)
      }),
    120_000
  )
})

const ENDS: ReadonlyArray<string> = [
  "done",
  "PeerSilent",
  "ChannelFailed control",
  "InvalidMessage",
  "ReconcileFailed malformed",
  "ReconcileFailed unasked"
]
const LIES: ReadonlyArray<string> = [
  "done",
  "InvalidMessage",
  ...["malformed", "unexpected", "inconsistent", "unasked", "root-mismatch", "other-key", "changing"].map((reason) =>
    `ReconcileFailed ${reason}`
  )
]

type Alter = (frame: PeerFrame, at: number) => ReadonlyArray<PeerFrame>

const ALTERATIONS: Readonly<Record<string, Alter>> = {
  drop: () => [],
  twice: (frame) => [frame, frame],
  renumber: (frame) => [{ ...frame, request: frame.request + 1 }],
  refuse: ({ request }) => [{
    _tag: "Refused",
    request,
    refusal: toRefusal(new InvalidMessage({ detail: "no" }))
  }],
  other: (frame) => [frame._tag === "Taken" ? { ...frame, _tag: "Pong" } : { _tag: "Taken", request: frame.request }],
  cut: (frame) =>
    frame._tag === "Reconciled"
      ? [{ ...frame, message: frame.message.slice(0, -1) }]
      : frame._tag === "Envelopes"
      ? [{ ...frame, envelopes: frame.envelopes.slice(1) }]
      : [frame],
  change: (frame) =>
    frame._tag === "Envelopes"
      ? [{ ...frame, envelopes: frame.envelopes.map((one) => changed(one, one.length - 1)) }]
      : [frame]
}

/**
 * The victim connects to the evil one, who passes on what it says to the honest source, as the third member, and what that
 * one answers as it likes. Answers how it ended for the victim.
 */
const between = Effect.fnUntraced(function*(
  all: Effect.Success<typeof space>,
  alter: (frame: PeerFrame) => ReadonlyArray<PeerFrame>
) {
  const { evil, source, third, victim } = all
  const [near, far] = yield* Connection.pair
  const session = yield* Effect.forkScoped(Effect.exit(victim.client().peers.sync(near)))
  const [there, here] = yield* Connection.pair
  yield* Effect.forkScoped(Effect.exit(source.client().peers.speak(here, "responder")))
  const toVictim = yield* line(evil, far, "responder")
  const toSource = yield* line(third, there, "initiator")
  const pass = (from: typeof toVictim, to: typeof toVictim, change: (frame: PeerFrame) => ReadonlyArray<PeerFrame>) =>
    Effect.forkScoped(Effect.exit(Effect.forever(
      Effect.flatMap(from.hear, (frames) => to.say(...frames.flatMap(change)))
    )))
  yield* pass(toVictim, toSource, (frame) => [frame])
  yield* pass(toSource, toVictim, alter)
  yield* World.settle
  const waiting = yield* Effect.forkScoped(patience)
  const exit = yield* Fiber.join(session)
  yield* Fiber.interrupt(waiting)
  return endOf(exit)
})
