/** Codecs of each call's payload and success, by its name (schema/Relay), compiled once when the module loads. */
import { EMPTY } from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { RelayRpcs } from "@sotto/schema/Relay"
import * as Result from "effect/Result"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"

/** The calls of the control plane. */
export type Calls = RpcGroup.Rpcs<typeof RelayRpcs>

/** A call's payload and success as bytes. One that has none is empty. */
export interface CallCodec {
  readonly tag: Rpc.Tag<Calls>
  readonly encodePayload: (payload: Rpc.Payload<Calls>) => Uint8Array
  readonly decodePayload: (bytes: Uint8Array) => Result.Result<Rpc.Payload<Calls>, Codec.CodecError>
  readonly encodeSuccess: (success: Rpc.Success<Calls>) => Uint8Array
  readonly decodeSuccess: (bytes: Uint8Array) => Result.Result<Rpc.Success<Calls>, Codec.CodecError>
}

const NONE = {
  encode: () => EMPTY,
  decode: (bytes: Uint8Array) =>
    bytes.length === 0
      ? Result.succeed(undefined)
      : Result.fail(new Codec.CodecError({ reason: "trailing", offset: 0 }))
}

const byMethod: ReadonlyMap<string, CallCodec> = new Map(
  Array.from(RelayRpcs.requests, ([method, rpc]) => {
    const payload = rpc.payloadSchema.ast._tag === "Void" ? NONE : Codec.make(rpc.payloadSchema, method)
    const success = rpc.successSchema.ast._tag === "Void" ? NONE : Codec.make(rpc.successSchema, method)
    return [method, {
      tag: rpc._tag,
      encodePayload: payload.encode,
      decodePayload: payload.decode,
      encodeSuccess: success.encode,
      decodeSuccess: success.decode
    }]
  })
)

/** The codecs of a call, if there is one of this name. */
export const forMethod = (method: string): CallCodec | undefined => byMethod.get(method)
