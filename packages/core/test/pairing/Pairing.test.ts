import { assert, describe, it } from "@effect/vitest"
import { MailboxId, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { MailboxMessage, WelcomeBody } from "@sotto/schema/Pairing"
import { ROLE } from "@sotto/schema/Space"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { Crypto } from "../../src/Crypto.ts"
import * as Device from "../../src/Device.ts"
import * as Guest from "../../src/pairing/Guest.ts"
import * as Host from "../../src/pairing/Host.ts"
import type { Line } from "../../src/pairing/Line.ts"
import type { PairingFailed } from "../../src/pairing/PairingError.ts"
import * as Session from "../../src/pairing/Session.ts"
import * as Secret from "../../src/Secret.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import { expectSuccess, join, makeSpace, NOW, type Seat, seededCrypto } from "../kit/seededSpace.ts"

const RELAY = RelayKey.make(new Uint8Array(32).fill(7))
const MAILBOX = MailboxId.make(new Uint8Array(16).fill(8))
const CODE = new Uint8Array(5).fill(9)
const TICKET = new Uint8Array(32).fill(10)

type Tamper = (message: MailboxMessage) => MailboxMessage

/** Two ends of a mailbox; `tamper` is what the relay does to the host's messages. */
const makeLines = (tamper: Tamper = (message) => message) =>
  Effect.gen(function*() {
    const toHost = yield* Queue.unbounded<MailboxMessage>()
    const toGuest = yield* Queue.unbounded<MailboxMessage>()
    const closed = yield* Deferred.make<void>()
    const close = Effect.asVoid(Deferred.succeed(closed, undefined))
    const host: Line = {
      send: (message) => Effect.asVoid(Queue.offer(toGuest, tamper(message))),
      receive: Queue.take(toHost),
      close
    }
    const guest: Line = {
      send: (message) => Effect.asVoid(Queue.offer(toHost, message)),
      receive: Queue.take(toGuest),
      close
    }
    return { host, guest, toHost, toGuest, closed }
  })

type Lines = Effect.Success<ReturnType<typeof makeLines>>

const makeWorld = (tamper?: Tamper) =>
  Effect.gen(function*() {
    const crypto = seededCrypto("pairing")
    const space = makeSpace("pairing/space")
    const lines = yield* makeLines(tamper)
    const expiresMillis = (yield* Clock.currentTimeMillis) + Limit.pairingMillis
    const approvals: Array<Host.JoinRequest> = []
    const admitted: Array<string> = []
    const host = (approve: Effect.Effect<boolean> = Effect.succeed(true)) =>
      Host.run({
        line: lines.host,
        device: space.identity,
        relay: RELAY,
        mailbox: MAILBOX,
        expiresMillis,
        codeSecret: Secret.make(CODE.slice()),
        ticketSecret: Secret.make(TICKET.slice()),
        approve: (request) => {
          approvals.push(request)
          return approve
        },
        admit: (certificate) =>
          Effect.sync((): WelcomeBody => {
            admitted.push(certificate.body.label)
            const op = Membership.addMember(crypto, space.state.membership, space.identity, {
              certificate,
              role: ROLE.admin,
              nowMillis: NOW
            })
            const state = expectSuccess(SpaceState.applyOp(crypto, space.state, op))
            return SpaceState.toWelcome(crypto, state, { admin: true, relays: [] })
          })
      }).pipe(Effect.provideService(Crypto, crypto))
    const device = Device.generate({ crypto, label: "phone", nowMillis: NOW })
    const steps: Array<Guest.Step> = []
    const accepted: Array<WelcomeBody> = []
    const guest = (proof: Guest.Proof, options: { readonly confirm?: boolean } = {}) =>
      Effect.gen(function*() {
        const offer = yield* lines.guest.receive
        assert(offer._tag === "Offer")
        return yield* guestWith(offer, proof, options)
      })
    const guestWith = (
      offer: Extract<MailboxMessage, { readonly _tag: "Offer" }>,
      proof: Guest.Proof,
      options: { readonly confirm?: boolean } = {}
    ) =>
      Guest.run({
        line: lines.guest,
        offer,
        device,
        relay: RELAY,
        mailbox: MAILBOX,
        proof,
        onStep: (step) => Effect.sync(() => void steps.push(step)),
        confirm: ({ devices }) => {
          assert.deepStrictEqual(devices, ["creator"])
          return Effect.succeed(options.confirm ?? true)
        },
        accept: (welcome) => Effect.sync(() => void accepted.push(welcome))
      }).pipe(Effect.provideService(Crypto, crypto))
    return { crypto, space, lines, host, guest, guestWith, device, approvals, admitted, steps, accepted }
  })

const byCode = (secret: Uint8Array = CODE): Guest.Proof => ({ _tag: "Code", secret: Secret.make(secret.slice()) })
const byTicket = (secret: Uint8Array = TICKET): Guest.Proof => ({ _tag: "Ticket", secret: Secret.make(secret.slice()) })
const WRONG = new Uint8Array(5).fill(1)

const reasonOf = <A, E>(effect: Effect.Effect<A, E | PairingFailed>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(typeof error === "object" && error !== null && "reason" in error)
    return error.reason
  })

