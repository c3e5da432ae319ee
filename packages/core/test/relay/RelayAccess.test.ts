/** Who may do what at a relay, and what an epoch's end means (protocol.md §6, §9). */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import { Epoch, Signature } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import {
  InvalidMessage,
  NotOwner,
  RateLimited,
  type RelayError,
  Unauthorized,
  UnknownRoute
} from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import * as Kit from "../kit/relayKit.ts"

const start = Effect.fnUntraced(function*(options?: Parameters<typeof Kit.makeRelay>[0]) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay(options)
  const route = Kit.route(crypto)
  const [one, two, three] = [Kit.epochKeys(crypto, 1), Kit.epochKeys(crypto, 2), Kit.epochKeys(crypto, 3)]
  const owner = yield* Kit.member(relay, route, one)
  return { crypto, relay, store, route, one, two, three, owner, hash: () => crypto.random(32) }
})

const unauthorized = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), (error) => {
    assert.instanceOf(error, Unauthorized)
    return error.detail
  })

layer(Kit.CryptoLive)("access to a relay", (it) => {
  it.effect("opening needs the admin key's proof over this channel, and is done once", () =>
    Effect.gen(function*() {
      const { crypto, one, owner, relay, route, two } = yield* start()
      const client = yield* Kit.connect(relay)
      assert.strictEqual((yield* Kit.open(client, route, one)).body.position, 0)
      assert.instanceOf(yield* Effect.flip(Kit.open(client, route, two)), NotOwner)
      const other = Kit.route(crypto)
      const wrong = { ...two, pairs: { ...two.pairs, admin: one.pairs.admin } }
      assert.match(yield* unauthorized(Kit.open(client, other, wrong)), /admin/)
      const opened = { route: other, epoch: two.epoch, keys: two.keys }
      const elsewhere = crypto.signature.sign(
        two.pairs.admin.secretKey,
        Proof.open({ ...opened, handshakeHash: owner.client.handshakeHash })
      )
      yield* unauthorized(
        client.calls.Open({ ...opened, retention: Kit.TRANSIT, token: null, proof: Signature.make(elsewhere) })
      )
      yield* Kit.open(client, other, two)
    }))

  it.effect("a relay that takes new routes by token or not at all still serves those it has", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const keys = Kit.epochKeys(crypto)
      const byToken = yield* Kit.makeRelay({
        settings: { admission: { _tag: "token", tokens: [Redacted.make("one"), Redacted.make("two")] } }
      })
      const client = yield* Kit.connect(byToken.relay)
      const route = Kit.route(crypto)
      for (const token of [null, "", "three", "one "]) {
        assert.match(yield* unauthorized(Kit.open(client, route, keys, { token })), /token/)
      }
      yield* Kit.open(client, route, keys, { token: "two" })
      yield* Kit.open(client, route, keys, { token: null })
      assert.strictEqual((yield* client.calls.About()).admission, "token")

      const closed = yield* Kit.makeRelay({ settings: { admission: { _tag: "closed" }, software: "relay 1.2" } })
      const guest = yield* Kit.connect(closed.relay)
      assert.match(yield* unauthorized(Kit.open(guest, route, keys)), /no new/)
      assert.deepStrictEqual(yield* guest.calls.About(), {
        version: 1,
        millis: 0,
        admission: "closed",
        software: "relay 1.2"
      })
    }))

  it.effect("a retention that the relay does not grant is refused, one that is too long is cut", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const keys = Kit.epochKeys(crypto)
      const { relay } = yield* Kit.makeRelay({
        settings: { retention: { kinds: ["Transit"], defaultMillis: 1000, millisMax: 5000 } }
      })
      const client = yield* Kit.connect(relay)
      assert.match(
        yield* unauthorized(Kit.open(client, Kit.route(crypto), keys, { retention: { _tag: "Vault" } })),
        /Vault/
      )
      const { attached } = yield* Kit.member(relay, Kit.route(crypto), keys, {
        retention: { _tag: "Transit", ttl: { _tag: "Never" } }
      })
      assert.deepStrictEqual(attached.retention, { _tag: "Transit", ttl: { _tag: "Millis", millis: 5000 } })
    }))

  it.effect("a stolen route id is of no use, nor is a proof from another connection, epoch, route or capability", () =>
    Effect.gen(function*() {
      const { crypto, one, owner, relay, route, two } = yield* start()
      const thief = yield* Kit.connect(relay)
      assert.instanceOf(yield* Effect.flip(Kit.attach(thief, Kit.route(crypto), one)), UnknownRoute)
      assert.match(yield* unauthorized(Kit.attach(thief, route, { ...two, epoch: one.epoch })), /read/)
      assert.match(yield* unauthorized(Kit.attach(thief, route, one, [])), /no capability/)
      const proof = (over: Partial<Parameters<typeof Proof.attach>[0]>) =>
        Signature.make(crypto.signature.sign(
          one.pairs.read.secretKey,
          Proof.attach({ handshakeHash: thief.handshakeHash, route, epoch: one.epoch, capability: "read", ...over })
        ))
      const wrong = [
        proof({ handshakeHash: owner.client.handshakeHash }),
        proof({ route: Kit.route(crypto) }),
        proof({ epoch: Epoch.make(2) }),
        proof({ capability: "write" })
      ]
      for (const signature of wrong) {
        yield* unauthorized(
          thief.calls.Attach({ route, epoch: one.epoch, proofs: [{ capability: "read", signature }] })
        )
      }
      const claimed = { capability: "write" as const, signature: proof({ capability: "write" }) }
      yield* unauthorized(thief.calls.Attach({ route, epoch: one.epoch, proofs: [claimed] }))
      const right = [{ capability: "read" as const, signature: proof({}) }]
      assert.strictEqual((yield* thief.calls.Attach({ route, epoch: one.epoch, proofs: right })).epoch, 1)
    }))

  it.effect("a connection that shows ten wrong proofs is put out", () =>
    Effect.gen(function*() {
      const { relay, route, two } = yield* start()
      const thief = yield* Kit.connect(relay)
      for (let i = 0; i < 10; i++) {
        yield* Effect.ignore(Kit.attach(thief, route, { ...two, epoch: Epoch.make(1) }, ["read"]))
      }
      yield* thief.ended
      assert.instanceOf(yield* thief.refused, Unauthorized)
    }))

  it.effect("a handle may do what was proved for it, and nothing else", () =>
    Effect.gen(function*() {
      const { crypto, one, relay, route } = yield* start()
      const reader = yield* Kit.connect(relay)
      const read = yield* Kit.attach(reader, route, one, ["read"])
      yield* reader.send({ _tag: "Push", handle: read.handle, request: 3, envelopes: [Kit.envelope(crypto)] })
      assert.instanceOf(yield* reader.refused, Unauthorized)
      yield* reader.send({ _tag: "Publish", handle: read.handle, envelope: Kit.envelope(crypto, { kind: 3 }) })
      assert.instanceOf(yield* reader.refused, Unauthorized)
      yield* unauthorized(reader.calls.Prune({ handle: read.handle, ids: [] }))
      const writer = yield* Kit.connect(relay)
      const write = yield* Kit.attach(writer, route, one, ["write"])
      yield* Kit.subscribe(writer, write.handle)
      assert.instanceOf(yield* writer.refused, Unauthorized)
      yield* writer.send({ _tag: "Pull", handle: write.handle, request: 1, after: Kit.position(0), limit: 5 })
      assert.instanceOf(yield* writer.refused, Unauthorized)
      yield* unauthorized(writer.calls.Ack({ handle: write.handle, tag: Kit.tag(crypto), position: Kit.position(1) }))
      yield* Kit.push(writer, write.handle, [Kit.envelope(crypto)])
    }))

  it.effect("attaching again replaces the handle; a late frame for a handle that is gone is refused, not fatal", () =>
    Effect.gen(function*() {
      const { crypto, one, owner: { client, handle }, relay, route } = yield* start()
      const again = yield* Kit.attach(client, route, one)
      assert.notStrictEqual(again.handle, handle)
      yield* client.send({ _tag: "Push", handle, request: 5, envelopes: [Kit.envelope(crypto)] })
      assert.match(yield* unauthorized(Effect.flip(client.refused)), /let go/)
      yield* client.calls.Detach({ handle: again.handle })
      yield* client.send({ _tag: "Credit", handle: again.handle, bytes: 5 }, { _tag: "Ping", request: 6 })
      assert.strictEqual((yield* client.take("Pong")).request, 6)
      assert.deepInclude(yield* relay.stats, { connections: 1, routes: 0, handles: 0 })
    }))

  it.effect("a handle that was never given out ends the connection", () =>
    Effect.gen(function*() {
      const { owner: { client, handle } } = yield* start()
      yield* client.send({ _tag: "Credit", handle: handle + 1, bytes: 5 })
      yield* client.ended
      assert.instanceOf(yield* client.refused, InvalidMessage)
    }))
})

