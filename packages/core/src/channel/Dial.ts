/**
 * From an address to a relay's two planes: transport, secure channel, demultiplexing and the client of the control
 * plane, all in one scope. What a running client, a pairing and a diagnosis begin with alike.
 */
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { RelayKeys } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Crypto } from "../Crypto.ts"
import { type ConnectionClosed, type RelayUnreachable, Transport } from "../Transport.ts"
import * as Channel from "./Channel.ts"
import type { ChannelFailed, RelayKeyMismatch } from "./ChannelError.ts"
import * as Control from "./Control.ts"
import * as Demux from "./Demux.ts"

/** Why no channel to a relay came about. */
export type DialFailed = RelayUnreachable | ConnectionClosed | ChannelFailed | RelayKeyMismatch

/** An open channel to a relay, not yet attached to any route. */
export interface Line {
  /** What proofs of access are signed over. */
  readonly handshakeHash: Uint8Array
  readonly relayKeys: RelayKeys
  readonly control: Control.RelayClient
  readonly data: Demux.Plane
}

/** Connects; everything ends with the scope. `known`: the relay's keys from an earlier connection, saving their bytes. */
export const dial: (
  address: RelayAddress,
  known?: RelayKeys
) => Effect.Effect<Line, DialFailed, Transport | Crypto | Scope.Scope> = Effect.fn("Dial.dial")(
  function*(address, known) {
    const transport = yield* Transport
    const connection = yield* transport.connect(address)
    const channel = yield* Channel.connect(connection, { address, ...(known === undefined ? {} : { known }) })
    const { control, data } = yield* Demux.make(channel)
    return {
      handshakeHash: channel.handshakeHash,
      relayKeys: channel.relayKeys,
      control: yield* Control.makeClient(control),
      data
    }
  }
)
