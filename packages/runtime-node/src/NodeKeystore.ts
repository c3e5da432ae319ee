/**
 * `Keystore` on Node: 32 random bytes in a file of their own, 0600, beside the data or wherever the file is put
 * (`SOTTO_KEY_FILE`), so that a copy of the data without that file opens nothing (threat model: a thief of the disk). A
 * passphrase may stand before them, so that a copy of both does not either.
 *
 * The file is one line: `sotto-device-key-1:`, then hex of the slot and the first 8 bytes of its SHA-256.
 *
 * Invariants:
 * 1. A key is never replaced: a file that is there and does not read is an error, not a reason to draw a new key.
 * 2. A file that others may read is refused, not used.
 * 3. The parameters of a passphrase stand in the slot, and `Crypto.passwordKey` refuses those outside floor and ceiling.
 */
import { Crypto, type PasswordParameters } from "@sotto/core/Crypto"
import { fromKey, KEY_BYTES, Keystore, KeystoreFailed, openWith, OVERHEAD_BYTES, sealWith } from "@sotto/core/Keystore"
import * as Secret from "@sotto/core/Secret"
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import * as Utf8 from "@sotto/schema/Utf8"
import { fixedBytes, tagged, uint } from "@sotto/schema/Wire"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import * as PrivateFile from "./PrivateFile.ts"

export interface NodeKeystoreOptions {
  readonly file: string
  /** Whether a missing file is made, with a fresh key. Only for data that is new too: what an older key sealed stays closed. */
  readonly create: boolean
  /** Opens a file that has one, and closes a file that is made. */
  readonly passphrase?: Redacted.Redacted<string>
  /** Cost of the passphrase in a file that is made: 64 MiB and three passes unless given. */
  readonly cost?: PassphraseCost
}

/** What a person may choose of Argon2id's parameters. */
export interface PassphraseCost {
  readonly memoryKib: number
  readonly iterations: number
}

const Slot = Schema.Union([
  tagged("Plain", 1, { key: fixedBytes(KEY_BYTES) }),
  tagged("Passphrase", 2, {
    memoryKib: uint(0xffff_ffff),
    iterations: uint(0xffff),
    parallelism: uint(0xff),
    salt: fixedBytes(16),
    sealed: fixedBytes(KEY_BYTES + OVERHEAD_BYTES)
  })
])
type Slot = typeof Slot.Type
const slotCodec = Codec.make(Slot, "KeyFile")

const PREFIX = "sotto-device-key-1:"
const CHECK_BYTES = 8
const FILE_BYTES_MAX = 4096
const SALT_BYTES = 16
/** What the key is sealed as, under the passphrase. */
const SLOT_NAME = "device-key"
/** About 0.15 s on a small machine; above the floor of the protocol. */
const COST: PassphraseCost = { memoryKib: 64 * 1024, iterations: 3 }

/** Where the key of the device in `directory` lies: `SOTTO_KEY_FILE`, or beside the data. */
export const fileOf = (directory: string, environment: NodeJS.ProcessEnv = process.env): string => {
  const elsewhere = environment["SOTTO_KEY_FILE"]
  return elsewhere === undefined || elsewhere === "" ? join(directory, "device.key") : elsewhere
}

/** The keystore of a key file; the key is wiped with the scope. */
const make = Effect.fn("NodeKeystore.make")(function*(
  options: NodeKeystoreOptions
): Effect.fn.Return<Keystore["Service"], KeystoreFailed, Crypto | Scope.Scope> {
  const { file, passphrase } = options
  const slot = (yield* read(file)) ?? (yield* create(options))
  return fromKey(yield* Crypto, yield* Secret.scoped(yield* open(file, slot, passphrase)))
})

/** `Keystore` of a key file. */
export const layer = (options: NodeKeystoreOptions): Layer.Layer<Keystore, KeystoreFailed, Crypto> =>
  Layer.effect(Keystore, make(options))

/** Puts another passphrase before the key, or none. The key itself stays, so nothing has to be sealed anew. */
export const changePassphrase = Effect.fn("NodeKeystore.changePassphrase")(function*(options: {
  readonly file: string
  readonly before?: Redacted.Redacted<string>
  readonly after?: Redacted.Redacted<string>
  readonly cost?: PassphraseCost
}): Effect.fn.Return<void, KeystoreFailed, Crypto> {
  const { after, before, cost, file } = options
  const slot = yield* read(file)
  if (slot === undefined) return yield* fail("missing", file)
  yield* Effect.scoped(Effect.gen(function*() {
    const key = yield* Secret.scoped(yield* open(file, slot, before))
    const next = yield* slotOf(Secret.reveal(key), file, after, cost)
    const refusal = PrivateFile.replacePrivate(file, toText(yield* Crypto, next))
    if (refusal !== undefined) return yield* refused(refusal)
  }))
})

