/** Spaces, devices and operations for tests, all out of a seed: the same bytes in every run. */
import { sha256 } from "@noble/hashes/sha2.js"
import type { Action, Op } from "@sotto/schema/Entry"
import { type EntryHash, SigningKey } from "@sotto/schema/Id"
import { type MemberOp, ROLE, type Role, type SpacePolicy } from "@sotto/schema/Space"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Result from "effect/Result"
import type { Crypto } from "../../src/Crypto.ts"
import * as Portable from "../../src/crypto/Portable.ts"
import * as Device from "../../src/Device.ts"
import * as Keys from "../../src/space/Keys.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"

export type CryptoService = Crypto["Service"]

export const NOW = 1_790_000_000_000

/** SHA-256 in counter mode over a seed. */
const seededRandom = (seed: string): (length: number) => Uint8Array => {
  let counter = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      out.set(sha256(Utf8.encode(`${seed}/${counter++}`)).subarray(0, Math.min(32, length - at)), at)
    }
    return out
  }
}

/** The portable backend over a seed. */
export const seededCrypto = (seed: string): CryptoService =>
  Portable.make({ random: seededRandom(seed), backend: "seeded" })

/** What a `Result` must hold. */
export const expectSuccess = <A, E>(result: Result.Result<A, E>): A => {
  if (Result.isFailure(result)) throw new Error(`expected success, got ${String(result.failure)}`)
  return result.success
}

export const expectFailure = <A, E>(result: Result.Result<A, E>): E => {
  if (Result.isSuccess(result)) throw new Error("expected a failure")
  return result.failure
}

export interface Seat {
  readonly identity: Device.DeviceIdentity
  readonly state: SpaceState.SpaceState
}

export interface TestSpace extends Seat {
  readonly crypto: CryptoService
  readonly recovery: Keys.RecoveryKeys
}

/** A space with its creator. */
export const makeSpace = (seed: string, policy: Partial<SpacePolicy> = {}): TestSpace => {
  const crypto = seededCrypto(seed)
  const identity = Device.generate({ crypto, label: "creator", nowMillis: NOW })
  const recovery = Keys.makeRecovery({ crypto, suite: 1, secret: crypto.random(32) })
  const state = SpaceState.create({
    crypto,
    creator: identity,
    policy: { lanes: 0, history: 1, ...policy },
    recovery: (random) => SigningKey.make(recovery.signing(random).publicKey)
  })
  return { crypto, identity, recovery, state }
}

/** A new device and the operation by which `host` adds it. */
export const invite = (
  crypto: CryptoService,
  host: Seat,
  label: string,
  role: Role = ROLE.write
): { readonly identity: Device.DeviceIdentity; readonly op: MemberOp } => {
  const identity = Device.generate({ crypto, label, nowMillis: NOW })
  const { certificate } = identity
  return {
    identity,
    op: Membership.addMember(crypto, host.state.membership, host.identity, { certificate, role, nowMillis: NOW })
  }
}

/** Adds a device to a space: what the host knows after it, and what the new device begins with. */
export const join = (crypto: CryptoService, host: Seat, label: string, role: Role = ROLE.write) => {
  const { identity, op } = invite(crypto, host, label, role)
  const state = expectSuccess(SpaceState.applyOp(crypto, host.state, op))
  const welcome = SpaceState.toWelcome(crypto, state, { relays: [], admin: role >= ROLE.admin })
  const joined = expectSuccess(SpaceState.fromWelcome(crypto, welcome, { device: identity.id }))
  return { host: { ...host, state }, guest: { identity, state: joined }, op }
}

export const textBytes = (text: string): Uint8Array => Utf8.encode(text)

const operation = (
  collection: string,
  key: string,
  action: Action,
  parents: ReadonlyArray<EntryHash> = []
): Op => ({ collection, key, parents, action })

export const put = (
  collection: string,
  key: string,
  value: string | Uint8Array,
  parents: ReadonlyArray<EntryHash> = []
) => operation(collection, key, { _tag: "Put", value: typeof value === "string" ? Utf8.encode(value) : value }, parents)

export const control = (op: MemberOp) => operation("", "", { _tag: "Control", op })
