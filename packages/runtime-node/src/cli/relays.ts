/** `sotto relays`: which relays the space has on this device, and how they come and go. */
import type { RelayInfo } from "@sotto/core/Client"
import type * as Sotto from "@sotto/core/Sotto"
import type { RelayStatus } from "@sotto/core/Status"
import * as Bytes from "@sotto/schema/Bytes"
import type { RelayKey } from "@sotto/schema/Id"
import { relayAddressFromText, relayAddressToText } from "@sotto/schema/Ticket"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Exit from "./Exit.ts"
import { LastRelay, NotStored, toEvent, Told } from "./Failure.ts"
import { withSotto } from "./Home.ts"
import { emit } from "./Output.ts"
import { greet, named, relayToken, retentionFlag, statusOf } from "./RelayChoice.ts"
import { filled, hopeful, settled } from "./Wait.ts"
import { relayLine } from "./Words.ts"

type Service = Sotto.Sotto["Service"]["client"]

const relayArgument = Argument.String("relay").pipe(
  Argument.withDescription("The relay's address, its URL, or the beginning of its key, as `sotto relays ls` shows them")
)

const waitFlag = Flag.Boolean("no-wait").pipe(
  Flag.withDescription("Do not wait until the relay has everything; it is sent while commands run"),
  Flag.withDefault(false)
)

const line = (status: RelayStatus, { gapped, misbehaved }: RelayInfo) =>
  emit({
    type: "relay",
    ...relayLine(status),
    misbehaved: misbehaved === null ? null : misbehaved.evidence.reason,
    gapped
  })

const ls = Command.make("ls", {}, () =>
  withSotto(Effect.fnUntraced(function*({ client }) {
    yield* settled(client)
    const { relays } = yield* client.status.current
    for (const info of yield* client.relays.list) {
      const status = relays.find(({ relay }) => Bytes.equals(relay, info.address.key))
      if (status !== undefined) yield* line(status, info)
    }
  }))).pipe(Command.withDescription("List the space's relays, and how far each is"))

/** Waits until the relay has everything, unless that is not wanted, and tells. Fails with the exit code if it has not. */
const tellFilled = Effect.fnUntraced(function*(
  client: Service,
  type: "added" | "trusted",
  address: RelayInfo["address"],
  noWait: boolean
) {
  const failure = noWait ? undefined : yield* filled(client, address.key)
  const pending = (yield* statusOf(client, address.key))?.pending ?? 0
  yield* emit({ type, relay: relayAddressToText(address), pending, complete: !noWait && failure === undefined })
  if (failure === undefined) return
  const code = Exit.codeOfTag(failure.tag)
  const offline = code === Exit.CODE.offline
  yield* emit(offline ? toEvent(new NotStored({ detail: failure.message })) : { type: "error", ...failure })
  return yield* new Told({ code })
})

const has = (client: Service, key: RelayKey) =>
  Effect.map(client.relays.list, (all) => all.some(({ address }) => Bytes.equals(address.key, key)))

const add = Command.make(
  "add",
  {
    address: Argument.String("address").pipe(
      Argument.withDescription("The relay's address with its key, as `sotto relay` shows it")
    ),
    retention: retentionFlag,
    noWait: waitFlag
  },
  Effect.fnUntraced(function*({ address: given, noWait, retention }) {
    const address = yield* Effect.fromResult(relayAddressFromText(given))
    yield* withSotto(Effect.fnUntraced(function*({ client }) {
      if (yield* has(client, address.key)) {
        yield* emit({
          type: "notice",
          message: "This is one of the space's relays already, and left as it is; to give it a token, remove it first."
        })
      } else {
        yield* greet(address)
        // It is sent what is here: all that the others have comes here first, if they are in reach.
        yield* hopeful(client, Effect.ignore(client.pull))
        yield* client.relays.add(address, { token: (yield* relayToken) ?? null, retention, recovery: null })
      }
      yield* tellFilled(client, "added", address, noWait)
    }))
  })
).pipe(Command.withDescription("Add a relay, and send it everything that this device has"))

const rm = Command.make(
  "rm",
  {
    relay: relayArgument,
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Also if it is the only one: this device is without a relay then"),
      Flag.withDefault(false)
    )
  },
  ({ force, relay: given }) =>
    withSotto(Effect.fnUntraced(function*({ client }) {
      const { address } = yield* named(client, given)
      const left = (yield* client.relays.list).length - 1
      if (left === 0 && !force) return yield* new LastRelay()
      yield* client.relays.remove(address.key)
      yield* emit({ type: "removed", relay: relayAddressToText(address), left })
    }))
).pipe(Command.withDescription("Forget a relay on this device; what it keeps stays there"))

const trust = Command.make(
  "trust",
  { relay: relayArgument, noWait: waitFlag },
  ({ noWait, relay: given }) =>
    withSotto(Effect.fnUntraced(function*({ client }) {
      const { address } = yield* named(client, given)
      yield* client.relays.trustAgain(address.key)
      yield* tellFilled(client, "trusted", address, noWait)
    }))
).pipe(
  Command.withDescription(
    "Go on with a relay that was caught, knowing that: all is read and sent anew, evidence is kept"
  )
)

export const relays = Command.make("relays").pipe(
  Command.withDescription("List, add, remove the space's relays, or trust one again"),
  Command.withSubcommands([ls, add, rm, trust])
)
