/** `sotto join`: brings this device into the space of one that shows a code. */
import * as Entrance from "@sotto/core/Entrance"
import type { Source } from "@sotto/core/Pairing"
import type { Invitation, Step } from "@sotto/core/pairing/Guest"
import * as Sotto from "@sotto/core/Sotto"
import { toText } from "@sotto/schema/Text"
import { relayAddressFromText, relayAddressToText } from "@sotto/schema/Ticket"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { agreed } from "./Ask.ts"
import { UsageWrong } from "./Failure.ts"
import { Label } from "./Flags.ts"
import { hostLabel, layer } from "./Home.ts"
import { emit } from "./Output.ts"
import { settled } from "./Wait.ts"
import { deviceText } from "./Words.ts"

/** What was typed, checked before anything is made or sent. */
const sourceOf = Effect.fnUntraced(function*(given: string, relay: Option.Option<string>) {
  if (given.startsWith("sotto:")) {
    const from: Source = { _tag: "Ticket", url: given }
    yield* Entrance.check(from)
    return from
  }
  if (Option.isNone(relay)) {
    return yield* new UsageWrong({
      detail: "A code needs to know its relay: --relay ADDRESS, as the other device shows it"
    })
  }
  const from: Source = { _tag: "Code", code: given, relay: yield* Effect.fromResult(relayAddressFromText(relay.value)) }
  yield* Entrance.check(from)
  return from
})

const step = (
  number: number,
  name: string,
  detail: string,
  emoji: ReadonlyArray<{ name: string; symbol: string }> = []
) => emit({ type: "step", step: number, of: 3, name, detail, emoji })

const tell = (happened: Step) => {
  switch (happened._tag) {
    case "Reached":
      return step(1, "reached", "Reached the relay and the other device.")
    case "WaitingForApproval":
      return step(2, "waiting", "Look at the other device: it asks to let this one in. Both show:", happened.emoji)
    case "Welcomed":
      return step(3, "welcomed", "The other device let this one in.")
  }
}

const ask = ({ devices }: Invitation, yes: boolean) =>
  agreed(`Join the space of ${devices.map((label) => `"${label}"`).join(", ")}?`, yes)

/** Joins, and fetches what is there as long as that is quick. */
const enter = Effect.fnUntraced(function*(from: Source, label: string, yes: boolean) {
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof ask>>>()
  const { welcome } = yield* Entrance.enter({
    from,
    label,
    onStep: (happened) => Effect.provideContext(tell(happened), context),
    confirm: (invitation) => Effect.provideContext(ask(invitation, yes), context)
  })
  const { client, identity } = yield* Sotto.open
  const fetched = yield* settled(client)
  const [relay] = yield* client.relays.list
  yield* emit({
    type: "joined",
    device: deviceText(identity.id),
    label: identity.certificate.body.label,
    space: toText("SpaceId", client.space),
    relay: relay === undefined ? "" : relayAddressToText(relay.address),
    devices: (yield* client.devices).map((device) => ({ device: deviceText(device.id), label: device.label }))
  })
  if (Result.isFailure(fetched)) {
    yield* emit({ type: "notice", message: `What is there comes with the next command: ${fetched.failure.message}` })
  }
  return welcome
}, Effect.scoped)

export const join = Command.make(
  "join",
  {
    code: Argument.String("code").pipe(Argument.withDescription("The code, or the link, that the other device shows")),
    relay: Flag.String("relay").pipe(
      Flag.withDescription("The relay where the code is good (SOTTO_RELAY); a link brings its own"),
      Flag.withFallbackConfig(Config.String("SOTTO_RELAY")),
      Flag.optional
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("What to call this device; the machine's name unless given"),
      Flag.withSchema(Label),
      Flag.optional
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Join without asking whose space it is"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ code, name, relay, yes }) {
    const from = yield* sourceOf(code, relay)
    yield* Effect.provide(enter(from, Option.getOrElse(name, hostLabel), yes), layer)
  })
).pipe(Command.withDescription("Bring this device into the space of one that shows a code"))
