/**
 * The IndexedDB database of one device, and the lock that keeps a second tab from opening it: a device has one chain of
 * entries, so it runs once. Two object stores: `entries` (the `Store`) and `keys` (what opens the `Keystore`).
 */
import { StoreFailed } from "@sotto/core/Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

const VERSION = 1

/** The object store behind `Store`. */
export const ENTRIES = "entries"
/** The object store behind `Keystore`. */
export const KEYS = "keys"

/** An open database, held by this tab alone. */
export class Database extends Context.Service<Database, IDBDatabase>()("@sotto/runtime-browser/Database") {}

/** What the browser's error means for storage. */
export const storeFailed = (operation: string, cause: unknown): StoreFailed => {
  const name = cause instanceof DOMException ? cause.name : "unknown"
  const reason = name === "QuotaExceededError"
    ? "full"
    : name === "VersionError"
    ? "version"
    : name === "SecurityError" || name === "NotAllowedError"
    ? "permission"
    : name === "DataError" || name === "NotReadableError"
    ? "corrupt"
    : "unavailable"
  return new StoreFailed({ reason, operation, detail: cause instanceof Error ? cause.message : name })
}

/** The result of a request. */
export const request = <A>(operation: string, make: () => IDBRequest<A>): Effect.Effect<A, StoreFailed> =>
  Effect.callback<A, StoreFailed>((resume) => {
    try {
      const asked = make()
      asked.onsuccess = () => resume(Effect.succeed(asked.result))
      asked.onerror = () => resume(Effect.fail(storeFailed(operation, asked.error)))
    } catch (cause) {
      resume(Effect.fail(storeFailed(operation, cause)))
    }
  })

/** Runs `write` in one transaction, durable when it answers. */
export const transact = (
  database: IDBDatabase,
  store: string,
  operation: string,
  write: (store: IDBObjectStore) => void
): Effect.Effect<void, StoreFailed> =>
  Effect.callback<void, StoreFailed>((resume) => {
    try {
      const transaction = database.transaction(store, "readwrite", { durability: "strict" })
      transaction.oncomplete = () => resume(Effect.void)
      transaction.onabort = () => resume(Effect.fail(storeFailed(operation, transaction.error)))
      write(transaction.objectStore(store))
      transaction.commit()
    } catch (cause) {
      resume(Effect.fail(storeFailed(operation, cause)))
    }
  })

/** Holds the lock of this name until the scope closes; fails at once when another tab has it. */
const lock = (name: string): Effect.Effect<void, StoreFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<() => void, StoreFailed>((resume) => {
      const held = new Promise<void>((release) => {
        navigator.locks.request(`sotto/${name}`, { ifAvailable: true }, (granted) => {
          if (granted === null) {
            resume(Effect.fail(
              new StoreFailed({ reason: "locked", operation: "open", detail: "another tab uses this device" })
            ))
            return undefined
          }
          resume(Effect.succeed(release))
          return held
        }).catch((cause: unknown) => resume(Effect.fail(storeFailed("lock", cause))))
      })
    }),
    (release) => Effect.sync(release)
  )

const open = (name: string): Effect.Effect<IDBDatabase, StoreFailed, Scope.Scope> =>
  Effect.acquireRelease(
    request("open", () => {
      const opening = indexedDB.open(`sotto/${name}`, VERSION)
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore(ENTRIES)
        opening.result.createObjectStore(KEYS)
      }
      return opening
    }),
    (database) => Effect.sync(() => database.close())
  )

/** The database of the device that is called `name` on this origin. */
export const layer = (name: string): Layer.Layer<Database, StoreFailed> =>
  Layer.effect(Database, Effect.andThen(lock(name), open(name)))
