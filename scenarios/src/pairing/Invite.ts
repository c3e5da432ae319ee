/**
 * A device lets others in, by the shipped pairing. What its user would show to the other one, it tells as a fact: people
 * stand side by side, whatever the network does.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Pairing from "@sotto/core/Pairing"
import { Transport } from "@sotto/core/Transport"
import * as Bytes from "@sotto/schema/Bytes"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Handle } from "../node/ClientNode.ts"

/** The fact under which the k-th offer stands. */
export const offerFact = (k: number): string => `offer ${k}`

const Input = Schema.Struct({
  /** Which offer it is. */
  k: Schema.Int,
  /** Whether the user approves of who comes. */
  approve: Schema.Boolean,
  /** The user changes their mind after so long; 0: never. */
  cancelMillis: Schema.Int,
  /** How long the user looks at who wants to come in. */
  lookMillis: Schema.Int
})

/** Offers to let one device in. What becomes of it is told by marks; an offer goes on when the command has been answered. */
export const invite = Workload.command({
  weight: 6,
  input: Input,
  draw: (draws, { k }) => ({
    k,
    approve: draws.chance(0.85),
    cancelMillis: draws.chance(0.2) ? draws.between(50, 8000) : 0,
    lookMillis: draws.between(0, 3000)
  }),
  run: ({ client, directory, host, identity }: Handle, { approve, cancelMillis, k, lookMillis }) => {
    const offering = Pairing.host({
      client,
      device: identity,
      onOffer: ({ code, relay, url }) =>
        Effect.sync(() => host.facts.publish(offerFact(k), { code, url, relay: relayAddressToText(relay) })),
      approve: ({ device }) => {
        host.mark("asked to approve")
        host.observe("approval", { device: Bytes.toHex(device), approve })
        return Effect.as(Effect.sleep(lookMillis), approve)
      }
    }).pipe(
      Effect.provideContext(Context.pick(Transport, Crypto)(directory)),
      Effect.tap(() => Effect.sync(() => host.mark("let a device in"))),
      Effect.timeoutOption(cancelMillis === 0 ? "30 seconds" : cancelMillis)
    )
    return Effect.asVoid(offering)
  }
})