layer(Kit.CryptoLive)("an epoch's end", (it) => {
  it.effect("moves everybody: what was there is read, then EpochChanged; nothing is written any more", () =>
    Effect.gen(function*() {
      const { crypto, hash, one, owner, relay, route, two } = yield* start()
      const reader = yield* Kit.connect(relay)
      const { handle } = yield* Kit.attach(reader, route, one)
      yield* Kit.subscribe(reader, handle)
      yield* reader.take("Deliver")
      const before = Kit.envelope(crypto), after = Kit.envelope(crypto, { epoch: 2 })
      yield* Kit.push(owner.client, owner.handle, [before])
      const opHash = hash()
      const head = yield* Kit.setEpoch(owner.client, route, { before: one, after: two, opHash })
      assert.strictEqual(head.body.position, 1)
      assert.strictEqual((yield* owner.client.take("EpochChanged")).epoch, 2)
      assert.strictEqual((yield* Kit.receive(reader, 1)).length, 1)
      assert.deepInclude(yield* reader.take("EpochChanged"), { handle, epoch: 2 })
      for (const [client, number] of [[owner.client, owner.handle], [reader, handle]] as const) {
        yield* client.send({ _tag: "Push", handle: number, request: 1, envelopes: [Kit.envelope(crypto)] })
        assert.match(yield* unauthorized(Effect.flip(client.refused)), /over/)
        yield* client.send({ _tag: "Publish", handle: number, envelope: Kit.envelope(crypto, { kind: 3 }) })
        assert.match(yield* unauthorized(Effect.flip(client.refused)), /over/)
        yield* unauthorized(client.calls.Prune({ handle: number, ids: [] }))
      }
      const renewed = yield* Kit.attach(owner.client, route, two)
      assert.strictEqual(renewed.epoch, 2)
      const { positions } = yield* Kit.push(owner.client, renewed.handle, [after])
      assert.deepStrictEqual(positions.map(Number), [2])
      yield* Kit.settle
      assert.deepStrictEqual(reader.frames, [])
    }))

  it.effect("shows nothing of what came after to a reader whose page is on its way when the epoch ends", () =>
    Effect.gen(function*() {
      const opened = yield* Deferred.make<void>()
      let isHeld = false
      const { crypto, hash, one, owner, relay, route, two } = yield* start({
        store: (store) => ({
          ...store,
          read: (page) =>
            Effect.andThen(Effect.suspend(() => isHeld ? Deferred.await(opened) : Effect.void), store.read(page))
        })
      })
      yield* Kit.push(owner.client, owner.handle, [Kit.envelope(crypto)])
      yield* Kit.settle
      isHeld = true
      const reader = yield* Kit.connect(relay)
      const { handle } = yield* Kit.attach(reader, route, one)
      yield* Kit.subscribe(reader, handle)
      yield* Kit.settle
      yield* Kit.setEpoch(owner.client, route, { before: one, after: two, opHash: hash() })
      const renewed = yield* Kit.attach(owner.client, route, two)
      const after = Kit.envelope(crypto, { epoch: 2 })
      yield* owner.client.send({ _tag: "Push", handle: renewed.handle, request: 1, envelopes: [after] })
      yield* Kit.settle
      yield* Deferred.succeed(opened, undefined)
      assert.deepStrictEqual((yield* owner.client.take("Pushed")).positions.map(Number), [2])
      assert.deepStrictEqual((yield* Kit.receive(reader, 1)).map(({ position }) => Number(position)), [1])
      assert.strictEqual((yield* reader.take("EpochChanged")).epoch, 2)
      yield* Kit.settle
      assert.deepStrictEqual(reader.frames, [])
    }))

  it.effect("a device that was away reads the ended epoch to its end, and learns nothing of what came after", () =>
    Effect.gen(function*() {
      const { crypto, hash, one, owner, relay, route, two, three } = yield* start()
      const rekey = Kit.envelope(crypto, { kind: 2 })
      yield* Kit.push(owner.client, owner.handle, [Kit.envelope(crypto), rekey])
      const [first, second] = [hash(), hash()]
      yield* Kit.setEpoch(owner.client, route, { before: one, after: two, opHash: first })
      const renewed = yield* Kit.attach(owner.client, route, two)
      yield* Kit.push(owner.client, renewed.handle, [Kit.envelope(crypto, { epoch: 2 })])
      yield* Kit.setEpoch(owner.client, route, { before: two, after: three, opHash: second, previousOpHash: first })

      const away = yield* Kit.connect(relay)
      assert.match(yield* unauthorized(Kit.attach(away, route, one, ["write"])), /no capability/)
      const attached = yield* Kit.attach(away, route, one)
      assert.deepStrictEqual([Number(attached.epoch), Number(attached.head.body.position), attached.limits.usedBytes], [
        3,
        2,
        0
      ])
      yield* Kit.subscribe(away, attached.handle, { after: 0 })
      const placed = yield* Kit.receive(away, 2)
      assert.deepStrictEqual([placed.length, placed[1]?.envelope], [2, rekey])
      assert.strictEqual((yield* away.take("EpochChanged")).epoch, 3)
      yield* away.send({ _tag: "Pull", handle: attached.handle, request: 2, after: Kit.position(1), limit: 10 })
      const page = yield* away.take("Page")
      assert.deepStrictEqual([page.placed.map(({ position }) => Number(position)), page.more], [[2], false])
      assert.deepStrictEqual(page.head, attached.head)
      assert.strictEqual(
        yield* away.calls.Ack({ handle: attached.handle, tag: Kit.tag(crypto), position: Kit.position(99) }),
        2
      )
      yield* away.send({ _tag: "Push", handle: attached.handle, request: 1, envelopes: [Kit.envelope(crypto)] })
      assert.match(yield* unauthorized(Effect.flip(away.refused)), /over/)

      const next = yield* Kit.attach(away, route, two)
      yield* Kit.subscribe(away, next.handle, { after: 2 })
      assert.deepStrictEqual((yield* Kit.receive(away, 1)).map(({ position }) => Number(position)), [3])
      yield* away.take("EpochChanged")
      assert.strictEqual((yield* Kit.attach(away, route, three)).epoch, 3)
    }))

  it.effect("shows its last head also when the relay has let go of what followed", () =>
    Effect.gen(function*() {
      const { crypto, hash, one, owner: { client, handle }, relay, route, two } = yield* start()
      yield* Kit.push(client, handle, [Kit.envelope(crypto)])
      yield* Kit.setEpoch(client, route, { before: one, after: two, opHash: hash() })
      const renewed = yield* Kit.attach(client, route, two)
      yield* Kit.push(client, renewed.handle, [1, 2, 3].map(() => Kit.envelope(crypto)))
      yield* client.calls.Ack({ handle: renewed.handle, tag: Kit.tag(crypto), position: Kit.position(3) })
      yield* relay.sweep
      assert.strictEqual((yield* Kit.attach(client, route, two)).head.body.lowest, 4)
      const { body } = (yield* Kit.attach(yield* Kit.connect(relay), route, one)).head
      assert.deepStrictEqual([Number(body.position), Number(body.lowest)], [1, 2])
    }))

  it.effect("is not undone by somebody who read the route before it", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(false)
      let held = false
      const { crypto, hash, one, owner, relay, route, two } = yield* start({
        store: (store) => ({
          ...store,
          route: (id) =>
            Effect.suspend(() => {
              const late = held
              held = false
              return Effect.flatMap(store.route(id), (state) =>
                late ? Effect.as(gate.await, state) : Effect.succeed(state))
            })
        })
      })
      const slow = yield* Kit.connect(relay)
      held = true
      const attaching = yield* Effect.forkChild(Kit.attach(slow, route, one), { startImmediately: true })
      yield* Kit.settle
      yield* Kit.setEpoch(owner.client, route, { before: one, after: two, opHash: hash() })
      yield* gate.open
      const attached = yield* Fiber.join(attaching)
      assert.strictEqual(attached.epoch, 2)
      yield* slow.send({ _tag: "Push", handle: attached.handle, request: 1, envelopes: [Kit.envelope(crypto)] })
      assert.match(yield* unauthorized(Effect.flip(slow.refused)), /over/)
      const renewed = yield* Kit.attach(owner.client, route, two)
      yield* Kit.push(owner.client, renewed.handle, [Kit.envelope(crypto, { epoch: 2 })])
    }))

  it.effect("needs the admin key of the epoch before, the next number, and what came before it", () =>
    Effect.gen(function*() {
      const { hash, one, owner: { client }, route, three, two } = yield* start()
      const opHash = hash()
      const refused = (change: Partial<Parameters<typeof Kit.setEpoch>[2]>) =>
        Effect.map(
          Effect.flip(Kit.setEpoch(client, route, { before: one, after: two, opHash, ...change })),
          (error) => assert.instanceOf(error, NotOwner)
        )
      yield* refused({ signer: one.pairs.write })
      yield* refused({ signer: two.pairs.admin })
      yield* refused({ by: "recovery", signer: one.pairs.admin })
      yield* refused({ after: three })
      yield* refused({ previousOpHash: hash() })
      yield* Kit.setEpoch(client, route, { before: one, after: two, opHash })
      yield* refused({ after: { ...three, epoch: two.epoch }, signer: one.pairs.admin })
      yield* refused({ before: two, after: three, previousOpHash: hash() })
      // Its answer may have been lost: the same change again is no error.
      assert.strictEqual((yield* Kit.setEpoch(client, route, { before: one, after: two, opHash })).body.position, 0)
    }))

  it.effect("of two admins one wins; the recovery key wins over both", () =>
    Effect.gen(function*() {
      const { crypto, hash, one, owner, relay, route, two } = yield* start()
      const other = yield* Kit.connect(relay)
      const rival = Kit.epochKeys(crypto, 2)
      const both = yield* Effect.all([
        Effect.exit(Kit.setEpoch(owner.client, route, { before: one, after: two, opHash: hash() })),
        Effect.exit(Kit.setEpoch(other, route, { before: one, after: rival, opHash: hash() }))
      ], { concurrency: 2 })
      assert.strictEqual(both.filter(({ _tag }) => _tag === "Success").length, 1)
      const winner = both[0]._tag === "Success" ? two : rival
      const rescued = Kit.epochKeys(crypto, 2)
      yield* Kit.setEpoch(other, route, { before: winner, after: rescued, opHash: hash(), by: "recovery" })
      yield* unauthorized(Kit.attach(owner.client, route, winner))
      const { handle } = yield* Kit.attach(owner.client, route, rescued)
      yield* Kit.push(owner.client, handle, [Kit.envelope(crypto, { epoch: 2 })])
    }))

  it.effect("envelopes of earlier epochs are still taken from who is in the current one, later ones are not", () =>
    Effect.gen(function*() {
      const { crypto, hash, one, owner: { client }, route, two } = yield* start()
      const sent = Kit.envelope(crypto)
      yield* Kit.setEpoch(client, route, { before: one, after: two, opHash: hash() })
      const { handle } = yield* Kit.attach(client, route, two)
      const { positions } = yield* Kit.push(client, handle, [sent])
      assert.deepStrictEqual(positions.map(Number), [1])
      yield* client.send({ _tag: "Push", handle, request: 1, envelopes: [sent, Kit.envelope(crypto, { epoch: 3 })] })
      assert.match(yield* unauthorized(Effect.flip(client.refused)), /epoch/)
    }))

  it.effect("a connection has its own calls and their number is limited", () =>
    Effect.gen(function*() {
      const { one, relay, route } = yield* start({ settings: { limits: { messagesBurst: 5 } } })
      const client = yield* Kit.connect(relay)
      const errors: Array<RelayError["_tag"]> = []
      for (let i = 0; i < 7; i++) {
        const exit = yield* Effect.result(Kit.attach(client, route, one, ["read"]))
        if (exit._tag === "Failure" && exit.failure instanceof RateLimited) errors.push(exit.failure._tag)
      }
      assert.deepStrictEqual(errors, ["RateLimited", "RateLimited"])
    }))
})
