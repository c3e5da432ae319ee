/**
 * Records: how messages of a channel lie in messages of its connection (docs/spec/channel.md).
 *
 *   connection message   1..n × ( u16 length ‖ sealed record )        at most Limit.carrierBytesMax
 *   record               flag ‖ body                                  00 more follows (body is full) · 01 last · 02 rekey (no body)
 *
 * 1. Small messages that are sent together share a connection message; a large one takes several.
 * 2. Each direction has its own key and count. `02` is the last record under a key; its sender rekeys after sealing it,
 *    its receiver after opening it. It stands between messages only.
 * 3. A receiver knows from lengths alone, before it opens or keeps anything, that a message would become too large.
 * 4. Whatever is not the next sealed record of the other side ends the channel.
 */
import { concat } from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import { ChannelFailed } from "./ChannelError.ts"
import type { Cipher } from "./Cipher.ts"
import { TAG_BYTES } from "./SymmetricState.ts"

const FLAG = { more: 0x00, last: 0x01, rekey: 0x02 } as const

const LENGTH_BYTES = 2
const FLAG_BYTES = 1

/** The most that one record carries of a message. */
export const BODY_BYTES_MAX = Limit.recordBytesMax - TAG_BYTES - FLAG_BYTES

const OVERHEAD_BYTES = TAG_BYTES + FLAG_BYTES

/** Seals messages of one direction. */
export interface Writer {
  /** Takes a message and answers the connection messages that became full by it. A message above the limit is a bug. */
  readonly add: (message: Uint8Array, nowMillis: number) => ReadonlyArray<Uint8Array>
  /** The connection message that is begun, if one is. */
  readonly flush: () => Uint8Array | undefined
}

/** When a key has served: bytes sealed under it, and its age. */
export interface RekeyPolicy {
  readonly bytes: number
  readonly millis: number
}

/** The protocol's own. */
export const REKEY: RekeyPolicy = { bytes: Limit.rekeyBytes, millis: Limit.rekeyMillis }

export const makeWriter = (cipher: Cipher, nowMillis: number, rekey: RekeyPolicy = REKEY): Writer => {
  let records: Array<Uint8Array> = []
  let carrierBytes = 0
  let keyBytes = 0
  let keyMillis = nowMillis

  const flush = (): Uint8Array | undefined => {
    if (records.length === 0) return undefined
    const carrier = new Uint8Array(carrierBytes)
    let at = 0
    for (const record of records) {
      carrier[at++] = record.length >>> 8
      carrier[at++] = record.length & 0xff
      carrier.set(record, at)
      at += record.length
    }
    records = []
    carrierBytes = 0
    return carrier
  }

  const put = (full: Array<Uint8Array>, flag: number, body: Uint8Array): void => {
    const size = LENGTH_BYTES + body.length + OVERHEAD_BYTES
    const finished = carrierBytes + size > Limit.carrierBytesMax ? flush() : undefined
    if (finished !== undefined) full.push(finished)
    const plaintext = new Uint8Array(FLAG_BYTES + body.length)
    plaintext[0] = flag
    plaintext.set(body, FLAG_BYTES)
    records.push(cipher.seal(plaintext))
    carrierBytes += size
    keyBytes += body.length
  }

  return {
    add: (message, millis) => {
      if (message.length > Limit.messageBytesMax) {
        throw new RangeError(`a message of ${message.length} bytes, at most ${Limit.messageBytesMax} fit a channel`)
      }
      const full: Array<Uint8Array> = []
      if (keyBytes >= rekey.bytes || millis - keyMillis >= rekey.millis) {
        put(full, FLAG.rekey, message.subarray(0, 0))
        cipher.rekey()
        keyBytes = 0
        keyMillis = millis
      }
      let at = 0
      for (; message.length - at > BODY_BYTES_MAX; at += BODY_BYTES_MAX) {
        put(full, FLAG.more, message.subarray(at, at + BODY_BYTES_MAX))
      }
      put(full, FLAG.last, message.subarray(at))
      return full
    },
    flush
  }
}

/** Opens messages of one direction. */
export interface Reader {
  /** The messages that a connection message completes, in order; none while one is still in pieces. */
  readonly open: (carrier: Uint8Array) => Result.Result<ReadonlyArray<Uint8Array>, ChannelFailed>
}

/** After a failure it opens nothing more. */
export const makeReader = (cipher: Cipher): Reader => {
  let pieces: Array<Uint8Array> = []
  let pieceBytes = 0
  let failed: ChannelFailed | undefined

  const fail = (reason: "record" | "oversized", detail: string): ChannelFailed => {
    failed = new ChannelFailed({ reason, detail })
    pieces = []
    return failed
  }

  /** Takes one sealed record and adds what it completes to `messages`. */
  const take = (sealed: Uint8Array, messages: Array<Uint8Array>): ChannelFailed | undefined => {
    const bodyBytes = sealed.length - OVERHEAD_BYTES
    if (bodyBytes < 0) return fail("record", "a record is too short")
    if (pieceBytes + bodyBytes > Limit.messageBytesMax) return fail("oversized", "a message is too long")
    const record = cipher.open(sealed)
    if (record === undefined) return fail("record", "a record does not open")
    const body = record.subarray(FLAG_BYTES)
    const flag = record[0]
    if (flag === FLAG.last) {
      messages.push(pieces.length === 0 ? body : concat(...pieces, body))
      pieces = []
      pieceBytes = 0
    } else if (flag === FLAG.more) {
      if (bodyBytes !== BODY_BYTES_MAX) return fail("record", "a piece is not full")
      pieces.push(body)
      pieceBytes += bodyBytes
    } else if (flag === FLAG.rekey) {
      if (bodyBytes !== 0 || pieces.length > 0) return fail("record", "a rekey is out of place")
      cipher.rekey()
    } else return fail("record", "a flag is unknown")
    return undefined
  }

  return {
    open: (carrier) => {
      if (failed !== undefined) return Result.fail(failed)
      if (carrier.length > Limit.carrierBytesMax) {
        return Result.fail(fail("oversized", "a connection message is too long"))
      }
      if (carrier.length === 0) return Result.fail(fail("record", "a connection message is empty"))
      const messages: Array<Uint8Array> = []
      for (let at = 0; at < carrier.length;) {
        const end = at + LENGTH_BYTES + ((carrier[at] ?? 0) << 8 | (carrier[at + 1] ?? 0))
        if (end > carrier.length || at + LENGTH_BYTES > carrier.length) {
          return Result.fail(fail("record", "a record is truncated"))
        }
        const failure = take(carrier.subarray(at + LENGTH_BYTES, end), messages)
        if (failure !== undefined) return Result.fail(failure)
        at = end
      }
      return Result.succeed(messages)
    }
  }
}
