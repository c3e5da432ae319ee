import { assert, describe, it } from "@effect/vitest"
import type { Crypto } from "@sotto/core/Crypto"
import { callRequestCodec, type CallResponse, callResponseCodec } from "@sotto/schema/Call"
import { AckTag, Epoch, MailboxId, Position, RelayKey, RouteId, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as RelayError from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { MixedScheduler } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Control from "../../src/channel/Control.ts"
import * as Demux from "../../src/channel/Demux.ts"
import { CryptoTest, message, open, settle } from "./kit.ts"

const route = RouteId.make(message(32, 1))
const epoch = Epoch.make(3)
const signature = Signature.make(message(64, 2))
const mailbox = MailboxId.make(message(16, 3))
const head = {
  body: {
    relay: RelayKey.make(message(32, 4)),
    route,
    position: Position.make(2 ** 40),
    chain: message(32, 5),
    lowest: Position.make(1),
    millis: 1_700_000_000_000
  },
  signature
}

const unused = () => Effect.die("not called in this test")

const NOTHING: Control.Handlers = {
  About: unused,
  Open: unused,
  Attach: unused,
  Detach: unused,
  SetEpoch: unused,
  Ack: unused,
  Prune: unused,
  MailboxCreate: unused,
  MailboxJoin: unused,
  MailboxSend: unused,
  MailboxReceive: unused,
  MailboxClose: unused
}

const about = { version: 1, millis: 5, admission: "open" as const, software: "test" }
const quick = { About: () => Effect.succeed(about) }

/** A client and a relay over a real channel, each side's planes, and how the relay's side ended. */
const start = Effect.fnUntraced(function*(handlers: Partial<Control.Handlers>) {
  const { client: near, cut, relay: far } = yield* open()
  const nearPlanes = yield* Demux.make(near)
  const farPlanes = yield* Demux.make(far)
  const served = yield* Effect.forkScoped(Effect.exit(Control.serve({ ...NOTHING, ...handlers }, farPlanes.control)))
  const client = yield* Control.makeClient(nearPlanes.control)
  return { client, served, cut, nearPlanes, farPlanes }
})

/** The relay's side alone: what is sent to it is bytes. */
const startRaw = Effect.fnUntraced(function*(handlers: Partial<Control.Handlers>) {
  const { client: near, relay: far } = yield* open()
  const { control } = yield* Demux.make(near)
  const farPlanes = yield* Demux.make(far)
  const served = yield* Effect.forkScoped(
    Effect.flip(Control.serve({ ...NOTHING, ...handlers }, farPlanes.control))
  )
  const answers: Array<CallResponse> = []
  const read = Effect.tap(control.receive, (all) =>
    Effect.sync(() => {
      for (const bytes of all) answers.push(Result.getOrThrow(callResponseCodec.decode(bytes)))
    }))
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(read)))
  const call = (id: number, method: string, payload = new Uint8Array(0)) =>
    Effect.andThen(control.send(callRequestCodec.encodeAfter(1, { _tag: "Call", id, method, payload })), settle)
  return { control, served, farPlanes, answers, call }
})

const ack = (client: Control.RelayClient, handle: number) =>
  client.Ack({ handle, tag: AckTag.make(message(16, 1)), position: Position.make(1) })

const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Crypto>) =>
  effect.pipe(Effect.provide(CryptoTest), Effect.scoped)

