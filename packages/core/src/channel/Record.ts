/**
 * Records: how messages of a channel lie in messages of its connection (docs/spec/channel.md).
 *
 *   connection message   1..n × ( u16 length ‖ sealed record )        at most Limit.carrierBytesMax
 *   record               flag ‖ body
 *     00 more    body is full and a piece of a message; its next piece follows
 *     01 last    body is a whole message, or its last piece
 *     02 rekey   no body: the last record under this key
 *     03 many    body is 2..MANY_MAX × ( u16 length ‖ message )
 *
 * 1. Small messages that are sent together share a record, records share a connection message, a large message takes
 *    several of both.
 * 2. Each direction has its own key and count. Its sender rekeys after sealing a `rekey`, its receiver after opening it.
 *    `rekey` and `many` stand between messages only.
 * 3. A receiver knows from lengths alone, before it opens or keeps anything, that a message would become too large.
 * 4. Whatever is not the next sealed record of the other side ends the channel.
 */
import { concat } from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import { ChannelFailed } from "./ChannelError.ts"
import type { Cipher } from "./Cipher.ts"
import { TAG_BYTES } from "./SymmetricState.ts"

const FLAG = { more: 0x00, last: 0x01, rekey: 0x02, many: 0x03 } as const

const LENGTH_BYTES = 2
const FLAG_BYTES = 1
const OVERHEAD_BYTES = TAG_BYTES + FLAG_BYTES

/** The most that one record carries of a message. */
export const BODY_BYTES_MAX = Limit.recordBytesMax - OVERHEAD_BYTES

/** Messages that share a record: beyond, sharing gains nothing, and a sender could make its peer hold many tiny ones. */
export const MANY_MAX = 256

/** Seals messages of one direction. */
export interface Writer {
  /**
   * Takes a message and answers the connection messages that became full by it. It is not copied before it is sealed,
   * which may be as late as `flush`. A message above the limit is a bug.
   */
  readonly add: (message: Uint8Array, nowMillis: number) => ReadonlyArray<Uint8Array>
  /** Seals what is left and answers the connection messages that are begun. */
  readonly flush: () => ReadonlyArray<Uint8Array>
}

/** When a key has served: bytes sealed under it, and its age. */
export interface RekeyPolicy {
  readonly bytes: number
  readonly millis: number
}

/** The protocol's own. */
export const REKEY: RekeyPolicy = { bytes: Limit.rekeyBytes, millis: Limit.rekeyMillis }

export const makeWriter = (cipher: Cipher, elapsedMillis: number, rekey: RekeyPolicy = REKEY): Writer => {
  let records: Array<Uint8Array> = []
  let carrierBytes = 0
  let small: Array<Uint8Array> = []
  let smallBytes = 0
  let keyBytes = 0
  let keyMillis = elapsedMillis

  const closeCarrier = (): Uint8Array | undefined => {
    if (records.length === 0) return undefined
    const carrier = joined(records, carrierBytes, 0)
    records = []
    carrierBytes = 0
    return carrier
  }

  /** Seals a record whose first byte is still to be written. */
  const put = (full: Array<Uint8Array>, flag: number, plaintext: Uint8Array): void => {
    const size = LENGTH_BYTES + plaintext.length + TAG_BYTES
    const finished = carrierBytes + size > Limit.carrierBytesMax ? closeCarrier() : undefined
    if (finished !== undefined) full.push(finished)
    plaintext[0] = flag
    records.push(cipher.seal(plaintext))
    carrierBytes += size
    keyBytes += plaintext.length
  }

  const putSmall = (full: Array<Uint8Array>): void => {
    const [first, second] = small
    if (first === undefined) return
    if (second === undefined) put(full, FLAG.last, withRoom(first))
    else put(full, FLAG.many, joined(small, FLAG_BYTES + smallBytes, FLAG_BYTES))
    small = []
    smallBytes = 0
  }

  const putLarge = (full: Array<Uint8Array>, message: Uint8Array): void => {
    let at = 0
    for (; message.length - at > BODY_BYTES_MAX; at += BODY_BYTES_MAX) {
      put(full, FLAG.more, withRoom(message.subarray(at, at + BODY_BYTES_MAX)))
    }
    put(full, FLAG.last, withRoom(message.subarray(at)))
  }

  return {
    add: (message, millis) => {
      if (message.length > Limit.messageBytesMax) {
        throw new RangeError(`a message of ${message.length} bytes, at most ${Limit.messageBytesMax} fit a channel`)
      }
      const full: Array<Uint8Array> = []
      const aged = keyBytes + smallBytes >= rekey.bytes || millis - keyMillis >= rekey.millis
      const size = LENGTH_BYTES + message.length
      if (aged || smallBytes + size > BODY_BYTES_MAX || small.length === MANY_MAX) putSmall(full)
      if (aged) {
        put(full, FLAG.rekey, new Uint8Array(FLAG_BYTES))
        cipher.rekey()
        keyBytes = 0
        keyMillis = millis
      }
      if (size > BODY_BYTES_MAX || message.length === 0) {
        putSmall(full)
        putLarge(full, message)
      } else {
        small.push(message)
        smallBytes += size
      }
      return full
    },
    flush: () => {
      const full: Array<Uint8Array> = []
      putSmall(full)
      const rest = closeCarrier()
      return rest === undefined ? full : [...full, rest]
    }
  }
}