const isClosed = (lines: Lines) => Deferred.isDone(lines.closed)

describe("Pairing", () => {
  for (const [name, proof] of [["code", byCode()], ["ticket", byTicket()]] as const) {
    it.effect(`lets a device in by ${name}, with equal pictures on both screens`, () =>
      Effect.gen(function*() {
        const world = yield* makeWorld()
        const host = yield* Effect.forkChild(world.host())
        const welcome = yield* world.guest(proof)
        const admitted = yield* Fiber.join(host)
        assert.deepStrictEqual(admitted, { device: world.device.id, label: "phone" })
        const joined = expectSuccess(SpaceState.fromWelcome(world.crypto, welcome, { device: world.device.id }))
        assert.deepStrictEqual(joined.spaceId, world.space.state.spaceId)
        assert.strictEqual(world.accepted.length, 1)
        assert.deepStrictEqual(world.steps.map(({ _tag }) => _tag), ["Reached", "WaitingForApproval", "Welcomed"])
        const waiting = world.steps[1]
        assert(waiting?._tag === "WaitingForApproval")
        assert.lengthOf(waiting.emoji, 7)
        assert.deepStrictEqual(waiting.emoji, world.approvals[0]?.emoji)
        assert.isTrue(yield* isClosed(world.lines))
      }))
  }

  it.effect("a wrong code shares nothing, and the last of the tries burns it for good", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(Effect.exit(reasonOf(world.host())))
      const offer = yield* world.lines.guest.receive
      assert(offer._tag === "Offer")
      for (let tries = 1; tries < Limit.pairingFailuresMax; tries++) {
        const proof = tries % 2 === 1 ? byCode(WRONG) : byTicket(new Uint8Array(32))
        assert.strictEqual(yield* reasonOf(world.guestWith(offer, proof)), "wrongCode")
      }
      assert.strictEqual(yield* reasonOf(world.guestWith(offer, byCode(WRONG))), "burned")
      const exit = yield* Fiber.join(host)
      assert(exit._tag === "Success")
      assert.strictEqual(exit.value, "burned")
      assert.isTrue(yield* isClosed(world.lines))
      assert.isEmpty(world.approvals)
      assert.isEmpty(world.admitted)
    }))

  it.effect("a wrong code, then the right one", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(world.host())
      const offer = yield* world.lines.guest.receive
      assert(offer._tag === "Offer")
      assert.strictEqual(yield* reasonOf(world.guestWith(offer, byCode(WRONG))), "wrongCode")
      yield* world.guestWith(offer, byCode())
      assert.strictEqual((yield* Fiber.join(host)).label, "phone")
    }))

  it.effect("a device that is cut off in the middle may begin again, which counts as a guess", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(world.host())
      const offer = yield* world.lines.guest.receive
      assert(offer._tag === "Offer")
      yield* world.lines.guest.send({
        _tag: "CpaceA",
        nonce: new Uint8Array(16),
        element: world.crypto.ristretto.fromUniform(new Uint8Array(64).fill(3))
      })
      assert.strictEqual((yield* world.lines.guest.receive)._tag, "CpaceB")
      yield* world.guestWith(offer, byCode())
      assert.strictEqual((yield* Fiber.join(host)).label, "phone")
    }))

  it.effect("declined: both sides know, nothing is shared", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(reasonOf(world.host(Effect.succeed(false))))
      assert.strictEqual(yield* reasonOf(world.guest(byCode())), "declined")
      assert.strictEqual(yield* Fiber.join(host), "declined")
      assert.isEmpty(world.admitted)
      assert.isEmpty(world.accepted)
    }))

  it.effect("nobody answers the question: a no after two minutes", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const asked = yield* Deferred.make<void>()
      const host = yield* Effect.forkChild(
        reasonOf(world.host(Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)))
      )
      const guest = yield* Effect.forkChild(reasonOf(world.guest(byCode())))
      yield* Deferred.await(asked)
      yield* TestClock.adjust(Limit.approvalMillis + 1000)
      assert.strictEqual(yield* Fiber.join(host), "approvalTimeout")
      assert.strictEqual(yield* Fiber.join(guest), "approvalTimeout")
      assert.isEmpty(world.admitted)
    }))

  it.effect("nobody comes: the code expires and its mailbox is closed", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(reasonOf(world.host()))
      yield* TestClock.adjust(Limit.pairingMillis)
      assert.strictEqual(yield* Fiber.join(host), "expired")
      assert.isTrue(yield* isClosed(world.lines))
    }))

  it.effect("cancelled on the existing device: the new one is told", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const asked = yield* Deferred.make<void>()
      const host = yield* Effect.forkChild(
        world.host(Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
      )
      const guest = yield* Effect.forkChild(reasonOf(world.guest(byCode())))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(host)
      assert.strictEqual(yield* Fiber.join(guest), "cancelled")
      assert.isTrue(yield* isClosed(world.lines))
    }))

  it.effect("cancelled while the relay says nothing: both sides go all the same", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const asked = yield* Deferred.make<void>()
      const approve = Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      const fibers = [
        yield* Effect.forkChild(world.host(approve)),
        yield* Effect.forkChild(reasonOf(world.guest(byCode())))
      ]
      yield* Deferred.await(asked)
      for (const line of [world.lines.host, world.lines.guest]) {
        Object.assign(line, { send: () => Effect.never, close: Effect.never })
      }
      const ending = yield* Effect.forkChild(Fiber.interruptAll(fibers))
      yield* TestClock.adjust("5 seconds")
      assert.isDefined(ending.pollUnsafe())
    }))

  it.effect("the new device's person says no: nothing is taken over", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      const host = yield* Effect.forkChild(reasonOf(world.host()))
      assert.strictEqual(yield* reasonOf(world.guest(byCode(), { confirm: false })), "cancelled")
      assert.strictEqual(yield* Fiber.join(host), "declined")
      assert.isEmpty(world.accepted)
    }))

  it.effect("a silent other side ends after the time of a handshake", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      yield* world.lines.host.send({ _tag: "Offer", version: 1, nonce: new Uint8Array(16), expiresMillis: 0 })
      const guest = yield* Effect.forkChild(reasonOf(world.guest(byCode())))
      yield* TestClock.adjust(Limit.handshakeTotalMillis)
      assert.strictEqual(yield* Fiber.join(guest), "silent")
    }))

  it.effect("another version is refused before anything is sent", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      yield* world.lines.host.send({ _tag: "Offer", version: 2, nonce: new Uint8Array(16), expiresMillis: 0 })
      assert.strictEqual(yield* reasonOf(world.guest(byCode())), "version")
      assert.strictEqual(yield* Queue.size(world.lines.toHost), 0)
    }))

  for (const tag of ["Offer", "CpaceB", "ConfirmB", "NoiseB", "Sealed"] as const) {
    it.effect(`a relay that changes the ${tag} message ends the pairing, and nothing is taken over`, () =>
      Effect.gen(function*() {
        const world = yield* makeWorld((message) => message._tag === tag ? flipped(message) : message)
        const host = yield* Effect.forkChild(Effect.exit(world.host()))
        const reason = yield* reasonOf(world.guest(byCode()))
        assert.include(["wrongCode", "protocol"], reason)
        assert.isEmpty(world.accepted)
        yield* Fiber.interrupt(host)
      }))
  }

  it.effect("a relay that hands over a space of its own is not believed", () =>
    Effect.gen(function*() {
      const world = yield* makeWorld()
      // It knows the code here, which it cannot: even then the welcome of a stranger does not name this device.
      const stranger = makeSpace("pairing/stranger")
      const host = yield* Effect.forkChild(
        Host.run({
          line: world.lines.host,
          device: stranger.identity,
          relay: RELAY,
          mailbox: MAILBOX,
          expiresMillis: (yield* Clock.currentTimeMillis) + Limit.pairingMillis,
          codeSecret: Secret.make(CODE.slice()),
          ticketSecret: Secret.make(TICKET.slice()),
          approve: () => Effect.succeed(true),
          admit: () =>
            Effect.succeed(SpaceState.toWelcome(stranger.crypto, stranger.state, { admin: true, relays: [] }))
        }).pipe(Effect.provideService(Crypto, world.crypto), Effect.exit)
      )
      assert.strictEqual(yield* reasonOf(world.guest(byCode())), "forged")
      assert.isEmpty(world.accepted)
      yield* Fiber.interrupt(host)
    }))
})

describe("a welcome", () => {
  it("is known not to fit before the member is added, once the membership log has grown too long", () => {
    let host: Seat = makeSpace("pairing/crowd")
    const crypto = seededCrypto("pairing/crowd/members")
    const fits = () => Session.fits(SpaceState.toWelcome(crypto, host.state, { admin: true, relays: [] }))
    let devices = 1
    for (; fits(); devices++) host = join(crypto, host, `device ${devices}`).host
    assert.isAbove(devices, 16)
    assert.isBelow(devices, 24)
  })
})

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => at === bytes.length - 1 ? byte ^ 1 : byte)

const flipped = (message: MailboxMessage): MailboxMessage => {
  if (message._tag === "Offer") return { ...message, nonce: flip(message.nonce) }
  if (message._tag === "CpaceB") return { ...message, element: flip(message.element) }
  if (message._tag === "ConfirmB") return { ...message, tag: flip(message.tag) }
  if (message._tag === "NoiseB" || message._tag === "Sealed") return { ...message, message: flip(message.message) }
  return message
}