describe("calls", () => {
  it.effect("answer with what the handler gave, bytes as bytes", () =>
    run(Effect.gen(function*() {
      const seen: Array<unknown> = []
      const attached = {
        handle: 7,
        head,
        retention: { _tag: "Transit" as const, ttl: { _tag: "Millis" as const, millis: 9 } },
        epoch,
        limits: {
          envelopeBytesMax: 1,
          pageEnvelopesMax: 2,
          pageBytesMax: 3,
          quotaBytes: Number.MAX_SAFE_INTEGER,
          usedBytes: 5,
          pushEnvelopesMax: 6
        }
      }
      const { client } = yield* start({
        ...quick,
        Attach: (payload) => Effect.sync(() => seen.push(payload)).pipe(Effect.as(attached)),
        Detach: (payload) => Effect.sync(() => void seen.push(payload)),
        MailboxReceive: () => Effect.succeed({ messages: [message(5, 1), message(2000, 2)] })
      })
      assert.deepStrictEqual(yield* client.About(), about)
      const proofs = [{ capability: "read" as const, signature }, { capability: "write" as const, signature }]
      assert.deepStrictEqual(yield* client.Attach({ route, epoch, proofs }), attached)
      assert.isUndefined(yield* client.Detach({ handle: 7 }))
      assert.deepStrictEqual(seen, [{ route, epoch, proofs }, { handle: 7 }])
      const { messages } = yield* client.MailboxReceive({ id: mailbox, after: 0, waitMillis: 0 })
      assert.deepStrictEqual(messages, [message(5, 1), message(2000, 2)])
    })))

  it.effect("fail with every refusal there is, as an instance of its class", () =>
    run(Effect.gen(function*() {
      const errors = [
        new RelayError.InvalidMessage({ detail: "d" }),
        new RelayError.UnknownRoute({}),
        new RelayError.Unauthorized({ detail: "who" }),
        new RelayError.DeviceRevoked({}),
        new RelayError.NotOwner({ detail: "no" }),
        new RelayError.RateLimited({ scope: "push", retryAfterMillis: 5 }),
        new RelayError.EnvelopeTooLarge({ sizeBytes: 2, maxBytes: 1 }),
        new RelayError.QuotaExceeded({ usedBytes: 2, quotaBytes: 1 }),
        new RelayError.InvalidWakeEndpoint({ detail: "x" }),
        new RelayError.MailboxUnavailable({ reason: "crowded" }),
        new RelayError.Overloaded({ retryAfterMillis: 7 }),
        new RelayError.ShuttingDown({ retryAfterMillis: 8 }),
        new RelayError.Standby({ retryAfterMillis: 9 })
      ]
      assert.strictEqual(new Set(errors.map(({ number }) => number)).size, RelayError.REFUSALS.length)
      let next = 0
      const { client } = yield* start({ Ack: () => Effect.suspend(() => Effect.fail(errors[next] ?? assert.fail())) })
      for (const error of errors) {
        const got = yield* Effect.flip(
          client.Ack({ handle: 1, tag: AckTag.make(message(16, 1)), position: Position.make(1) })
        )
        assert.strictEqual(got.constructor, error.constructor)
        assert.deepStrictEqual(Object.entries(got), Object.entries(error))
        assert.strictEqual(got.message, error.message)
        next++
      }
    })))

  it.effect("many at once find their own answers, in whatever order they come", () =>
    run(Effect.gen(function*() {
      const waiting: Array<() => void> = []
      const { client } = yield* start({
        Ack: ({ handle }) =>
          Effect.callback<Position>((resume) => {
            waiting.push(() => resume(Effect.succeed(Position.make(handle * 2))))
          })
      })
      const all = yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: 50 }, (_, index) => index), (handle) => ack(client, handle), {
          concurrency: "unbounded"
        })
      )
      yield* settle
      assert.strictEqual(waiting.length, 50)
      for (const release of waiting.reverse()) release()
      assert.deepStrictEqual<ReadonlyArray<number>>(
        yield* Fiber.join(all),
        Array.from({ length: 50 }, (_, index) => index * 2)
      )
    })))

  it.effect("a long poll holds no quick call back, and is cancelled at the relay when it is interrupted", () =>
    run(Effect.gen(function*() {
      let ended = 0
      const { client } = yield* start({
        ...quick,
        MailboxReceive: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended++))
      })
      // More than may be open at once: each must really leave.
      for (let i = 0; i < Limit.controlCallsMax + 10; i++) {
        const poll = yield* Effect.forkScoped(client.MailboxReceive({ id: mailbox, after: 0, waitMillis: 60_000 }))
        yield* settle
        assert.deepStrictEqual(yield* client.About(), about)
        yield* Fiber.interrupt(poll)
        yield* settle
        assert.strictEqual(ended, i + 1)
      }
    })))

  it.effect("above those that may be open are refused, and the others go on", () =>
    run(Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { client } = yield* start({ ...quick, Detach: () => Deferred.await(gate) })
      const waiting = yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: Limit.controlCallsMax }), () => client.Detach({ handle: 1 }), {
          concurrency: "unbounded"
        })
      )
      yield* settle
      const refused = yield* Effect.flip(client.About())
      assert.instanceOf(refused, RelayError.RateLimited)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(yield* client.About(), about)
    })))

  it.effect("a relay that fails inside fails that call alone, and tells nothing of why", () =>
    run(Effect.gen(function*() {
      const { client } = yield* start({
        ...quick,
        Detach: () => Effect.die(new Error("a secret of the relay")),
        MailboxClose: () => Effect.interrupt,
        MailboxReceive: () => Effect.succeed({ messages: [message(Limit.mailboxBytesMax + 1, 0)] })
      })
      const failures = [
        yield* Effect.flip(client.Detach({ handle: 1 })),
        yield* Effect.flip(client.MailboxClose({ id: mailbox })),
        yield* Effect.flip(client.MailboxReceive({ id: mailbox, after: 0, waitMillis: 0 }))
      ]
      for (const failure of failures) {
        assert.strictEqual(failure._tag, "CallFailed")
        assert.notInclude(failure.message, "secret")
      }
      assert.deepStrictEqual(yield* client.About(), about)
    })))

  it("run without a promise, a timer or a turn of the event loop", () => {
    const tasks: Array<() => void> = []
    const scheduler = new MixedScheduler("sync", (task) => {
      tasks.push(task)
      return () => {}
    })
    const program = run(Effect.gen(function*() {
      const { client } = yield* start(quick)
      return yield* client.About()
    }))
    const fiber = Effect.runFork(program, { scheduler })
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
    assert.deepStrictEqual(fiber.pollUnsafe(), Exit.succeed(about))
  })

  it.effect("are numbered 1, 2, 3 on each connection", () =>
    run(Effect.gen(function*() {
      for (let connection = 0; connection < 2; connection++) {
        const sent: Array<Uint8Array> = []
        const plane: Demux.Plane = {
          send: (bytes) => Effect.sync(() => void sent.push(bytes.subarray(1))),
          sendAll: (all) => Effect.sync(() => void sent.push(...all)),
          receive: Effect.never,
          fail: () => Effect.void
        }
        const client = yield* Control.makeClient(plane)
        for (let i = 0; i < 3; i++) yield* Effect.forkScoped(Effect.exit(client.About()))
        yield* settle
        const requests = sent.map((bytes) => Result.getOrThrow(callRequestCodec.decode(bytes)))
        assert.deepStrictEqual(requests.map(({ id }) => id), [1, 2, 3])
      }
    })))
})