/** Parts, each after its length in two bytes, in an array of `sizeBytes` whose first `before` bytes are left free. */
const joined = (parts: ReadonlyArray<Uint8Array>, sizeBytes: number, before: number): Uint8Array => {
  const out = new Uint8Array(sizeBytes)
  let at = before
  for (const part of parts) {
    out[at++] = part.length >>> 8
    out[at++] = part.length & 0xff
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A body after room for its flag. */
const withRoom = (body: Uint8Array): Uint8Array => {
  const plaintext = new Uint8Array(FLAG_BYTES + body.length)
  plaintext.set(body, FLAG_BYTES)
  return plaintext
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

  const acceptPiece = (body: Uint8Array): string | undefined => {
    if (body.length !== BODY_BYTES_MAX) return "a piece is not full"
    pieces.push(body)
    pieceBytes += body.length
    return undefined
  }

  /** Does what the flag says with a body; answers what is wrong with it. */
  const accept = (flag: number | undefined, body: Uint8Array, messages: Array<Uint8Array>): string | undefined => {
    if (flag === FLAG.more) return acceptPiece(body)
    if (flag === FLAG.last) {
      messages.push(pieces.length === 0 ? body : concat(...pieces, body))
      pieces = []
      pieceBytes = 0
      return undefined
    }
    if (flag === FLAG.rekey) {
      if (body.length !== 0 || pieces.length > 0) return "a rekey is out of place"
      cipher.rekey()
      return undefined
    }
    if (flag !== FLAG.many) return "a flag is unknown"
    return pieces.length > 0 || !takeMany(body, messages) ? "shared messages are out of place" : undefined
  }

  /** Takes one sealed record and adds what it completes to `messages`. */
  const take = (sealed: Uint8Array, messages: Array<Uint8Array>): ChannelFailed | undefined => {
    const bodyBytes = sealed.length - OVERHEAD_BYTES
    if (bodyBytes < 0) return fail("record", "a record is too short")
    if (pieceBytes + bodyBytes > Limit.messageBytesMax) return fail("oversized", "a message is too long")
    const record = cipher.open(sealed)
    if (record === undefined) return fail("record", "a record does not open")
    const wrong = accept(record[0], record.subarray(FLAG_BYTES), messages)
    return wrong === undefined ? undefined : fail("record", wrong)
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
        const part = partAt(carrier, at)
        if (part === undefined) return Result.fail(fail("record", "a record is truncated"))
        const failure = take(part, messages)
        if (failure !== undefined) return Result.fail(failure)
        at += LENGTH_BYTES + part.length
      }
      return Result.succeed(messages)
    }
  }
}

/** The part whose length stands at `at`, when all of it is there. */
const partAt = (bytes: Uint8Array, at: number): Uint8Array | undefined => {
  const start = at + LENGTH_BYTES
  const end = start + ((bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0))
  return start > bytes.length || end > bytes.length ? undefined : bytes.subarray(start, end)
}

/** Adds the messages that share a record. False when it is not two or more, whole and not empty. */
const takeMany = (body: Uint8Array, messages: Array<Uint8Array>): boolean => {
  let count = 0
  for (let at = 0; at < body.length; count++) {
    const part = partAt(body, at)
    if (part === undefined || part.length === 0 || count === MANY_MAX) return false
    messages.push(part)
    at += LENGTH_BYTES + part.length
  }
  return count > 1
}
