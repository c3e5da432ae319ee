/**
 * `sotto doctor`: goes the way of an entry step by step, from this device's directory to its relay, and names the first
 * thing that is wrong. `Diagnosis` says what each finding means.
 *
 * The space is looked at without a network first: a running client mends some of what is to be found, such as a relay
 * that forgot the space.
 */
import * as Dial from "@sotto/core/channel/Dial"
import type { QuarantinedEnvelope, RelayInfo } from "@sotto/core/Client"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayMisbehaved } from "@sotto/core/log/Evidence"
import * as Sotto from "@sotto/core/Sotto"
import { currentEpoch, type SpaceState } from "@sotto/core/space/SpaceState"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import { type RelayKey, Signature } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import { isRelayUrl } from "@sotto/schema/Ticket"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Diagnosis from "./Diagnosis.ts"
import type { Check } from "./Event.ts"
import { CODE } from "./Exit.ts"
import { Told } from "./Failure.ts"
import { Home } from "./Flags.ts"
import { isThere, layer } from "./Home.ts"
import { emit } from "./Output.ts"
import * as Probe from "./Probe.ts"
import { settled } from "./Wait.ts"

/** The findings so far. */
class Report {
  readonly checks: Array<Check> = []

  /** Says what was found; answers whether it is fit to go on. */
  readonly add = Effect.fnUntraced(function*(this: Report, ...found: ReadonlyArray<Check>) {
    this.checks.push(...found)
    yield* Effect.forEach(found, emit, { discard: true })
    return found.every(({ result }) => result !== "failed")
  })
}

/** No network: what is read with this says what the device knows, and changes nothing. */
const offline = Transport.of({
  connect: ({ url }) => Effect.fail(new RelayUnreachable({ url, reason: "network", detail: "not tried yet" }))
})

/** What the device knows by itself. */
interface Known {
  readonly relays: ReadonlyArray<RelayInfo>
  readonly state: SpaceState
  readonly received: number
  readonly evidence: ReadonlyArray<RelayMisbehaved>
  readonly quarantine: ReadonlyArray<QuarantinedEnvelope>
}

const look = Effect.scoped(Effect.gen(function*() {
  const { client } = yield* Effect.provideService(Sotto.open, Transport, offline)
  const { relays } = yield* client.status.current
  const known: Known = {
    relays: yield* client.relays.list,
    state: yield* client.state,
    received: Math.max(0, ...relays.map(({ head, received }) => Math.max(head, received))),
    evidence: yield* client.evidence,
    quarantine: yield* client.quarantine
  }
  return known
}))

/** Shows the relay that this device may read the space. */
const attach = Effect.fnUntraced(function*({ control, handshakeHash }: Dial.Line, { state }: Known, relay: RelayKey) {
  const crypto = yield* Crypto
  const { epoch, readCapability } = currentEpoch(state)
  const route = state.keys.routeId(relay)
  const proof = Proof.attach({ handshakeHash, route, epoch, capability: "read" })
  const signature = Signature.make(crypto.signature.sign(readCapability(relay).secretKey, proof))
  return yield* control.Attach({ route, epoch, proofs: [{ capability: "read", signature }] })
})

/** Everything that an open line tells: the clock, the route, the quota. */
const ask = Effect.fnUntraced(function*(report: Report, line: Dial.Line, known: Known, relay: RelayKey) {
  const about = yield* Effect.result(line.control.About())
  if (Result.isFailure(about)) return yield* report.add(Diagnosis.route(about.failure, known.received))
  yield* report.add(Diagnosis.clock((yield* Clock.currentTimeMillis) - about.success.millis))
  const attached = yield* Effect.result(attach(line, known, relay))
  if (Result.isFailure(attached)) return yield* report.add(Diagnosis.route(attached.failure, known.received))
  return yield* report.add(Diagnosis.route(undefined, known.received), Diagnosis.quota(attached.success.limits))
})

/** The way to one relay, until something is in it. */
const travel = Effect.fnUntraced(function*(report: Report, { address }: RelayInfo, known: Known) {
  if (!(yield* report.add(Diagnosis.address(address.url, isRelayUrl(address.url))))) return false
  const { host, port } = Probe.hostOf(address.url)
  if (!(yield* report.add(...Diagnosis.reached(host, port, yield* Probe.reach(host, port))))) return false
  const dialled = yield* Effect.result(Dial.dial(address))
  const came = yield* report.add(...Diagnosis.dialled(Result.isFailure(dialled) ? dialled.failure : undefined))
  return came && Result.isSuccess(dialled) ? yield* ask(report, dialled.success, known, address.key) : false
}, Effect.scoped)

/** Syncs once, and says what waits after it. */
const sync = Effect.scoped(Effect.gen(function*() {
  const { client } = yield* Sotto.open
  const done = yield* settled(client)
  const { pending } = yield* client.status.current
  return Diagnosis.outbox(pending, Result.isFailure(done) ? done.failure : null)
}))

/** With the directory open. */
const inside = Effect.fnUntraced(function*(report: Report) {
  const state = yield* Sotto.stateOf
  const ready = yield* report.add(...Diagnosis.opened(undefined), Diagnosis.device(state))
  if (!ready) return
  const known = yield* look
  let reachable = true
  for (const relay of known.relays) reachable = (yield* travel(report, relay, known)) && reachable
  yield* report.add(reachable ? yield* sync : Diagnosis.skipped("outbox", "needs the relay"))
  yield* report.add(Diagnosis.evidence(known.evidence), Diagnosis.quarantine(known.quarantine))
})

const examine = Effect.gen(function*() {
  const report = new Report()
  const directory = yield* Home
  if (!(yield* report.add(Diagnosis.home(Probe.homeFacts(directory))))) return report
  if (!isThere(directory)) {
    yield* report.add(Diagnosis.device("empty"))
    return report
  }
  const done = yield* Effect.result(Effect.provide(inside(report), layer))
  if (Result.isFailure(done)) yield* report.add(...Diagnosis.opened(done.failure))
  return report
})

export const doctor = Command.make("doctor", {}, () =>
  Effect.gen(function*() {
    const { checks } = yield* examine
    const diagnosis = Diagnosis.conclude(checks)
    yield* emit(diagnosis)
    if (!diagnosis.healthy) return yield* new Told({ code: CODE.failed })
  })).pipe(Command.withDescription("Test each step between this device and its relay, and name what is wrong"))
