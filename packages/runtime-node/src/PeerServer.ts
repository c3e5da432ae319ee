/**
 * Where other devices of the space connect to this one (protocol.md §8): a port of this machine, on which each connection
 * is spoken with until it ends. A relay is not asked, and sees nothing of it.
 *
 * 1. Connections are counted before anything is read from them: in all, per address while they have not shown that they
 *    are a member, and per address and minute. Members do not count as strangers.
 * 2. Who is no member gets nothing but a handshake, which it has to bring to an end in time.
 * 3. The end of the scope ends every connection in order.
 */
import type { PeerEnded, Peers } from "@sotto/core/log/Peers"
import * as RateLimit from "@sotto/core/relay/RateLimit"
import type { Connection } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as http from "node:http"
import * as os from "node:os"
import * as WebSocketListener from "./WebSocketListener.ts"

export interface PeerServerOptions {
  /** What to listen on; loopback unless given. */
  readonly host?: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** Devices at once, and strangers beside them; `Limit.peersMax` unless given. */
  readonly peersMax?: number
  /** Told how a connection ended; `met`: it was a device of the space. */
  readonly ended?: (error: PeerEnded, met: boolean) => Effect.Effect<void>
}

/** A device that others can connect to. */
export interface Running {
  /** `ws://host:port/`, as this machine reaches it. */
  readonly url: string
  /** As others may reach it, when it listens on all addresses; else the same one. */
  readonly urls: ReadonlyArray<string>
  readonly port: number
}

/** TCP connections beyond those of devices and strangers: those to be refused. */
const SPARE_CONNECTIONS = 64

/** Lets other devices of the space in until the scope closes. */
export const start: (
  peers: Pick<Peers, "speak">,
  options?: PeerServerOptions
) => Effect.Effect<Running, WebSocketListener.ListenFailed, Scope.Scope> = Effect.fn("PeerServer.start")(
  function*(peers, options = {}) {
    const { host = "127.0.0.1", peersMax = Limit.peersMax, port = 0 } = options
    const door = makeDoor(peersMax)
    const over = Deferred.makeUnsafe<void>()
    const ends = new Set<Deferred.Deferred<void>>()
    const listening = yield* WebSocketListener.start({
      host,
      port,
      connectionsMax: 2 * peersMax + SPARE_CONNECTIONS,
      trustProxy: false,
      refusal: (address) =>
        Effect.map(Clock.currentTimeMillis, (now) => door.refusal(RateLimit.addressKey(address), now)),
      serve: (connection) =>
        Effect.suspend(() => {
          const end = Deferred.makeUnsafe<void>()
          ends.add(end)
          return Effect.raceFirst(serve(peers, door, connection, options.ended), Deferred.await(over)).pipe(
            Effect.ensuring(Effect.suspend(() => {
              ends.delete(end)
              return Deferred.succeed(end, undefined)
            }))
          )
        }),
      answer: (_, response) => Effect.sync(() => answer(response))
    })
    // Last acquired, first released: devices are told while their sockets are still open.
    yield* Effect.addFinalizer(() =>
      Deferred.succeed(over, undefined).pipe(
        Effect.andThen(Effect.forEach([...ends], Deferred.await, { discard: true })),
        Effect.andThen(Effect.yieldNow)
      )
    )
    return { ...listening, urls: urlsOf(host, listening) }
  }
)

/** No page is here, for nobody. */
const answer = (response: http.ServerResponse): void => {
  response.writeHead(404, { "cache-control": "no-store", connection: "close" })
  response.end()
}

/** Speaks with whoever came, until it ends. */
const serve = (
  peers: Pick<Peers, "speak">,
  door: Door,
  connection: Connection,
  ended: PeerServerOptions["ended"]
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const guest = door.enter(RateLimit.addressKey(connection.remoteAddress))
    return peers.speak(connection, "responder", { met: () => Effect.sync(guest.met) }).pipe(
      Effect.catch((error) => ended?.(error, guest.isMet()) ?? Effect.void),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.logError("a connection to a device ended by a defect", cause)
      ),
      Effect.ensuring(Effect.sync(guest.left))
    )
  })

// -- who may come in ---------------------------------------------------------------------------------------------------

interface Guest {
  /** It is a device of the space. */
  readonly met: () => void
  readonly isMet: () => boolean
  readonly left: () => void
}

interface Door {
  /** Why a connection from this address is not let in now; one that is counts for its minute. */
  readonly refusal: (address: string, nowMillis: number) => 429 | 503 | undefined
  readonly enter: (address: string) => Guest
}

const makeDoor = (peersMax: number): Door => {
  const connects = RateLimit.makeBuckets(RateLimit.rate(Limit.connectsPerMinute, 60_000))
  const strangersByAddress = new Map<string, number>()
  let strangers = 0
  let devices = 0
  const count = (address: string, more: number) => {
    strangers += more
    const left = (strangersByAddress.get(address) ?? 0) + more
    if (left > 0) strangersByAddress.set(address, left)
    else strangersByAddress.delete(address)
  }
  return {
    refusal: (address, nowMillis) => {
      if (devices >= peersMax || strangers >= peersMax) return 503
      if ((strangersByAddress.get(address) ?? 0) >= Limit.unauthenticatedPerAddressMax) return 429
      return connects.take(address, nowMillis) > 0 ? 429 : undefined
    },
    enter: (address) => {
      let stage: "stranger" | "device" | "gone" = "stranger"
      count(address, 1)
      const end = (next: typeof stage) => {
        if (stage === "stranger") count(address, -1)
        if (stage === "device") devices--
        if (next === "device") devices++
        stage = next
      }
      return { met: () => end("device"), isMet: () => stage === "device", left: () => end("gone") }
    }
  }
}

// -- addresses ---------------------------------------------------------------------------------------------------------

/** Where others find a device that listens on all addresses: those of this machine that are more than its own or a link's. */
const urlsOf = (host: string, { port, url }: WebSocketListener.Listening): ReadonlyArray<string> => {
  if (host !== "0.0.0.0" && host !== "::") return [url]
  const found = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []).flatMap((
    { address, family, internal }
  ) => internal || address.startsWith("fe80") || (family === "IPv6" && host === "0.0.0.0") ? [] : [address])
  return found.length === 0 ? [url] : found.map((address) => `ws://${WebSocketListener.inUrl(address)}:${port}/`)
}