describe("the end of the channel", () => {
  const patient = (ended: { count: number }) => ({
    ...quick,
    MailboxReceive: () => Effect.onExit(Effect.never, () => Effect.sync(() => ended.count++))
  })
  const poll = (client: Control.RelayClient) => client.MailboxReceive({ id: mailbox, after: 0, waitMillis: 60_000 })

  it.effect("fails open calls and later ones, and ends the handlers", () =>
    run(Effect.gen(function*() {
      const ended = { count: 0 }
      const { client, cut, served } = yield* start(patient(ended))
      const open = yield* Effect.forkScoped(Effect.all([Effect.flip(poll(client)), Effect.flip(poll(client))], {
        concurrency: 2
      }))
      yield* settle
      yield* cut
      for (const failure of yield* Fiber.join(open)) assert.deepInclude(failure, { _tag: "ConnectionClosed" })
      assert.deepInclude(yield* Effect.flip(client.About()), { _tag: "ConnectionClosed" })
      assert.isTrue(Exit.isFailure(yield* Fiber.join(served)))
      assert.strictEqual(ended.count, 2)
    })))

  it.effect("that this side made tells who waits, instead of interrupting them", () =>
    run(Effect.gen(function*() {
      const { client: near, relay: far } = yield* open()
      const ended = { count: 0 }
      const farPlanes = yield* Demux.make(far)
      yield* Effect.forkScoped(Effect.exit(Control.serve({ ...NOTHING, ...patient(ended) }, farPlanes.control)))
      const scope = yield* Scope.make()
      const client = yield* Demux.make(near).pipe(
        Effect.flatMap(({ control }) => Control.makeClient(control)),
        Scope.provide(scope)
      )
      const waiting = yield* Effect.forkScoped(Effect.flip(poll(client)))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "ConnectionClosed", clean: true })
    })))

  it.effect("ends handlers even when nobody takes their answers", () =>
    run(Effect.gen(function*() {
      const ended = { count: 0 }
      const requests = [callRequestCodec.encode({ _tag: "Call", id: 1, method: "About", payload: new Uint8Array(0) })]
      const stuck: Demux.Plane = {
        send: () => Effect.never,
        sendAll: () => Effect.never,
        receive: Effect.suspend(() => {
          const [next] = requests.splice(0)
          return next === undefined ? Effect.never : Effect.succeed([next] as const)
        }),
        fail: () => Effect.void
      }
      const handlers = {
        ...NOTHING,
        About: () => Effect.ensuring(Effect.succeed(about), Effect.sync(() => ended.count++))
      }
      const serving = yield* Effect.forkScoped(Control.serve(handlers, stuck))
      yield* settle
      yield* Fiber.interrupt(serving)
      assert.strictEqual(ended.count, 1)
    })))
})

