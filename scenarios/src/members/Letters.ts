/**
 * What people hand each other outside of the network: who wants to come into a space, and what lets them. It stands in for
 * pairing, which has a simulation of its own.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Codec } from "@sotto/schema/Codec"
import { type Certificate, certificateCodec } from "@sotto/schema/Device"
import { type RelayAddress, type WelcomeBody, welcomeBodyCodec } from "@sotto/schema/Pairing"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { addressFact } from "../node/RelayNode.ts"

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16))

const read = <A>({ facts }: Node.Base, name: string, codec: Codec<A>): A | undefined => {
  const hex = facts.lookup(name)
  const decoded = typeof hex === "string" ? codec.decode(fromHex(hex)) : undefined
  return decoded === undefined || Result.isFailure(decoded) ? undefined : decoded.success
}

const askName = (name: string): string => `certificate of ${name}`
const welcomeName = (name: string): string => `welcome of ${name}`

/** Asks to be let in. A device that was made anew has no use for what lets its predecessor in. */
export const ask = ({ facts, name }: Node.Base, certificate: Certificate): void => {
  const asks = Bytes.toHex(certificateCodec.encode(certificate))
  if (facts.lookup(askName(name)) === asks) return
  facts.publish(askName(name), asks)
  if (facts.lookup(welcomeName(name)) !== undefined) facts.publish(welcomeName(name), null)
}

/** Who asked. */
export const asked = (host: Node.Base, name: string): Certificate | undefined =>
  read(host, askName(name), certificateCodec)

/** Lets in who asked with this certificate, unless another one asks under its name by now. */
export const welcome = ({ facts }: Node.Base, name: string, certificate: Certificate, body: WelcomeBody): void => {
  if (facts.lookup(askName(name)) !== Bytes.toHex(certificateCodec.encode(certificate))) return
  facts.publish(welcomeName(name), Bytes.toHex(welcomeBodyCodec.encode(body)))
}

export const isWelcomed = ({ facts }: Node.Base, name: string): boolean =>
  typeof facts.lookup(welcomeName(name)) === "string"

/** How often a device looks whether it was welcomed. */
const LOOK_MILLIS = 100

/** Waits until somebody lets this device in. */
export const welcomed = (host: Node.Base): Effect.Effect<WelcomeBody> =>
  Effect.suspend(() => {
    const body = read(host, welcomeName(host.name), welcomeBodyCodec)
    return body === undefined
      ? Effect.andThen(Effect.sleep(LOOK_MILLIS), welcomed(host))
      : Effect.succeed(body)
  })

/** The name of the space's route at its first relay: whoever saw a relay's disk knows it. */
export const route = (host: Node.Base): Uint8Array | undefined => {
  const hex = host.facts.lookup("route")
  return typeof hex === "string" ? fromHex(hex) : undefined
}

export const tellRoute = ({ facts }: Node.Base, route: Uint8Array): void => facts.publish("route", Bytes.toHex(route))

/** What the first relay of a kind told of where it is. */
export const relayOf = (host: Node.Base, kind = "relay"): RelayAddress | undefined => {
  const [name] = host.others(kind)
  const text = name === undefined ? undefined : host.facts.lookup(addressFact(name))
  const address = typeof text === "string" ? relayAddressFromText(text) : undefined
  return address === undefined || Result.isFailure(address) ? undefined : address.success
}

/** Waits until the relay has told it. */
export const relay = (host: Node.Base): Effect.Effect<RelayAddress> =>
  Effect.suspend(() => {
    const address = relayOf(host)
    return address === undefined ? Effect.andThen(Effect.sleep(LOOK_MILLIS), relay(host)) : Effect.succeed(address)
  })
