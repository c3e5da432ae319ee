/** `sotto init`: sets the first device up, with a space of its own at a relay. */
import * as Secret from "@sotto/core/Secret"
import * as Sotto from "@sotto/core/Sotto"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import { frame, toText } from "@sotto/schema/Text"
import { relayAddressFromText, relayAddressToText } from "@sotto/schema/Ticket"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { NotStored } from "./Failure.ts"
import { Home, Label } from "./Flags.ts"
import { hostLabel, layer } from "./Home.ts"
import { emit } from "./Output.ts"
import { greet, relayToken, retentionFlag } from "./RelayChoice.ts"
import { settled } from "./Wait.ts"
import { deviceText } from "./Words.ts"

/** Makes device and space, and opens the space at its relay when that is in reach. */
const found = Effect.fnUntraced(function*(address: RelayAddress, label: string, retention: Retention) {
  if ((yield* Sotto.stateOf) === "space") return yield* new Sotto.WrongDirectory({ reason: "in-space" })
  yield* greet(address)
  const token = yield* relayToken
  const { recovery } = yield* Sotto.create({
    label,
    relays: [address],
    retention,
    ...token === undefined ? {} : { token }
  })
  const { client, identity } = yield* Sotto.open
  const opened = yield* settled(client)
  yield* emit({
    type: "initialized",
    device: deviceText(identity.id),
    label: identity.certificate.body.label,
    space: toText("SpaceId", client.space),
    relay: relayAddressToText(address),
    home: yield* Home,
    stored: Result.isSuccess(opened),
    recovery: frame("rec", Secret.reveal(recovery))
  })
  Secret.wipe(recovery)
  if (Result.isFailure(opened)) return yield* new NotStored({ detail: opened.failure.message })
}, Effect.scoped)

export const init = Command.make(
  "init",
  {
    relay: Flag.String("relay").pipe(
      Flag.withDescription("The relay's address, as `sotto relay` shows it (SOTTO_RELAY)"),
      Flag.withFallbackConfig(Config.String("SOTTO_RELAY"))
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("What to call this device; the machine's name unless given"),
      Flag.withSchema(Label),
      Flag.optional
    ),
    retention: retentionFlag
  },
  Effect.fnUntraced(function*({ name, relay, retention }) {
    const address = yield* Effect.fromResult(relayAddressFromText(relay))
    yield* Effect.provide(found(address, Option.getOrElse(name, hostLabel), retention), layer)
  })
).pipe(Command.withDescription("Set this device up, as the first one of a new space"))
