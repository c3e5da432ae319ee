/**
 * What core asks of the network: whole binary messages, in order, both ways, with back-pressure (protocol.md §5a).
 *
 * A WebSocket gives the message borders; the Noise channel above gives secrecy. The simulator's network, a WebSocket
 * and a pair of queues in a test are all `Connection`s.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** The connection ended: `clean` when the other side closed it in order. */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  clean: Schema.Boolean,
  detail: Schema.String
}) {
  override get message() {
    return `The connection ended (${this.detail}). What you wrote is kept on this device and goes out on the next one.`
  }
}

/** No connection came about. `cause` says how far it got: `address` (does not parse), `refused`, `timeout`, `network`. */
export class RelayUnreachable extends Schema.TaggedError<RelayUnreachable>()("RelayUnreachable", {
  url: Schema.String,
  reason: Schema.Literals(["address", "refused", "timeout", "network"]),
  detail: Schema.String
}) {
  override get message() {
    return `No answer from ${this.url} (${this.reason}: ${this.detail}). Your edits are saved here and go out later; ` +
      "`sotto doctor` tests each step."
  }
}

/** One open connection. It ends with the scope that opened it. */
export interface Connection {
  /** The next messages, at least one. */
  readonly receive: Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, ConnectionClosed>
  /** Hands a message to the network; waits while more than a bounded amount is queued there. */
  readonly send: (message: Uint8Array) => Effect.Effect<void, ConnectionClosed>
  /** Where the other side is, for limits per address; never logged. */
  readonly remoteAddress: string
}

/** Opens connections to relays and devices. Who answers there is for the channel above to find out. */
export class Transport extends Context.Service<Transport, {
  readonly connect: (to: { readonly url: string }) => Effect.Effect<Connection, RelayUnreachable, Scope.Scope>
}>()("@sotto/core/Transport") {}
