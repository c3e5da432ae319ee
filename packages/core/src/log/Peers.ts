/**
 * The devices that this one is connected to directly. How a connection comes about is the platform's; what happens on it
 * is here, until it ends.
 */
import type { DeviceId } from "@sotto/schema/Id"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Role } from "../channel/Pattern.ts"
import { Crypto } from "../Crypto.ts"
import type { ClientEvent } from "../Status.ts"
import type { Connection } from "../Transport.ts"
import type { Journal } from "./Journal.ts"
import * as PeerSession from "./PeerSession.ts"

export type { PeerEnded } from "./PeerSession.ts"

/** A device at the other end of an open connection. */
export interface PeerInfo {
  readonly device: DeviceId
  /** Whether this device connected, or the other one. */
  readonly role: Role
  readonly sinceMillis: number
  /** Envelopes that came over this connection, and that went. */
  readonly received: number
  readonly sent: number
}

/** What one comparison moved. */
export interface PeerReconciled {
  readonly device: DeviceId
  readonly received: number
  readonly sent: number
}

/** What a connection's owner is told of it. */
export interface PeerWatch {
  /** The other side has shown that it is a member. */
  readonly met?: (device: DeviceId) => Effect.Effect<void>
  /** Both have what the other had. Only on the side that connected. */
  readonly compared?: (moved: PeerReconciled) => Effect.Effect<void>
}

export interface Peers {
  /**
   * Speaks with the device at the other end: both get what the other has, then what each accepts. It ends with the
   * connection, or when it is interrupted. The side that connected is the `initiator`.
   */
  readonly speak: (
    connection: Connection,
    role: Role,
    watch?: PeerWatch
  ) => Effect.Effect<never, PeerSession.PeerEnded>
  /** Connected as the initiator: until both sides have what the other had. */
  readonly sync: (
    connection: Connection,
    watch?: PeerWatch
  ) => Effect.Effect<PeerReconciled, PeerSession.PeerEnded>
  readonly connected: Effect.Effect<ReadonlyArray<PeerInfo>>
}

interface Peer {
  readonly device: DeviceId
  readonly role: Role
  readonly sinceMillis: number
  readonly counts: PeerSession.Counts
}

/** `tell` passes events on. */
export const make = (
  journal: Journal,
  tell: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void>
): Peers => {
  const connected = new Set<Peer>()

  const speak: Peers["speak"] = (connection, role, watch = {}) =>
    Effect.suspend(() => {
      let peer: Peer | undefined
      const listener: PeerSession.Listener = {
        met: Effect.fnUntraced(function*(device, counts) {
          peer = { device, role, sinceMillis: yield* Clock.currentTimeMillis, counts }
          connected.add(peer)
          yield* tell([{ _tag: "PeerMet", device }])
          yield* watch.met?.(device) ?? Effect.void
        }),
        compared: (device) => {
          const { received = 0, sent = 0 } = peer?.counts ?? {}
          return Effect.andThen(
            tell([{ _tag: "PeerReconciled", device, received, sent }]),
            watch.compared?.({ device, received, sent }) ?? Effect.void
          )
        }
      }
      const left = Effect.suspend(() => {
        if (peer === undefined) return Effect.void
        connected.delete(peer)
        const { counts: { received, sent }, device } = peer
        return tell([{ _tag: "PeerLeft", device, received, sent }])
      })
      return Effect.scoped(PeerSession.run(journal, connection, { role, listener })).pipe(
        Effect.ensuring(left),
        Effect.provideService(Crypto, journal.crypto)
      )
    })

  return {
    speak,
    sync: (connection, watch = {}) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<PeerReconciled>()
        const session = speak(connection, "initiator", {
          ...watch,
          compared: (moved) =>
            Effect.andThen(watch.compared?.(moved) ?? Effect.void, Effect.asVoid(Deferred.succeed(done, moved)))
        })
        return Effect.raceFirst(session, Deferred.await(done))
      }),
    connected: Effect.sync(() =>
      [...connected].map(({ counts: { received, sent }, device, role, sinceMillis }) => ({
        device,
        role,
        sinceMillis,
        received,
        sent
      }))
    )
  }
}
