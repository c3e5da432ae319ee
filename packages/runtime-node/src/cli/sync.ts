/**
 * `sotto sync`: this device and another one, or this device and its relays, get what the other has. With `--follow` they
 * stay connected.
 */
import type { Client } from "@sotto/core/Client"
import { NotConnected } from "@sotto/core/ClientError"
import type { PeerReconciled } from "@sotto/core/log/Peers"
import * as PeerDial from "@sotto/core/PeerDial"
import type * as Sotto from "@sotto/core/Sotto"
import * as Bytes from "@sotto/schema/Bytes"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { UsageWrong } from "./Failure.ts"
import { withSotto } from "./Home.ts"
import { named, tellNearby } from "./Nearby.ts"
import { emit, Output } from "./Output.ts"
import { settled, watched, withProgress } from "./Wait.ts"
import { statusLine } from "./Words.ts"

type Service = Client["Service"]

// -- with a device -----------------------------------------------------------------------------------------------------

const tellSynced = Effect.fnUntraced(
  function*(client: Service, url: string, { device, received, sent }: PeerReconciled) {
    yield* emit({ type: "synced", url, ...(yield* named(client, device)), received, sent })
  }
)

/** What has moved so far, for who looks on. */
const progressOf = (client: Service, url: string) =>
  Effect.map(
    client.peers.connected,
    ([peer]) => peer === undefined ? `Connecting to ${url} …` : `Received ${peer.received}, sent ${peer.sent} …`
  )

const withDevice = Effect.fnUntraced(function*(client: Service, url: string) {
  yield* tellSynced(client, url, yield* withProgress(progressOf(client, url), PeerDial.sync(client.peers, url)))
})

const followDevice = Effect.fnUntraced(function*(client: Service, url: string) {
  const output = yield* Output
  const tell = <A, E>(effect: Effect.Effect<A, E, Output>) => Effect.provideService(effect, Output, output)
  const following = PeerDial.follow(client.peers, url, {
    compared: (moved) => tell(tellSynced(client, url, moved)),
    lost: (error, retryMillis) =>
      output.emit({
        type: "notice",
        message: `${error.message} Trying again in ${Math.ceil(retryMillis / 1000)} s.`
      })
  })
  return yield* Effect.raceFirst(following, Effect.andThen(tellNearby(client), Effect.never))
})

// -- with the relays ---------------------------------------------------------------------------------------------------

/** Reads the relays' logs, sends what waits, then compares with each: afterwards nothing is missing on either side. */
const withRelays = Effect.fnUntraced(function*(client: Service) {
  const relays = yield* client.relays.list
  if (relays.length === 0) {
    return yield* new UsageWrong({
      detail: "This space has no relay: give the URL of a device that runs `sotto serve`"
    })
  }
  yield* watched(client, client.pull)
  const comparisons = yield* watched(client, client.reconcile)
  yield* settled(client)
  const output = yield* Output
  for (const comparison of comparisons) {
    const url = relays.find(({ address }) => Bytes.equals(address.key, comparison.relay))?.address.url ?? ""
    if ("failure" in comparison) {
      yield* output.emit({ type: "notice", message: `Not compared with ${url}: ${comparison.failure.message}` })
    } else {
      const { received, sent } = comparison
      yield* output.emit({ type: "synced", url, device: null, label: null, received, sent })
    }
  }
  const [first] = comparisons.flatMap((each) => "failure" in each ? [each.failure] : [])
  if (first !== undefined && comparisons.every((each) => "failure" in each)) {
    return yield* new NotConnected({ detail: first.message })
  }
})

/** Says where it stands whenever that changes, for ever. */
const followRelays = ({ client, identity }: Sotto.Sotto["Service"]) =>
  Stream.runForEach(
    Stream.changesWith(client.status.changes, (one, other) => one._tag === other._tag),
    (status) => emit(statusLine({ client, identity }, status))
  )

export const sync = Command.make(
  "sync",
  {
    url: Argument.String("url").pipe(
      Argument.withDescription("Where another device serves, as `sotto serve` shows it; without, the relays"),
      Argument.optional
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withDescription("Stay connected, and connect again when that ends, until Ctrl+C"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*(options) {
    const url = Option.getOrUndefined(options.url)
    if (url !== undefined && !PeerDial.isPeerUrl(url)) {
      return yield* new UsageWrong({ detail: "A device's URL is of the form ws://host:port/ or wss://host:port/" })
    }
    yield* withSotto(Effect.fnUntraced(function*(sotto) {
      const { client } = sotto
      if (url !== undefined) return yield* (options.follow ? followDevice(client, url) : withDevice(client, url))
      yield* withRelays(client)
      if (options.follow) yield* followRelays(sotto)
    }))
  })
).pipe(Command.withDescription("Get what another device or the relays have, and give them what is here"))
