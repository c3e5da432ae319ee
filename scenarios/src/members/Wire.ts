/** A connection to a relay of somebody who does not use the client: says what it likes, and hears what is answered. */
import * as Dial from "@sotto/core/channel/Dial"
import type { Crypto } from "@sotto/core/Crypto"
import { currentEpoch, type SpaceState } from "@sotto/core/space/SpaceState"
import type { Transport } from "@sotto/core/Transport"
import { type ClientFrame, clientFrameCodec, type RelayFrame, relayFrameCodec } from "@sotto/schema/Frame"
import { Position, type RouteId, Signature } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Proof from "@sotto/schema/Proof"
import type { Capability } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"

/** Signs a proof, or makes one up. */
export type Prove = (capability: Capability, message: Uint8Array) => Uint8Array

export interface Wire {
  readonly handle: number
  readonly say: (frame: ClientFrame) => Effect.Effect<void, unknown>
  /** The next frames. */
  readonly hear: Effect.Effect<ReadonlyArray<RelayFrame>, unknown>
}

/** Connects and attaches a route, reading and writing. */
export const attach: (
  address: RelayAddress,
  route: { readonly route: RouteId; readonly epoch: Parameters<typeof Proof.attach>[0]["epoch"] },
  prove: Prove
) => Effect.Effect<Wire, unknown, Transport | Crypto | Scope.Scope> = Effect.fnUntraced(
  function*(address, { epoch, route }, prove) {
    const { control, data, handshakeHash } = yield* Dial.dial(address)
    const proofOf = (capability: "read" | "write") => ({
      capability,
      signature: Signature.make(prove(capability, Proof.attach({ handshakeHash, route, epoch, capability })))
    })
    const { handle } = yield* control.Attach({ route, epoch, proofs: [proofOf("read"), proofOf("write")] })
    return {
      handle,
      say: (frame) => Effect.suspend(() => data.send(clientFrameCodec.encodeAfter(1, frame))),
      hear: Effect.map(data.receive, (messages) =>
        messages.flatMap((message) => {
          const frame = relayFrameCodec.decode(message)
          return Result.isSuccess(frame) ? [frame.success] : []
        }))
    }
  }
)

/** Before everything that is in a log. */
export const START = Position.make(0)

/** As `attach`, with the keys of the space. */
export const attachAsMember = (
  crypto: Crypto["Service"],
  state: SpaceState,
  address: RelayAddress
): Effect.Effect<Wire, unknown, Transport | Crypto | Scope.Scope> => {
  const { epoch, readCapability, writeCapability } = currentEpoch(state)
  const route = state.keys.routeId(address.key)
  return attach(address, { route, epoch }, (capability, message) => {
    const { secretKey } = capability === "read" ? readCapability(address.key) : writeCapability(address.key)
    return crypto.signature.sign(secretKey, message)
  })
}

/** No command over a wire lasts longer: there is no keep-alive that would notice a dead one. */
const LONGEST_MILLIS = 25_000

/** Runs what uses a wire, and lets go of it afterwards. */
export const using = <A, E, R>(
  use: Effect.Effect<A, E, R | Scope.Scope>
): Effect.Effect<void, E, Exclude<R, Scope.Scope>> =>
  Effect.asVoid(Effect.timeoutOption(Effect.scoped(use), LONGEST_MILLIS))
