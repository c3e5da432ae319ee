/** What commands that name a relay, or bring one in, have in common. */
import * as Dial from "@sotto/core/channel/Dial"
import type { Client, RelayInfo } from "@sotto/core/Client"
import type { RelayStatus } from "@sotto/core/Status"
import * as Bytes from "@sotto/schema/Bytes"
import type { RelayKey } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import { toText } from "@sotto/schema/Text"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { UsageWrong } from "./Failure.ts"
import { hopeful } from "./Wait.ts"

type Service = Client["Service"]

// -- bringing a relay in -----------------------------------------------------------------------------------------------

const RETENTION: Readonly<Record<"transit" | "durable" | "vault", Retention>> = {
  transit: { _tag: "Transit", ttl: { _tag: "Default" } },
  durable: { _tag: "Durable" },
  vault: { _tag: "Vault" }
}

export const retentionFlag = Flag.Literals("retention", ["durable", "transit", "vault"]).pipe(
  Flag.withDescription(
    "What the relay keeps: durable, so that new devices get the history; transit, until all have it"
  ),
  Flag.withDefault("durable"),
  Flag.map((kind) => RETENTION[kind])
)

/** A token for relays that admit by token; from the environment, never from the command line. */
export const relayToken: Effect.Effect<string | undefined> = Effect.map(
  Effect.orDie(Config.option(Config.Redacted("SOTTO_RELAY_TOKEN"))),
  (token) => Option.isSome(token) ? Redacted.value(token.value) : undefined
)

const DIAL_MILLIS = 5000

/** Another relay than the one that was named ends it; one that does not answer does not. */
export const greet = (address: RelayAddress) =>
  Effect.scoped(Dial.dial(address)).pipe(
    Effect.timeoutOption(DIAL_MILLIS),
    Effect.catchTags({ RelayUnreachable: () => Effect.void, ConnectionClosed: () => Effect.void })
  )

// -- naming one --------------------------------------------------------------------------------------------------------

export const relayFlag = Flag.String("relay").pipe(
  Flag.withDescription("Which of the space's relays, by its address, its URL or the beginning of its key"),
  Flag.optional
)

const isMeant = (given: string, { address }: RelayInfo): boolean => {
  const key = toText("RelayKey", address.key)
  return given === relayAddressToText(address) || given === address.url ||
    (given.length > "rly_".length && key.startsWith(given))
}

/** The relay of the space that is meant: by its address, its URL or the beginning of its key. */
export const named = Effect.fnUntraced(function*(client: Service, given: string) {
  const found = (yield* client.relays.list).filter((relay) => isMeant(given, relay))
  const [relay] = found
  if (relay !== undefined && found.length === 1) return relay
  const which = relay === undefined ? "No relay of this space is" : "More than one relay of this space is"
  return yield* new UsageWrong({ detail: `${which} ${given}: \`sotto relays ls\` lists them` })
})

/**
 * The relay to be used: the one that was named; else the first that is connected once it has been tried, since one that
 * is away must not hide what another has; else the first.
 */
export const chosen = Effect.fnUntraced(function*(client: Service, given: Option.Option<string>) {
  if (Option.isSome(given)) return (yield* named(client, given.value)).address.key
  const relays = yield* client.relays.list
  if (relays.length > 1) yield* hopeful(client, Effect.ignore(client.pull))
  const { relays: known } = yield* client.status.current
  return (known.find(({ phase }) => phase === "live") ?? known[0])?.relay
})

/** How one relay is now. */
export const statusOf = (client: Service, key: RelayKey): Effect.Effect<RelayStatus | undefined> =>
  Effect.map(client.status.current, ({ relays }) => relays.find(({ relay }) => Bytes.equals(relay, key)))
