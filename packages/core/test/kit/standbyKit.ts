/** A relay, its standby, and a network between them that a test may cut. */
import * as Connection from "@sotto/core/channel/Connection"
import * as RelayKeyring from "@sotto/core/channel/RelayKeyring"
import type { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Standby from "@sotto/core/relay/Standby"
import * as Secret from "@sotto/core/Secret"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import type { RelayKey } from "@sotto/schema/Id"
import { Signature } from "@sotto/schema/Id"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

type Store = RelayStore["Service"]

/** A relay's key, as its storage keeps it, in another storage: what a backup would bring. */
export const copyKey = Effect.fnUntraced(function*(from: Store, to: Store) {
  const key = yield* from.secret.get("relay-identity")
  if (key !== undefined) yield* to.secret.set("relay-identity", key)
})

/** Signs as the relay does whose storage this is. */
export const signerOf = Effect.fnUntraced(function*(crypto: Crypto["Service"], store: Store) {
  const kept = (yield* store.secret.get("relay-identity")) ?? new Uint8Array()
  const { signing } = Result.getOrThrow(RelayKeyring.decode(crypto, kept))
  return (message: Uint8Array) => Signature.make(crypto.signature.sign(Secret.reveal(signing), message))
})

export type Key = RelayKey
export const now = Clock.currentTimeMillis

/** The way to one relay. `cut` ends all connections; while `down` is set none comes about. */
export interface Wire {
  readonly transport: Transport["Service"]
  readonly cut: Effect.Effect<void>
  /** From now on nothing arrives on the connections that are open. */
  readonly mute: Effect.Effect<void>
  down: boolean
  /** Connections that came about. */
  connects: number
}

export const wireTo = Effect.fnUntraced(function*(relay: () => Relay.Relay["Service"]) {
  const scope = yield* Effect.scope
  const open = new Set<Effect.Effect<void>>()
  let muted = 0
  const wire: Wire = {
    down: false,
    connects: 0,
    mute: Effect.sync(() => {
      muted = wire.connects
    }),
    cut: Effect.suspend(() => Effect.forEach(Array.from(open), (close) => close, { discard: true })),
    transport: Transport.of({
      connect: ({ url }) =>
        Effect.gen(function*() {
          if (wire.down) return yield* new RelayUnreachable({ url, reason: "refused", detail: "as the test wants" })
          const [near, far] = yield* Connection.pair
          const number = ++wire.connects
          const close = Effect.andThen(near.close, far.close)
          open.add(close)
          yield* Effect.forkIn(Effect.ensuring(relay().serve(far), close), scope)
          yield* Effect.addFinalizer(() => Effect.sync(() => open.delete(close)))
          yield* Effect.addFinalizer(() => close)
          const receive = Effect.flatMap(near.receive, (messages) =>
            number <= muted ? Effect.never : Effect.succeed(messages))
          return { ...near, receive }
        })
    })
  }
  return wire
})

/** A relay over a store. */
export const relayOver = (store: Store, settings?: RelaySettings, role?: { readonly standby: boolean }) =>
  Relay.make(settings, role).pipe(
    Effect.provideService(RelayStore, store),
    Effect.provideService(Hints.Hints, Hints.makeLocal())
  )

export const standbyOver = (store: Store, key: RelayKey, wire: Wire) =>
  Standby.make({ url: "ws://relay/", key }).pipe(
    Effect.provideService(RelayStore, store),
    Effect.provideService(Transport, wire.transport)
  )