describe("bytes that are no message", () => {
  const NONSENSE = {
    empty: new Uint8Array(0),
    "not MessagePack": Uint8Array.of(0xc1),
    "an unknown kind": Uint8Array.of(0x92, 9, 1),
    "a number that is not in its shortest form": Uint8Array.of(0x92, 2, 0xcc, 1)
  }
  const framed = (bytes: Uint8Array): Uint8Array => {
    const whole = new Uint8Array(bytes.length + 1)
    whole.set(bytes, 1)
    return whole
  }

  for (const [name, bytes] of Object.entries(NONSENSE)) {
    it.effect(`${name}: end the relay's side, typed`, () =>
      run(Effect.gen(function*() {
        const { control, farPlanes, served } = yield* startRaw(quick)
        yield* control.send(framed(bytes))
        const failure = yield* Fiber.join(served)
        assert.deepInclude(failure, { _tag: "ChannelFailed", reason: "control" })
        assert.deepStrictEqual(yield* Effect.flip(farPlanes.data.receive), failure)
      })))

    it.effect(`${name}: fail the client's calls, typed`, () =>
      run(Effect.gen(function*() {
        const { client: near, relay: far } = yield* open()
        const nearPlanes = yield* Demux.make(near)
        const { control } = yield* Demux.make(far)
        const client = yield* Control.makeClient(nearPlanes.control)
        const waiting = yield* Effect.forkScoped(Effect.flip(client.About()))
        yield* settle
        yield* control.send(framed(bytes))
        const failure = yield* Fiber.join(waiting)
        assert.deepInclude(failure, { _tag: "ChannelFailed", reason: "control" })
        assert.deepInclude(yield* Effect.flip(client.About()), { reason: "control" })
        assert.deepInclude(yield* Effect.flip(nearPlanes.data.receive), { reason: "control" })
      })))
  }

  it.effect("a value that is not the call's, or a refusal that is none, ends the client's side", () =>
    run(Effect.gen(function*() {
      const wrong: ReadonlyArray<CallResponse> = [
        { _tag: "Answer", id: 1, value: Uint8Array.of(0xc0) },
        { _tag: "Refused", id: 1, refusal: { number: 1234, detail: "", a: 0, b: 0 } }
      ]
      for (const response of wrong) {
        const { client: near, relay: far } = yield* open()
        const nearPlanes = yield* Demux.make(near)
        const { control } = yield* Demux.make(far)
        const client = yield* Control.makeClient(nearPlanes.control)
        const waiting = yield* Effect.forkScoped(Effect.flip(client.About()))
        yield* settle
        yield* control.send(callResponseCodec.encodeAfter(1, response))
        assert.deepInclude(yield* Fiber.join(waiting), { reason: "control" })
      }
    })))

  it.effect("a payload that is not the call's, and a call of no known name, are refused and no more", () =>
    run(Effect.gen(function*() {
      const { answers, call } = yield* startRaw(quick)
      yield* call(1, "Detach", Uint8Array.of(0xc0))
      yield* call(2, "About", Uint8Array.of(1))
      yield* call(3, "Nonsense")
      yield* call(4, "About")
      assert.deepStrictEqual(answers.map(({ _tag, id }) => [_tag, id]), [
        ["Refused", 1],
        ["Refused", 2],
        ["Refused", 3],
        ["Answer", 4]
      ])
      for (const answer of answers.slice(0, 3)) {
        assert.strictEqual(answer._tag === "Refused" ? answer.refusal.number : 0, 1000)
      }
    })))

  it.effect("a number that stands for two open calls ends the relay's side", () =>
    run(Effect.gen(function*() {
      const { call, served } = yield* startRaw({ Detach: () => Effect.never })
      const payload = Uint8Array.of(0x91, 1)
      yield* call(1, "Detach", payload)
      yield* call(1, "Detach", payload)
      assert.deepInclude(yield* Fiber.join(served), { reason: "control" })
    })))

  it.effect("a cancelled call gets no answer, and to cancel what is not open means nothing", () =>
    run(Effect.gen(function*() {
      const { answers, call, control } = yield* startRaw({ ...quick, Detach: () => Effect.never })
      yield* call(1, "Detach", Uint8Array.of(0x91, 1))
      for (const id of [1, 1, 99]) yield* control.send(callRequestCodec.encodeAfter(1, { _tag: "Cancel", id }))
      yield* call(1, "About")
      assert.deepStrictEqual(answers.map(({ _tag, id }) => [_tag, id]), [["Answer", 1]])
    })))

  it.effect("a message above the limit ends either side before it is read", () =>
    run(Effect.gen(function*() {
      const { control, served } = yield* startRaw(quick)
      yield* control.send(new Uint8Array(Limit.controlBytesMax + 2))
      assert.deepInclude(yield* Fiber.join(served), { _tag: "ChannelFailed", reason: "oversized" })
    })))
})
