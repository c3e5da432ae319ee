/**
 * Every commit of a scenario is a place where the process may die, or storage fail, before it or after it. For each of
 * them: nothing that was answered is lost, no sequence number is used twice, and everybody comes to hold the same.
 */
import { assert, layer } from "@effect/vitest"
import type { Receipt } from "@sotto/core/Client"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { entries, push, pushChained, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

type Kind = Exclude<ReturnType<World.Fault>, "ok">

interface Answered {
  readonly text: string
  readonly receipt: Receipt
}

/** A device that is hit at its `at`-th commit, while it and another one write and read. */
const scenario = Effect.fnUntraced(function*(at: number, kind: Kind) {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const other = yield* World.found(world, "other", [relay])
  const device = yield* World.admit(world, other, "device")
  yield* push(other.client(), "from the other, before")
  yield* pushChained(other.client(), "chained", 3)
  yield* other.client().settled
  const start = device.commits()
  let hit = false
  device.fault((commit) => {
    if (commit - start !== at) return "ok"
    hit = true
    return kind
  })
  const answered: Array<Answered> = []
  // Waits for as long as the process lives; the next one is started when it does not.
  const died = Effect.andThen(World.until("it died", device.isDead, Number.MAX_SAFE_INTEGER), device.crash)
  const live = Effect.fnUntraced(function*(effect: Effect.Effect<unknown, unknown>) {
    yield* Effect.raceFirst(Effect.exit(effect), died)
    if (!device.isOpen()) yield* device.open
  })
  const write = Effect.fnUntraced(function*(text: string) {
    const client = device.client()
    const pushed = yield* Effect.result(push(client, text))
    if (Result.isSuccess(pushed)) answered.push({ text, receipt: pushed.success })
  })
  yield* live(device.open)
  yield* live(write("one"))
  yield* live(Effect.suspend(() => device.client().pull))
  yield* push(other.client(), "from the other, later")
  yield* live(write("two"))
  yield* live(Effect.all([write("three"), write("four")], { concurrency: "unbounded" }))
  device.fault(() => "ok")
  if (device.isDead()) yield* Effect.andThen(device.crash, device.open)
  yield* TestClock.adjust("1 minute")
  yield* device.client().wake
  yield* device.client().settled
  yield* other.client().pull
  return { hit, answered, device, other }
})

const check = Effect.fnUntraced(function*(
  { answered, device, other }: Effect.Success<ReturnType<typeof scenario>>,
  place: string
) {
  const own = (yield* entries(device.client())).filter((entry) => entry.own)
  const places = own.map(({ ops, seq }) => `${ops[0]?.action._tag === "Control" ? "control" : "values"} ${seq}`)
  assert.strictEqual(new Set(places).size, places.length, `${place}: a sequence number was used twice`)
  for (const { receipt, text } of answered) {
    const kept = own.find(({ id }) => Bytes.equals(id, receipt.id))
    const op = kept?.ops[receipt.index]
    assert.isTrue(
      op?.action._tag === "Put" && String.fromCharCode(...op.action.value) === text,
      `${place}: ${text} was answered and is lost`
    )
  }
  assert.deepStrictEqual(yield* sorted(device.client()), yield* sorted(other.client()), `${place}: not the same`)
  const ids = (yield* entries(other.client())).map(({ id }) => Bytes.toHex(id)).sort()
  const mine = (yield* entries(device.client())).map(({ id }) => Bytes.toHex(id)).sort()
  assert.deepStrictEqual(mine, ids, `${place}: not the same entries`)
  for (const host of [device, other]) {
    assert.strictEqual((yield* host.client().status.current).quarantined, 0, `${place}: something is set aside`)
    assert.deepStrictEqual(yield* host.client().evidence, [])
  }
})

layer(World.CryptoLive)("a process that dies, or whose storage fails, at any commit", (it) => {
  const kinds: ReadonlyArray<Kind> = ["fail-before", "fail-after", "die-before", "die-after"]
  for (const kind of kinds) {
    it.effect(`loses nothing and repeats nothing (${kind})`, () =>
      Effect.gen(function*() {
        let at = 1
        while (true) {
          const ran = yield* Effect.scoped(
            Effect.flatMap(scenario(at, kind), (ran) => Effect.as(check(ran, `${kind} at commit ${at}`), ran))
          )
          if (!ran.hit) break
          at++
        }
        assert.isAbove(at, 6)
      }), 60_000)
  }
})
