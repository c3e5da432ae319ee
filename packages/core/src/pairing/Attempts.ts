/**
 * What a new device remembers about a code that it tries (protocol.md §8): under which name it took its side of the
 * mailbox, so that it may take it up again, and how often the code was wrong. A relay that plays the other side gets
 * three guesses from this device as well, however often its program is started.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import type { MailboxId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { MailboxSide } from "@sotto/schema/Relay"
import { uint } from "@sotto/schema/Wire"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Crypto, type EntropyUnavailable } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import { Store, type StoreFailed, type Write } from "../Store.ts"
import { failed, type PairingFailed } from "./PairingError.ts"

export class Attempts extends Context.Service<Attempts, {
  /** This device's name in the mailbox. Refused when the code was wrong three times. */
  readonly begin: (mailbox: MailboxId) => Effect.Effect<MailboxSide, PairingFailed | StoreFailed | EntropyUnavailable>
  /** Counts a wrong guess, durably; answers what to tell. */
  readonly wrong: (mailbox: MailboxId) => Effect.Effect<PairingFailed, StoreFailed>
}>()("@sotto/core/Attempts") {}

const Row = Schema.Struct({ side: MailboxSide, wrong: uint(255), sinceMillis: uint() })
const rowCodec = Codec.make(Row, "PairingAttempt")

/** Keys of these rows begin with "pair"; the ledger's keys begin with other bytes. */
const PREFIX = Uint8Array.of(0x70, 0x61, 0x69, 0x72)
const keyOf = (mailbox: MailboxId): Uint8Array => Bytes.concat(PREFIX, mailbox)

const make = Effect.gen(function*() {
  const store = yield* Store
  const crypto = yield* Crypto

  const read = (mailbox: MailboxId) =>
    Effect.map(store.get(keyOf(mailbox)), (bytes) => {
      const decoded = bytes === undefined ? undefined : rowCodec.decode(bytes)
      return decoded === undefined || Result.isFailure(decoded) ? undefined : decoded.success
    })

  /** Rows of codes that are long over. */
  const stale = Effect.fnUntraced(function*(nowMillis: number) {
    const rows = yield* store.scan({ from: PREFIX, to: Uint8Array.of(0x70, 0x61, 0x69, 0x73), limit: 100 })
    return rows.flatMap(({ key, value }): ReadonlyArray<Write> => {
      const decoded = rowCodec.decode(value)
      const over = Result.isFailure(decoded) || nowMillis - decoded.success.sinceMillis > Limit.mailboxMillisMax
      return over ? [{ key }] : []
    })
  })

  return Attempts.of({
    begin: Effect.fnUntraced(function*(mailbox) {
      const known = yield* read(mailbox)
      if (known !== undefined && known.wrong >= Limit.pairingFailuresMax) return yield* failed("burned", 0)
      if (known !== undefined) return known.side
      const side = MailboxSide.make(yield* Effect.provideService(Secret.randomBytes(16), Crypto, crypto))
      const sinceMillis = yield* Clock.currentTimeMillis
      const value = rowCodec.encode({ side, wrong: 0, sinceMillis })
      yield* store.commit([...(yield* stale(sinceMillis)), { key: keyOf(mailbox), value }])
      return side
    }),
    wrong: Effect.fnUntraced(function*(mailbox) {
      const known = yield* read(mailbox)
      if (known === undefined) return failed("wrongCode")
      const wrong = known.wrong + 1
      yield* store.commit([{ key: keyOf(mailbox), value: rowCodec.encode({ ...known, wrong }) }])
      const left = Limit.pairingFailuresMax - wrong
      return left > 0 ? failed("wrongCode", left) : failed("burned", 0)
    })
  })
})

/** Remembers in the device's own store. */
export const layer: Layer.Layer<Attempts, never, Store | Crypto> = Layer.effect(Attempts, make)