const fail = (reason: KeystoreFailed["reason"], detail: string) => Effect.fail(new KeystoreFailed({ reason, detail }))

/** Why the file system refused, in the words of a keystore. */
const refused = ({ detail, reason }: PrivateFile.Refusal): KeystoreFailed =>
  new KeystoreFailed({ reason: reason === "missing" || reason === "exposed" ? reason : "unreadable", detail })

/** The slot in the file; `undefined` for no file. */
const read = Effect.fnUntraced(function*(file: string): Effect.fn.Return<Slot | undefined, KeystoreFailed, Crypto> {
  const found = PrivateFile.readPrivate(file, FILE_BYTES_MAX)
  if (!(found instanceof Uint8Array)) return found.reason === "missing" ? undefined : yield* refused(found)
  return fromText(yield* Crypto, found) ?? (yield* fail("damaged", file))
})

const create = Effect.fnUntraced(function*(
  { cost, create, file, passphrase }: NodeKeystoreOptions
): Effect.fn.Return<Slot, KeystoreFailed, Crypto> {
  if (!create) return yield* fail("missing", file)
  const slot = yield* slotOf(yield* randomBytes(KEY_BYTES, file), file, passphrase, cost)
  const written = PrivateFile.writeNewPrivate(file, toText(yield* Crypto, slot))
  if (written === true) return slot
  // Another process made it first: its key is the one.
  return written === false
    ? (yield* read(file)) ?? (yield* fail("missing", file))
    : yield* refused(written)
})

const slotOf = Effect.fnUntraced(function*(
  key: Uint8Array,
  file: string,
  passphrase: Redacted.Redacted<string> | undefined,
  cost: PassphraseCost = COST
): Effect.fn.Return<Slot, KeystoreFailed, Crypto> {
  if (passphrase === undefined) return { _tag: "Plain", key: key.slice() }
  const crypto = yield* Crypto
  const parameters = { ...cost, parallelism: Limit.passwordParallelism, salt: yield* randomBytes(SALT_BYTES, file) }
  const wrapping = yield* wrappingKey(passphrase, parameters, file)
  const sealed = sealWith(crypto, wrapping, SLOT_NAME, key)
  wrapping.fill(0)
  return sealed === undefined ? yield* fail("entropy", file) : { _tag: "Passphrase", ...parameters, sealed }
})

const open = Effect.fnUntraced(function*(
  file: string,
  slot: Slot,
  passphrase: Redacted.Redacted<string> | undefined
): Effect.fn.Return<Uint8Array, KeystoreFailed, Crypto> {
  if (slot._tag === "Plain") return slot.key.slice()
  if (passphrase === undefined) return yield* fail("passphraseNeeded", file)
  const crypto = yield* Crypto
  const wrapping = yield* wrappingKey(passphrase, slot, file)
  const key = openWith(crypto, wrapping, SLOT_NAME, slot.sealed)
  wrapping.fill(0)
  return key ?? (yield* fail("passphraseWrong", file))
})

/** Normalised (RFC 8265 §4.2), so that every keyboard types the same passphrase. */
const wrappingKey = Effect.fnUntraced(function*(
  passphrase: Redacted.Redacted<string>,
  parameters: PasswordParameters,
  file: string
): Effect.fn.Return<Uint8Array, KeystoreFailed, Crypto> {
  const crypto = yield* Crypto
  const password = Utf8.encode(Redacted.value(passphrase).normalize("NFC").toWellFormed())
  return yield* crypto.passwordKey(password, parameters).pipe(
    Effect.mapError((error) => new KeystoreFailed({ reason: "parameters", detail: `${file}: ${error.message}` })),
    Effect.ensuring(Effect.sync(() => password.fill(0)))
  )
})

const randomBytes = (length: number, file: string) =>
  Effect.mapError(Secret.randomBytes(length), () => new KeystoreFailed({ reason: "entropy", detail: file }))

const toText = (crypto: Crypto["Service"], slot: Slot): Uint8Array => {
  const bytes = slotCodec.encode(slot)
  const check = crypto.sha256(bytes).subarray(0, CHECK_BYTES)
  return Utf8.encode(`${PREFIX}${Bytes.toHex(Bytes.concat(bytes, check))}\n`)
}

const fromText = (crypto: Crypto["Service"], file: Uint8Array): Slot | undefined => {
  const text = new TextDecoder().decode(file).trimEnd()
  const hex = text.slice(PREFIX.length)
  if (!text.startsWith(PREFIX) || !/^(?:[0-9a-f]{2})+$/.test(hex)) return undefined
  const all = new Uint8Array(Buffer.from(hex, "hex"))
  const bytes = all.slice(0, -CHECK_BYTES)
  if (!Bytes.equals(crypto.sha256(bytes).subarray(0, CHECK_BYTES), all.subarray(-CHECK_BYTES))) return undefined
  return Result.getOrUndefined(slotCodec.decode(bytes))
}
