/** Writes entries by hand: what a device says, and what a device that lies could say. */
import { type Entry, entryCodec, type Op, unsignedEntryCodec } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import type { Head } from "@sotto/schema/Head"
import { EntryHash, Seq, type Signature } from "@sotto/schema/Id"
import type { MemberOp } from "@sotto/schema/Space"
import type { DeviceIdentity } from "../../src/Device.ts"
import * as Device from "../../src/Device.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import { applyOp, currentEpoch, type SpaceState, withEpoch } from "../../src/space/SpaceState.ts"
import { type CryptoService, expectSuccess, NOW, put, type Seat } from "./seededSpace.ts"

export interface Written {
  readonly bytes: Uint8Array
  readonly opened: Sealing.OpenedEnvelope
}

export interface Options {
  readonly ops?: ReadonlyArray<Op>
  readonly signed?: boolean
  /** Whose signature it carries; the device's own unless given. */
  readonly signer?: DeviceIdentity
  readonly signature?: Signature
  readonly seq?: number
  readonly prev?: EntryHash
  readonly millis?: number
  readonly lastHead?: Head
}

export const NO_HASH = EntryHash.make(new Uint8Array(32))

/** The operation by which `by` removes the author of an entry, of whom that entry is the last that counts. */
export const removalAfter = (
  crypto: CryptoService,
  by: Seat,
  { opened: { entry, hash, header } }: Written
): MemberOp => {
  const prepared = Rekey.prepare({
    crypto,
    state: by.state,
    signer: Membership.deviceSigner(crypto, by.identity),
    removed: [entry.device],
    cutoffs: [{ device: entry.device, lane: header.lane, seq: entry.seq, hash }],
    nowMillis: NOW
  })
  if (prepared === undefined) throw new Error("no key of the current epoch")
  return prepared.op
}

/** The operation by which `by` gives a space its next epoch, nobody removed, and the space as `by` has it then. */
export const rekeyed = (crypto: CryptoService, by: Seat): { readonly op: MemberOp; readonly state: SpaceState } => {
  const { state } = by
  const signer = Membership.deviceSigner(crypto, by.identity)
  const prepared = Rekey.prepare({ crypto, state, signer, removed: [], cutoffs: [], nowMillis: NOW })
  if (prepared === undefined) throw new Error("no key of the current epoch")
  const { adminSeed, op, secret } = prepared
  const next = withEpoch(crypto, expectSuccess(applyOp(crypto, state, op)), secret, adminSeed)
  if (next === undefined) throw new Error("a key that does not fit")
  return { op, state: next }
}

/** One entry in its envelope, opened again. */
export const write = (
  crypto: CryptoService,
  state: SpaceState,
  device: DeviceIdentity,
  options: Options & { readonly seq: number; readonly prev: EntryHash }
): Written => {
  const { millis = NOW, ops = [put("notes", "", "x")], prev, seq, signed = true, signer = device } = options
  const lane = Sealing.laneOf(state, { ops })
  const kind = ops[0] === undefined || ops[0].action._tag === "Control" ? 2 : 1
  const epoch = currentEpoch(state)
  const headerBytes = Envelope.encodeHeader({ suite: 1, kind, epoch: epoch.epoch, lane })
  const { lastHead = null } = options
  const unsigned = { device: device.id, seq: Seq.make(seq), prev, hlc: { millis, counter: 0 }, lastHead, ops }
  const hash = Sealing.entryHash(crypto, state.keys, headerBytes, unsignedEntryCodec.encode(unsigned))
  const signature = signed
    ? options.signature ?? Device.sign(crypto, signer, Sealing.signedBytes(state.keys, hash))
    : null
  const entry: Entry = { ...unsigned, signature }
  const plaintext = entryCodec.encode(entry)
  const { bytes } = Sealing.seal(crypto, {
    keys: state.keys,
    epoch,
    headerBytes,
    plaintext,
    random32: crypto.random(32)
  })
  return { bytes, opened: expectSuccess(Sealing.open(crypto, state, bytes)) }
}

/** A device's hand in one lane: each entry continues the one before it. */
export const pen = (crypto: CryptoService, state: SpaceState, device: DeviceIdentity) => {
  const { seal } = hand(crypto, state, device)
  return { write: (options: Options = {}): Sealing.OpenedEnvelope => seal(options).opened }
}

/** The same, with the envelopes. */
export const hand = (crypto: CryptoService, state: SpaceState, device: DeviceIdentity) => {
  let seq = 0
  let prev = NO_HASH
  return {
    seal: (options: Options = {}): Written => {
      const written = write(crypto, state, device, {
        ...options,
        seq: options.seq ?? seq + 1,
        prev: options.prev ?? prev
      })
      seq = written.opened.entry.seq
      prev = written.opened.hash
      return written
    }
  }
}
