/**
 * A relay whose disk is full, and one whose disk is read-only: it says so, keeps what it acknowledged, and goes on when
 * there is room. The disk is a small memory file system, which only root may mount.
 */
import { assert, describe, it } from "@effect/vitest"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, Epoch, Lane, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sha256 } from "../../packages/runtime-node/test/kit/sha256.ts"

const MIB = 1024 * 1024

const mount = (...args: ReadonlyArray<string>) => execFileSync("mount", args, { stdio: "ignore" })

/** A file system of `megabytes`, unmounted with the scope. */
const disk = (megabytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const at = mkdtempSync(join(tmpdir(), "sotto-disk-"))
      mount("-t", "tmpfs", "-o", `size=${megabytes}m,mode=0700`, "tmpfs", at)
      return at
    }),
    (at) =>
      Effect.sync(() => {
        execFileSync("umount", ["--lazy", at], { stdio: "ignore" })
        rmSync(at, { recursive: true, force: true })
      })
  )

const canMount = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false
  try {
    Effect.runSync(Effect.scoped(disk(1)))
    return true
  } catch {
    return false
  }
})()

const route = RouteId.make(sha256(Uint8Array.of(1)))
const key = SigningKey.make(new Uint8Array(32))
const lane = Lane.make(new Uint8Array(8))
const envelope = (n: number, sizeBytes: number) => ({
  id: EnvelopeId.make(sha256(Bytes.u32(n))),
  lane,
  bytes: new Uint8Array(sizeBytes).fill(n)
})

const open = (store: RelayStore["Service"]) =>
  store.open({
    route,
    epoch: Epoch.make(1),
    keys: { write: key, read: key, admin: key, recovery: key },
    retention: { _tag: "Durable" },
    quotaBytes: 1e12
  })
const append = (store: RelayStore["Service"], n: number) =>
  store.append({ route, envelopes: [envelope(n, 20_000)], nowMillis: 1, expiresMillis: undefined })
const positions = (store: RelayStore["Service"]) =>
  Effect.map(
    store.read({ route, after: Position.make(0), lanes: [], limit: 1e6, bytesMax: 1e12 }),
    ({ envelopes }) => envelopes.map(({ bytes, position }) => [Number(position), bytes[0], bytes.length])
  )

describe.runIf(canMount)("a disk that is full", () => {
  it.live("the relay refuses with `full`, keeps what it answered, and goes on when there is room", () =>
    Effect.gen(function*() {
      const directory = join(yield* disk(6), "relay")
      const answered: Array<ReadonlyArray<number | undefined>> = []
      yield* Effect.scoped(Effect.gen(function*() {
        const store = yield* NodeRelayStore.make({ directory }, { sha256 })
        yield* open(store)
        let failure
        for (let n = 0; failure === undefined; n++) {
          const result = yield* Effect.result(append(store, n))
          if (result._tag === "Success") answered.push([Number(result.success.position), n & 0xff, 20_000])
          else failure = result.failure
        }
        assert.strictEqual(failure._tag === "RelayStoreFailed" ? failure.reason : failure._tag, "full")
        assert.isAbove(answered.length, 20)
        assert.deepStrictEqual(yield* positions(store), answered)
      }))
      mount("-o", "remount,size=20m", join(directory, ".."))
      const store = yield* NodeRelayStore.make({ directory }, { sha256 })
      assert.deepStrictEqual(yield* positions(store), answered)
      assert.strictEqual((yield* append(store, 9999)).position, answered.length + 1)
    }))

  it.live("a relay that met it goes on in the same process", () =>
    Effect.gen(function*() {
      const at = yield* disk(20)
      const ballast = join(at, "ballast")
      const store = yield* NodeRelayStore.make({ directory: join(at, "relay") }, { sha256 })
      yield* open(store)
      yield* append(store, 1)
      assert.throws(() => writeFileSync(ballast, new Uint8Array(40 * MIB)), /ENOSPC/)
      const failures = yield* Effect.forEach([2, 3, 4], (n) => Effect.flip(append(store, n)), {
        concurrency: "unbounded"
      })
      assert.isTrue(failures.every((failure) => failure._tag === "RelayStoreFailed" && failure.reason === "full"))
      unlinkSync(ballast)
      assert.strictEqual((yield* append(store, 2)).position, 2)
      assert.deepStrictEqual((yield* positions(store)).length, 2)
    }))

  it.live("a device's commit fails with `full` and leaves nothing of itself", () =>
    Effect.gen(function*() {
      const store = yield* NodeStore.make({ directory: join(yield* disk(2), "device") })
      const one = Uint8Array.of(1), two = Uint8Array.of(2)
      yield* store.commit([{ key: one, value: one }])
      const writes = [{ key: one, value: two }, { key: two, value: new Uint8Array(4 * MIB) }]
      const failure = yield* Effect.flip(store.commit(writes))
      assert.strictEqual(failure.reason, "full")
      assert.include(failure.message, "nothing that was saved before is lost")
      assert.deepStrictEqual([yield* store.get(one), yield* store.get(two)], [one, undefined])
    }))

  it.live("no room at all, and no right to write, are told when the store opens", () =>
    Effect.gen(function*() {
      const reason = (directory: string) =>
        Effect.map(Effect.flip(Effect.scoped(NodeStore.make({ directory }))), (failure) => failure.reason)
      const full = yield* disk(1)
      assert.throws(() => writeFileSync(join(full, "ballast"), new Uint8Array(2 * MIB)), /ENOSPC/)
      mkdirSync(join(full, "device"), { mode: 0o700 })
      assert.strictEqual(yield* reason(join(full, "device")), "full")

      const readOnly = yield* disk(4)
      yield* Effect.scoped(NodeStore.make({ directory: join(readOnly, "device") }))
      mount("-o", "remount,ro", readOnly)
      assert.strictEqual(yield* reason(join(readOnly, "device")), "permission")
      assert.strictEqual(yield* reason(join(readOnly, "other")), "permission")
    }))
})

describe.runIf(!canMount)("a disk that is full", () => {
  it("is not tried here: it takes root on Linux to mount a small disk", () => {
    process.stderr.write("NOT RUN: the tests of a full disk need root on Linux\n")
  })
})
