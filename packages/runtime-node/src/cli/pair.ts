/** `sotto pair`: shows a code, and lets one device in after its person said so. */
import * as Pairing from "@sotto/core/Pairing"
import type { JoinRequest } from "@sotto/core/pairing/Host"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { agreed } from "./Ask.ts"
import { withSotto } from "./Home.ts"
import { emit } from "./Output.ts"
import { chosen, relayFlag } from "./RelayChoice.ts"
import { settled } from "./Wait.ts"
import { deviceText, iso } from "./Words.ts"

const show = ({ code, expiresMillis, relay, url }: Pairing.Offer) =>
  emit({ type: "code", code, url, relay: relayAddressToText(relay), expires: iso(expiresMillis) })

const ask = Effect.fnUntraced(function*({ device, emoji, label }: JoinRequest, yes: boolean) {
  yield* emit({ type: "request", device: deviceText(device), label, emoji })
  return yield* agreed("Let it in?", yes)
})

export const pair = Command.make("pair", {
  relay: relayFlag,
  yes: Flag.Boolean("yes").pipe(
    Flag.withDescription("Let in whoever has the code, without asking"),
    Flag.withDefault(false)
  )
}, ({ relay: given, yes }) =>
  withSotto(Effect.fnUntraced(function*({ client, identity }) {
    const context = yield* Effect.context<Effect.Services<ReturnType<typeof ask>>>()
    const relay = yield* chosen(client, given)
    const admitted = yield* Pairing.host({
      client,
      device: identity,
      ...relay === undefined ? {} : { relay },
      onOffer: (offer) => Effect.provideContext(show(offer), context),
      approve: (request) => Effect.provideContext(ask(request, yes), context)
    })
    // The other devices learn of it through the relay; this one may be closed right after.
    const told = yield* settled(client)
    yield* emit({ type: "paired", device: deviceText(admitted.device), label: admitted.label })
    if (Result.isFailure(told)) {
      yield* emit({ type: "notice", message: `Your other devices hear of it later: ${told.failure.message}` })
    }
  }))).pipe(Command.withDescription("Let another device in: shows a code and a QR code, and asks before it does"))
