/** Stores whose process is killed under load, again and again: everything that was answered is there, and nothing is half. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import * as Bytes from "@sotto/schema/Bytes"
import { Lane, Position } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { sha256 } from "../../packages/runtime-node/test/kit/sha256.ts"
import { compileCache, programPath } from "./command.ts"
import { bytesOf, idOf, routeOf, ROUTES } from "./storeWriter.ts"

const ROUNDS = 12

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sotto-test-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** Runs the writer until it is killed, `millis` after its first line; answers the whole lines that it said. */
const runAndKill = (kind: "device" | "relay", directory: string, round: number, millis: number) =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, [programPath("storeWriter"), kind, directory, `${round}`], {
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
      stdio: ["ignore", "pipe", "inherit"]
    })
    try {
      let text = ""
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
      await once(child.stdout, "data")
      await setTimeout(millis)
      const ended = once(child, "close")
      child.kill("SIGKILL")
      const [, signal] = await ended
      assert.strictEqual(signal, "SIGKILL")
      return text.split("\n").slice(0, -1)
    } finally {
      child.kill("SIGKILL")
    }
  })

/** Spread over a time in which several commits and checkpoints happen. */
const killMillis = (round: number) => (round * 37) % 211

describe("stores that are killed", () => {
  it.live("a device's store keeps each commit that was answered, and each whole", () =>
    Effect.gen(function*() {
      const at = yield* directory
      let answered = 0
      for (let round = 0; round < ROUNDS; round++) {
        const lines = yield* runAndKill("device", at, round, killMillis(round))
        answered = Math.max(answered, Number(lines.at(-1)))
        yield* Effect.scoped(Effect.gen(function*() {
          const store = yield* NodeStore.make({ directory: at })
          const counter = yield* store.get(Uint8Array.of(0))
          const entries = yield* store.scan({ from: Uint8Array.of(1), to: Uint8Array.of(2), limit: 1e6 })
          const seconds = yield* store.scan({ from: Uint8Array.of(2), to: Uint8Array.of(3), limit: 1e6 })
          assert.isAtLeast(entries.length, answered)
          assert.deepStrictEqual(counter, Bytes.u32(entries.length))
          assert.strictEqual(seconds.length, entries.length)
          for (const [i, { value }] of entries.entries()) {
            assert.isTrue(Bytes.equals(value, bytesOf(`device/${i + 1}`)), `entry ${i + 1}`)
          }
        }))
      }
      assert.isAbove(answered, ROUNDS)
    }))

  it.live("a relay's store keeps each append that was answered at its position, and its chain", () =>
    Effect.gen(function*() {
      const at = yield* directory
      const answered: Array<{ readonly route: number; readonly position: number; readonly name: string }> = []
      for (let round = 0; round < ROUNDS; round++) {
        for (const line of yield* runAndKill("relay", at, round, killMillis(round))) {
          const [route, position, name = ""] = line.split(" ")
          answered.push({ route: Number(route), position: Number(position), name })
        }
        yield* Effect.scoped(Effect.gen(function*() {
          const store = yield* NodeRelayStore.make({ directory: at }, { sha256 })
          for (let route = 0; route < ROUTES; route++) {
            const all = { route: routeOf(route), after: Position.make(0), lanes: [], limit: 1e6, bytesMax: 1e12 }
            const page = yield* store.read(all)
            const state = yield* store.route(routeOf(route))
            assert.deepStrictEqual(page.envelopes.map(({ position }) => position), range(page.position))
            assert.strictEqual(page.envelopes.reduce((sum, { bytes }) => sum + bytes.length, 0), state.usedBytes)
            for (const each of answered) {
              if (each.route !== route) continue
              const bytes = page.envelopes[each.position - 1]?.bytes ?? Bytes.EMPTY
              assert.isTrue(Bytes.equals(bytes, bytesOf(each.name)), each.name)
            }
          }
        }))
      }
      assert.isAbove(answered.length, 1000)
      yield* Effect.scoped(sentAgain(at, answered))
    }))
})

const range = (to: number) => Array.from({ length: to }, (_, i) => Position.make(i + 1))

/** Whoever sends an envelope again gets its old position, and the chain is that of the ids in order. */
const sentAgain = Effect.fnUntraced(function*(
  at: string,
  answered: ReadonlyArray<{ readonly route: number; readonly position: number; readonly name: string }>
) {
  const store = yield* NodeRelayStore.make({ directory: at }, { sha256 })
  const lane = Lane.make(new Uint8Array(8))
  for (let route = 0; route < ROUTES; route++) {
    const ours = answered.filter((each) => each.route === route)
    const before = yield* store.route(routeOf(route))
    const { chain, position, stored } = yield* store.append({
      route: routeOf(route),
      envelopes: ours.map(({ name }) => ({ id: idOf(name), lane, bytes: bytesOf(name) })),
      nowMillis: 2,
      expiresMillis: undefined
    })
    assert.deepStrictEqual(stored, ours.map((each) => ({ position: Position.make(each.position), duplicate: true })))
    assert.deepStrictEqual([position, chain], [before.position, before.chain])
    const next = idOf(`after/${route}`)
    const appended = yield* store.append({
      route: routeOf(route),
      envelopes: [{ id: next, lane, bytes: Uint8Array.of(1) }],
      nowMillis: 2,
      expiresMillis: undefined
    })
    assert.deepStrictEqual(appended.chain, sha256(Proof.chainLink(before.chain, next)))
  }
})
