/**
 * A device that is in no space yet, and tries every offer that it hears of until one lets it in; from then on it is a
 * device like any other. Its user mistypes now and then, and declines, unless the scenario has a careful one.
 */
import type { Crypto } from "@sotto/core/Crypto"
import type { Keystore } from "@sotto/core/Keystore"
import * as Pairing from "@sotto/core/Pairing"
import * as Attempts from "@sotto/core/pairing/Attempts"
import * as Sotto from "@sotto/core/Sotto"
import type { Store } from "@sotto/core/Store"
import type { Transport } from "@sotto/core/Transport"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Node from "@sotto/simulation/Node"
import type { Json } from "@sotto/simulation/Scenario"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as ClientNode from "../node/ClientNode.ts"
import * as Said from "../Said.ts"
import { offerFact } from "./Invite.ts"

interface Handle {
  /** It has a space: it will be inside. */
  member: boolean
  inside: ClientNode.Handle | undefined
}

/** Offers are numbered by commands, of which there are fewer than this. */
const OFFERS_MAX = 64
const LOOK_MILLIS = 200

const isCareful = ({ knobs }: Node.Base): boolean => knobs["careful"] === true

/** What the user types or scans: the code, sometimes with a wrong letter, or the ticket. */
const sourceOf = Effect.fnUntraced(function*(host: Node.Base, offer: Json) {
  const relay = relayAddressFromText(Said.text(offer, "relay"))
  const scans = yield* Random.nextBoolean
  if (scans || Result.isFailure(relay)) return { _tag: "Ticket" as const, url: Said.text(offer, "url") }
  const code = Said.text(offer, "code")
  const slips = (yield* Random.nextIntBetween(0, 4)) === 0 && !isCareful(host)
  const at = yield* Random.nextIntBetween(0, 4)
  return {
    _tag: "Code" as const,
    relay: relay.success,
    code: slips ? code.slice(0, at) + (code[at] === "7" ? "8" : "7") + code.slice(at + 1) : code
  }
})

const join = (host: Node.Base, offer: Json) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Store | Keystore | Crypto>()
    const device = yield* Sotto.device({ label: `device label of ${host.name}` })
    yield* Pairing.join({
      from: yield* sourceOf(host, offer),
      device,
      onStep: (step) => Effect.sync(() => host.mark(`join: ${step._tag}`)),
      confirm: () => Effect.map(Random.nextIntBetween(0, 10), (n) => n > 0 || isCareful(host)),
      accept: (welcome) => Effect.provideContext(Sotto.join(welcome), context)
    })
  })

type Services = Store | Keystore | Crypto | Transport

/** Tries offers, the newest first, until it is in a space. */
const enter = (host: Node.Base): Effect.Effect<void, unknown, Services> =>
  Effect.gen(function*() {
    const tried = new Set<number>()
    while ((yield* Sotto.stateOf) !== "space") {
      let k = OFFERS_MAX
      while (k >= 0 && (tried.has(k) || host.facts.lookup(offerFact(k)) === undefined)) k--
      const offer = host.facts.lookup(offerFact(k))
      if (offer === undefined) {
        yield* Effect.sleep(LOOK_MILLIS)
        continue
      }
      if ((yield* Random.nextIntBetween(0, 3)) > 0) tried.add(k)
      yield* Effect.timeoutOption(join(host, offer), "20 seconds").pipe(
        Effect.tap((joined) => Effect.sync(() => Option.isSome(joined) ? host.observe("joined", { k }) : undefined)),
        Effect.asVoid,
        Effect.catch((error) => {
          const reason = error._tag === "PairingFailed" ? error.reason : error._tag
          host.mark(`join failed: ${reason}`)
          host.observe("joinFailed", { k, reason })
          return Effect.sleep(LOOK_MILLIS)
        })
      )
    }
  }).pipe(Effect.provide(Attempts.layer))

const program = (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const directory = yield* ClientNode.open(host)
    const handle: Handle = {
      member: (yield* Effect.provideContext(Sotto.stateOf, directory)) === "space",
      inside: undefined
    }
    host.ready(handle)
    yield* Effect.provideContext(enter(host), directory)
    handle.member = true
    host.mark("came in")
    handle.inside = yield* ClientNode.start(host, directory)
    return yield* Effect.never
  })

/** A kind of node for such devices. */
export const make = (count: readonly [low: number, high: number]): Node.Kind =>
  Node.make({
    count,
    program,
    probe: ({ inside, member }: Handle) => {
      if (inside !== undefined) return ClientNode.probe(inside)
      return Effect.succeed<Node.Probe>(member ? { pending: "its space to be opened" } : {})
    }
  })
