/**
 * Rows of a device's `Store` that are sealed, under keys that say nothing: names are keyed hashes, of which whoever has the
 * disk and not the keystore learns how many there are and which one changed.
 *
 * A row is sealed as the keystore seals (XChaCha20-Poly1305 under L("local-store") name), with a key that the keystore keeps
 * sealed; its name is made of its table and its key.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { label, Purpose } from "@sotto/schema/Purpose"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import { type Crypto, EntropyUnavailable } from "../../Crypto.ts"
import { openWith, sealWith } from "../../Keystore.ts"
import * as Secret from "../../Secret.ts"
import type { Store, StoreFailed, Write } from "../../Store.ts"
import { ItemsDamaged, type Table } from "./Layout.ts"

/** Bytes of the key that all others here are derived from. */
export const KEY_BYTES = 32

/** Bytes of a name: so many that no two are the same. */
const NAME_BYTES = 16

/** Keys that are remembered. */
const NAMES_MAX = 8192

/** Random bytes that are drawn together: a platform's generator costs more by the call than by the byte. */
const POOL_BYTES = 3072

/** Longer text is the name of nothing that is stored, and is hashed once more, so that it has a length. */
const TEXT_UNITS_MAX = 4096

const purpose = (what: string, ...fields: ReadonlyArray<Uint8Array>): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.localStore, Utf8.encode(`items/${what}`), ...fields)

/** A crypto's random bytes, few at a time. None is given twice. */
const pooled = (crypto: Crypto["Service"]): Crypto["Service"]["random"] => {
  let pool: Uint8Array = Bytes.EMPTY
  return (length) => {
    if (length > POOL_BYTES) return crypto.random(length)
    if (pool.length < length) pool = crypto.random(POOL_BYTES)
    const taken = pool.slice(0, length)
    pool.fill(0, 0, length)
    pool = pool.subarray(length)
    return taken
  }
}

/** Reads rows of a store, and makes the writes that change them. */
export class Rows {
  readonly #crypto: Crypto["Service"]
  readonly #store: Store["Service"]
  readonly #sealing: Secret.Secret
  readonly #naming: Secret.Secret
  /** A row that is read is mostly written soon. Nobody writes into these. */
  readonly #keyByName = new Map<string, Uint8Array>()

  /** `key` stays the caller's. */
  constructor(crypto: Crypto["Service"], store: Store["Service"], key: Uint8Array) {
    this.#crypto = { ...crypto, random: pooled(crypto) }
    this.#store = store
    this.#sealing = Secret.make(crypto.hkdfExpand(key, purpose("sealing"), KEY_BYTES))
    this.#naming = Secret.make(crypto.hkdfExpand(key, purpose("naming"), KEY_BYTES))
  }

  /** Wipes the keys: nothing of this is used afterwards. */
  close(): void {
    Secret.wipe(this.#sealing)
    Secret.wipe(this.#naming)
  }

  /** The key of what has this name in a table. Any text is a name. */
  keyOf(table: Table, ...name: ReadonlyArray<string>): Uint8Array {
    const text = `${table} ${name.map(({ length }) => length).join()} ${name.join("")}`
    const known = this.#keyByName.get(text)
    if (known !== undefined) return known
    const key = this.#derive(table, name)
    if (this.#keyByName.size >= NAMES_MAX) this.#keyByName.clear()
    this.#keyByName.set(text, key)
    return key
  }

  #derive(table: Table, name: ReadonlyArray<string>): Uint8Array {
    const fields = name.map((text) => this.#unitsOf(text))
    const hash = this.#crypto.hmac(Secret.reveal(this.#naming), purpose("name", Uint8Array.of(table), ...fields))
    const key = new Uint8Array(1 + NAME_BYTES)
    key[0] = table
    key.set(hash.subarray(0, NAME_BYTES), 1)
    return key
  }

  /** Not as UTF-8: text that has no such form may be asked for, too. */
  #unitsOf(text: string): Uint8Array {
    const units = new Uint8Array(2 * text.length)
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      units[2 * i] = unit >>> 8
      units[2 * i + 1] = unit & 0xff
    }
    return text.length > TEXT_UNITS_MAX ? this.#crypto.sha256(units) : units
  }

  /** The write of a row that says nothing to anybody, and is not sealed: one byte. */
  putOpen(key: Uint8Array, row: number): Write {
    return { key, value: Uint8Array.of(row) }
  }

  /** The write of a row. Throws `EntropyUnavailable`. */
  put(key: Uint8Array, row: Uint8Array): Write {
    const sealed = sealWith(this.#crypto, Secret.reveal(this.#sealing), sealedAs(key), row)
    if (sealed === undefined) throw new EntropyUnavailable()
    return { key, value: sealed }
  }

  /** What the rows of these keys hold. */
  get(
    keys: ReadonlyArray<Uint8Array>
  ): Effect.Effect<ReadonlyArray<Uint8Array | undefined>, StoreFailed | ItemsDamaged> {
    if (keys.length === 0) return Effect.succeed([])
    return Effect.flatMap(this.#store.getMany(keys), (values) => {
      const rows: Array<Uint8Array | undefined> = []
      for (const [at, key] of keys.entries()) {
        const value = values[at]
        const row = value === undefined || value.length === 1
          ? value
          : openWith(this.#crypto, Secret.reveal(this.#sealing), sealedAs(key), value)
        if (value !== undefined && row === undefined) return Effect.fail(damaged(key))
        rows.push(row)
      }
      return Effect.succeed(rows)
    })
  }
}

const sealedAs = (key: Uint8Array): string => `items/${Bytes.toHex(key)}`

const damaged = (key: Uint8Array) => new ItemsDamaged({ detail: `a row of table ${key[0]} does not open` })
