/**
 * A process that writes to a store for as long as it lives, and says on its standard output what was answered, one line
 * each: `storeWriter.ts device|relay DIRECTORY ROUND`. It is made to be killed.
 */
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, Epoch, Lane, RouteId, SigningKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import { sha256 } from "../../packages/runtime-node/test/kit/sha256.ts"

const [kind = "", directory = "", round = "0"] = process.argv.slice(2)
const say = (line: string) => writeSync(1, `${line}\n`)

export const ROUTES = 5
const WRITERS = 64

const named = (...parts: ReadonlyArray<string | number>): Uint8Array =>
  sha256(new TextEncoder().encode(parts.join("/")))
export const routeOf = (n: number): RouteId => RouteId.make(named("route", n))
export const idOf = (name: string): EnvelopeId => EnvelopeId.make(named("id", name))
export const bytesOf = (name: string): Uint8Array => {
  const bytes = new Uint8Array(200 + (named("size", name)[0] ?? 0) * 16)
  return bytes.fill(named("fill", name)[0] ?? 0)
}

/** Two keys and a counter in each commit: half a commit would show. */
const writeDevice = Effect.gen(function*() {
  const store = yield* NodeStore.make({ directory })
  const counter = Uint8Array.of(0)
  const before = yield* store.get(counter)
  let n = before === undefined ? 0 : new DataView(before.buffer, before.byteOffset).getUint32(0)
  for (;;) {
    n++
    yield* store.commit([
      { key: Bytes.concat(Uint8Array.of(1), Bytes.u32(n)), value: bytesOf(`device/${n}`) },
      { key: counter, value: Bytes.u32(n) },
      { key: Bytes.concat(Uint8Array.of(2), Bytes.u32(n)), value: Bytes.u32(n) }
    ])
    say(`${n}`)
  }
})

const writeRelay = Effect.gen(function*() {
  const store = yield* NodeRelayStore.make({ directory }, { sha256 })
  for (let n = 0; n < ROUTES; n++) {
    const key = (name: string) => SigningKey.make(named(name, n))
    yield* store.open({
      route: routeOf(n),
      epoch: Epoch.make(1),
      keys: { write: key("write"), read: key("read"), admin: key("admin"), recovery: key("recovery") },
      retention: { _tag: "Durable" },
      quotaBytes: 1e12
    })
  }
  const writer = Effect.fnUntraced(function*(number: number) {
    for (let n = 0;; n++) {
      const route = (number + n) % ROUTES
      const names = Array.from({ length: 1 + n % 3 }, (_, i) => `${round}-${number}-${n}-${i}`)
      const { stored } = yield* store.append({
        route: routeOf(route),
        envelopes: names.map((name) => ({ id: idOf(name), lane: Lane.make(new Uint8Array(8)), bytes: bytesOf(name) })),
        nowMillis: 1,
        expiresMillis: undefined
      })
      say(stored.map(({ position }, i) => `${route} ${position} ${names[i]}`).join("\n"))
    }
  })
  yield* Effect.forEach(Array.from({ length: WRITERS }, (_, i) => i), writer, {
    concurrency: "unbounded",
    discard: true
  })
})

if (kind === "device") await Effect.runPromise(Effect.scoped(writeDevice))
if (kind === "relay") await Effect.runPromise(Effect.scoped(writeRelay))
