/**
 * A counter that devices add to at the same time (a PN-counter: Shapiro et al., 2011, "A comprehensive study of convergent
 * and commutative replicated data types", §3.1.3). Its value says for each device how much it ever added and took away, so
 * that nothing is counted twice and no base is needed.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FoldOptions, joining, type Strategy } from "./Strategy.ts"

/** What one device counted in all. Both numbers only grow. */
const Share = Schema.Struct({ device: DeviceId, added: uint(), taken: uint() })

/** A counter: shares ascending by device. */
const Shares = boundedArray(Share, Limit.membersMax)
type Shares = typeof Shares.Type

const codec = Codec.make(Shares, "Counter")

const isAscending = (shares: Shares): boolean =>
  shares.every(({ device }, at) => {
    const before = shares[at - 1]
    return before === undefined || Bytes.compare(before.device, device) < 0
  })

const decode = (bytes: Uint8Array): Shares | undefined => {
  const decoded = Result.getOrUndefined(codec.decode(bytes))
  return decoded === undefined || !isAscending(decoded) ? undefined : decoded
}

/** The union of two counters; where both have a device, `both` says what of it. */
const join = (a: Shares, b: Shares): Shares => {
  const byDevice = new Map(a.map((share) => [Bytes.toHex(share.device), share]))
  for (const share of b) {
    const device = Bytes.toHex(share.device)
    const other = byDevice.get(device) ?? share
    byDevice.set(device, {
      device: share.device,
      added: Math.max(other.added, share.added),
      taken: Math.max(other.taken, share.taken)
    })
  }
  return [...byDevice.values()].sort((x, y) => Bytes.compare(x.device, y.device))
}

/** The bytes of a counter; undefined when more devices counted than a space has members. */
const encode = (shares: Shares): Uint8Array | undefined =>
  shares.length > Limit.membersMax ? undefined : codec.encode(shares)

/** Merges counters. */
export const counter = ({ onDelete = "conflict" }: FoldOptions = {}): Strategy =>
  joining({ name: "counter", decode, encode, join, onDelete })

/** A counter that nobody counted with. */
export const zero: Uint8Array = codec.encode([])

/** What a counter stands at; undefined for bytes that are none. Exact below 2^53. */
export const total = (value: Uint8Array): number | undefined =>
  decode(value)?.reduce((sum, { added, taken }) => sum + added - taken, 0)

/**
 * A counter after this device added a whole number, which may be below zero. Undefined for bytes that are none, and when the
 * device's share, or the number of devices, would be more than a counter holds.
 */
export const add = (value: Uint8Array, device: DeviceId, amount: number): Uint8Array | undefined => {
  const shares = decode(value)
  if (shares === undefined || !Number.isSafeInteger(amount)) return undefined
  const own = shares.find((share) => Bytes.equals(share.device, device)) ?? { device, added: 0, taken: 0 }
  const added = own.added + Math.max(0, amount)
  const taken = own.taken + Math.max(0, -amount)
  if (!Number.isSafeInteger(added) || !Number.isSafeInteger(taken)) return undefined
  return encode(join(shares, [{ device, added, taken }]))
}
