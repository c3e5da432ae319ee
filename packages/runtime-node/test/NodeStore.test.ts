import { assert, describe, it } from "@effect/vitest"
import type { Store } from "@sotto/core/Store"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import * as Effect from "effect/Effect"
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll } from "vitest"
import { storeConformance } from "../../core/test/kit/storeConformance.ts"
import { inTemporary, temporaryDirectory } from "./kit/temporary.ts"

const reopened: Array<string> = []
afterAll(() => reopened.forEach((directory) => rmSync(directory, { recursive: true, force: true })))

storeConformance("SQLite", () => inTemporary((directory) => NodeStore.layer({ directory })), {
  reopen: () => {
    const directory = mkdtempSync(join(tmpdir(), "sotto-test-"))
    reopened.push(directory)
    return () => NodeStore.layer({ directory })
  }
})

const key = (n: number) => Uint8Array.of(n)
const put = (store: Store["Service"], n: number, value: Uint8Array) => store.commit([{ key: key(n), value }])
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
const database = (directory: string) => join(directory, "sotto.db")
const open = (directory: string, pagesMax?: number) =>
  NodeStore.make(pagesMax === undefined ? { directory } : { directory, pagesMax })
const refusal = (directory: string) => Effect.flip(Effect.scoped(open(directory)))

describe("NodeStore", () => {
  it.effect("directory and files are for their owner only, also those that were not", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.gen(function*() {
        yield* put(yield* open(directory), 1, key(1))
        assert.strictEqual(modeOf(directory), "700")
        for (const file of ["sotto.db", "sotto.db-wal", "lock"]) {
          assert.strictEqual(modeOf(join(directory, file)), "600", file)
        }
      }))
      chmodSync(directory, 0o755)
      chmodSync(database(directory), 0o644)
      yield* Effect.scoped(open(directory))
      assert.deepStrictEqual([modeOf(directory), modeOf(database(directory))], ["700", "600"])
    }))

  it.effect("a directory of something else that is open to others is refused and left as it is", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      mkdirSync(directory)
      chmodSync(directory, 0o755)
      writeFileSync(join(directory, "letter.txt"), "hello")
      const failure = yield* refusal(directory)
      assert.deepStrictEqual([failure.reason, modeOf(directory)], ["permission", "755"])
      assert.include(failure.message, "chmod go-rwx")
    }))

  it.effect("a second opening is refused while the first is open, and goes on after it", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* open(directory)
        const failure = yield* refusal(directory)
        assert.strictEqual(failure.reason, "locked")
        yield* put(store, 1, key(7))
      }))
      assert.deepStrictEqual(
        yield* Effect.scoped(Effect.flatMap(open(directory), (store) => store.get(key(1)))),
        key(7)
      )
    }))

  it.effect("a relay's directory is refused, and a device's by the relay", () =>
    Effect.gen(function*() {
      const sha256 = () => new Uint8Array(32)
      const relay = yield* temporaryDirectory
      yield* Effect.scoped(NodeRelayStore.make({ directory: relay }, { sha256 }))
      assert.strictEqual((yield* refusal(relay)).reason, "foreign")
      yield* Effect.scoped(NodeRelayStore.make({ directory: relay }, { sha256 }))

      const device = yield* temporaryDirectory
      yield* Effect.scoped(open(device))
      const failure = yield* Effect.flip(Effect.scoped(NodeRelayStore.make({ directory: device }, { sha256 })))
      assert.strictEqual(failure.reason, "foreign")
    }))

  it.effect("another program's database, a newer release's and a file that is none are told apart and not changed", () =>
    Effect.gen(function*() {
      for (
        const [reason, statements] of [
          ["foreign", "CREATE TABLE recipe (name TEXT)"],
          ["version", `PRAGMA application_id = ${0x536f_4476}; PRAGMA user_version = 99`]
        ] as const
      ) {
        const directory = yield* temporaryDirectory
        mkdirSync(directory, { mode: 0o700 })
        const other = new DatabaseSync(database(directory))
        other.exec(statements)
        other.close()
        const before = readFileSync(database(directory))
        assert.strictEqual((yield* refusal(directory)).reason, reason)
        assert.deepStrictEqual(readFileSync(database(directory)), before)
      }
      const directory = yield* temporaryDirectory
      mkdirSync(directory, { mode: 0o700 })
      writeFileSync(database(directory), "x".repeat(10_000))
      assert.strictEqual((yield* refusal(directory)).reason, "corrupt")
    }))

  it.effect("a damaged page is found when the store opens", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(open(directory), (store) =>
        store.commit(Array.from({ length: 200 }, (_, n) => ({ key: key(n), value: new Uint8Array(1000).fill(n) })))))
      const file = openSync(database(directory), "r+")
      writeSync(file, new Uint8Array(4096).fill(0xa5), 0, 4096, 3 * 8192)
      closeSync(file)
      const failure = yield* refusal(directory)
      assert.strictEqual(failure.reason, "corrupt")
      assert.include(failure.message, "Copy the directory away")
    }))

  it.effect("a full disk fails the commit, keeps what was there, and reads go on", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* open(directory, 40)
      let kept = 0
      let failure
      for (; kept < 250 && failure === undefined; kept++) {
        const result = yield* Effect.result(put(store, kept, new Uint8Array(4000).fill(kept)))
        if (result._tag === "Failure") failure = result.failure
      }
      assert.strictEqual(failure?.reason, "full")
      assert.isAbove(kept, 10)
      for (let n = 0; n < kept - 1; n++) assert.deepStrictEqual(yield* store.get(key(n)), new Uint8Array(4000).fill(n))
      assert.isUndefined(yield* store.get(key(kept - 1)))
      yield* store.commit(Array.from({ length: kept }, (_, n) => ({ key: key(n) })))
      yield* put(store, 1, key(1))
      assert.deepStrictEqual(yield* store.get(key(1)), key(1))
    }))

  it.effect("a commit that breaks off in the middle leaves nothing of itself", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const store = yield* open(directory, 40)
      yield* put(store, 1, key(1))
      const writes = [{ key: key(1), value: key(2) }, { key: key(2), value: new Uint8Array(1 << 20) }]
      assert.strictEqual((yield* Effect.flip(store.commit(writes))).reason, "full")
      assert.deepStrictEqual(yield* store.get(key(1)), key(1))
      assert.isUndefined(yield* store.get(key(2)))
    }))
})
