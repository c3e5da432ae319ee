/** Which relays a device has is in its books, whatever storage said, and wherever a process died that changed them. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { push, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

type Kind = Exclude<ReturnType<World.Fault>, "ok">

/** Lets a device's next commit go wrong. */
const hitNext = (device: World.DeviceHost, kind: Kind, after = 0): void => {
  const at = device.commits() + 1 + after
  device.fault((commit) => commit === at ? kind : "ok")
}

/** A relay that lost its routes, met by an administrator who did not create the space and dies at the `at`-th commit. */
const reset = Effect.fnUntraced(function*(at: number, kind: Kind) {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const founder = yield* World.found(world, "founder", [relay])
  const device = yield* World.admit(world, founder, "device")
  yield* push(founder.client(), "before")
  yield* founder.client().settled
  yield* device.open
  yield* device.client().pull
  yield* device.client().settled
  yield* founder.close
  yield* device.close
  yield* relay.stop
  relay.wipe()
  yield* relay.start
  let hit = false
  const start = device.commits()
  device.fault((commit) => {
    if (commit - start !== at) return "ok"
    hit = true
    return kind
  })
  const isFilled = () => [...relay.disk.routeByHex.values()][0]?.state.position === 2
  const died = World.until("it died", device.isDead, Number.MAX_SAFE_INTEGER)
  yield* Effect.raceFirst(
    Effect.andThen(device.open, World.until("the relay has all again", isFilled)),
    Effect.andThen(died, device.crash)
  )
  device.fault(() => "ok")
  if (!device.isOpen()) yield* device.open
  yield* World.until("the relay has all again", isFilled)
  yield* device.client().settled
  assert.deepStrictEqual(yield* sorted(device.client()), ["before"])
  return hit
}, Effect.scoped)

layer(World.CryptoLive)("relays of a device whose storage fails", (it) => {
  for (const kind of ["die-before", "die-after"] as const) {
    it.effect(`are opened again when they lost their routes, whenever it dies (${kind})`, () =>
      Effect.gen(function*() {
        let at = 1
        while (yield* reset(at, kind)) at++
        assert.isAbove(at, 3)
      }), 60_000)
  }

  it.effect("are worked with once they are in the books, and no longer than that", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const [relay, second] = [yield* world.makeRelay(), yield* world.makeRelay()]
      const device = yield* World.found(world, "device", [relay])
      yield* push(device.client(), "one")
      yield* device.client().settled
      const relays = Effect.map(device.client().status.current, (status) => status.relays.map(({ url }) => url))
      const events: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(device.client().events, (event) =>
          Effect.sync(() => event._tag === "Connected" ? events.push(event._tag) : undefined))
      )
      yield* World.settle

      hitNext(device, "fail-after")
      const opening = { token: null, retention: { _tag: "Durable" }, recovery: null } as const
      assert.strictEqual((yield* Effect.flip(device.client().relays.add(second.address, opening)))._tag, "StoreFailed")
      assert.deepStrictEqual(yield* relays, [relay.url, second.url])
      yield* World.until("it has all", () =>
        [...second.disk.routeByHex.values()][0]?.state.position === 1)

      hitNext(device, "fail-after")
      assert.strictEqual(
        (yield* Effect.flip(device.client().relays.remove(relay.address.key)))._tag,
        "StoreFailed"
      )
      assert.deepStrictEqual(yield* relays, [second.url])
      yield* push(device.client(), "two")
      yield* device.client().settled
      assert.deepStrictEqual(events, ["Connected"])
    }).pipe(Effect.scoped))
})
