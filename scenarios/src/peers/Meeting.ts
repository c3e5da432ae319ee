/**
 * Devices that speak with each other directly: each takes connections, and connects to the others one after the other for
 * as long as it runs. An app may connect to one of them by itself, once or for a while.
 */
import type { PeerEnded } from "@sotto/core/log/Peers"
import * as PeerDial from "@sotto/core/PeerDial"
import type { Connection } from "@sotto/core/Transport"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as SimTransport from "../adapter/SimTransport.ts"
import type { Handle } from "../node/ClientNode.ts"

/** The pause before a device connects to the next one, at least; at most twice that. */
const ROUND_MILLIS = 4000
/** A device that is not done by then is left. */
const MEETING_MILLIS = 20_000

/** Why a connection ended, for invariants: between members, nobody is ever refused. */
const tell = ({ host }: Handle, error: PeerDial.PeerFailed | PeerEnded): void => {
  const reason = "reason" in error ? error.reason : ""
  host.mark(`connection to a device: ${error._tag} ${reason}`.trimEnd())
  host.observe("peerEnded", { tag: error._tag, reason, why: error.message })
}

/** Passes a connection that ended, and tells of it; what is no word of a connection goes on as it is. */
const told = <A, R>(handle: Handle, meeting: Effect.Effect<A, PeerDial.PeerFailed, R>) =>
  Effect.tapError(meeting, (error) => Effect.sync(() => tell(handle, error)))

/** Names the meetings of a run. */
const meetings = Workload.model(() => ({ count: 0 }))

/** Connects to a device, until both have what the other had. */
const meet = (handle: Handle, other: string) =>
  Effect.suspend(() => {
    const { client, directory, host } = handle
    const meeting = ++meetings.of(host.facts).count
    host.observe("dials", { meeting, to: other })
    return told(handle, PeerDial.sync(client.peers, SimTransport.urlOf(other))).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          host.mark("met")
          host.observe("met", { meeting })
        })
      ),
      Effect.provideContext(directory)
    )
  })

/** Connects to the others in turn. That one is not in reach is no reason to leave the next out. */
const goAround = (handle: Handle): Effect.Effect<never> =>
  Effect.gen(function*() {
    const { host } = handle
    const others = host.others(host.kind)
    for (let turn = host.index;; turn++) {
      yield* Effect.sleep(ROUND_MILLIS * (1 + (yield* Random.next)))
      const other = others[turn % others.length]
      if (other !== undefined) {
        yield* Effect.ignore(Effect.timeoutOption(meet(handle, other), MEETING_MILLIS))
      }
    }
  })

/** A connection that another device made. */
const receive = (handle: Handle, connection: Connection): Effect.Effect<void> =>
  handle.client.peers.speak(connection, "responder").pipe(
    Effect.catch((error) => Effect.sync(() => tell(handle, error)))
  )

/** Takes connections, and makes some. */
export const attend = (handle: Handle) =>
  Effect.raceFirst(
    SimTransport.serve(handle.host.network, handle.host.name, { serve: (connection) => receive(handle, connection) }),
    goAround(handle)
  )

const pick = (nodes: ReadonlyArray<string>, node: string): ReadonlyArray<string> =>
  nodes.filter((name) => name !== node)

/** The app connects to another device, until both have the same. */
const sync = Workload.command({
  weight: 3,
  input: Schema.String,
  draw: (draws, { node, nodes }) => draws.pick(pick(nodes("client"), node)),
  run: (handle: Handle, other) => Effect.asVoid(meet(handle, other))
})

/** The app stays connected to another device for a while. */
const link = Workload.command({
  weight: 3,
  input: Schema.Struct({ to: Schema.String, millis: Schema.Int }),
  draw: (draws, { node, nodes }) => ({
    to: draws.pick(pick(nodes("client"), node)),
    millis: draws.between(500, 12_000)
  }),
  run: (handle: Handle, { millis, to }) =>
    told(handle, PeerDial.follow(handle.client.peers, SimTransport.urlOf(to))).pipe(
      Effect.provideContext(handle.directory),
      Effect.timeoutOption(millis),
      Effect.asVoid
    )
})

export const commands = { sync, link }
