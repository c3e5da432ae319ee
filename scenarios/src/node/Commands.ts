/**
 * What apps do with a client. Each push says what it means to write before it asks (`intent`), what was answered
 * (`pushed`), and when a relay has it (`stored`).
 */
import type { Receipt } from "@sotto/core/Client"
import { Ordinal } from "@sotto/core/log/Cursor"
import { putOp } from "@sotto/core/log/Outbox"
import * as Bytes from "@sotto/schema/Bytes"
import * as Utf8 from "@sotto/schema/Utf8"
import type { Draws } from "@sotto/simulation/Seed"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Handle } from "./ClientNode.ts"
import { type OpText, seen } from "./View.ts"

const Op = Schema.Tuple([Schema.String, Schema.String, Schema.String])

/** Every part of it holds the canary, or is one of a few names that say nothing. */
const drawOp = (draws: Draws, canary: string, k: number): OpText => [
  draws.chance(0.3) ? `list ${canary}` : draws.pick(["", "a", "b"]),
  draws.chance(0.5) ? "" : `item ${canary}`,
  `${canary}#${k} `.padEnd(draws.chance(0.1) ? draws.between(300, 3000) : 24, "~")
]

/** Tells what became of a push, and looks whether the device can read what it wrote. */
const follow = Effect.fnUntraced(function*(handle: Handle, ops: ReadonlyArray<OpText>, receipt: Receipt) {
  const { client, host, scope } = handle
  const id = Bytes.toHex(receipt.id)
  host.observe("pushed", { id, seq: receipt.seq, ops })
  yield* Effect.forkIn(
    Effect.ignore(
      Effect.tap(
        receipt.stored,
        ({ relay }) => Effect.sync(() => host.observe("stored", { id, ops, relay: Bytes.toHex(relay) }))
      )
    ),
    scope
  )
  const after = Ordinal.make(receipt.ordinal - 1)
  const read = yield* Stream.runCollect(Stream.take(client.entries({ after }), 1))
  const [entry] = [...read].map(seen)
  const written = ops.map((op) => JSON.stringify(op))
  const found = new Set(entry?.ops.map((op) => JSON.stringify(op)))
  host.observe("readBack", { id, found: entry?.id ?? null, all: written.every((op) => found.has(op)) })
  return { id, seq: receipt.seq, ordinal: receipt.ordinal }
})

const push = Workload.command({
  weight: 8,
  input: Op,
  draw: (draws, { canary }) => drawOp(draws, canary, 0),
  run: (handle: Handle, op) =>
    Effect.suspend(() => {
      const [collection, key, value] = op
      handle.host.observe("intent", { ops: [op] })
      return Effect.flatMap(
        handle.client.push(Utf8.encode(value), { collection, key }),
        (receipt) => follow(handle, [op], receipt)
      )
    })
})

const pushAll = Workload.command({
  weight: 2,
  input: Schema.Array(Op),
  draw: (draws, { canary }) => Array.from({ length: draws.between(2, 6) }, (_, k) => drawOp(draws, canary, k)),
  run: (handle: Handle, ops) =>
    Effect.suspend(() => {
      handle.host.observe("intent", { ops })
      return Effect.flatMap(
        handle.client.pushAll(ops.map(([collection, key, value]) => putOp(Utf8.encode(value), { collection, key }))),
        (receipt) => follow(handle, ops, receipt)
      )
    })
})

/** Several pushes at once, which may share an entry. */
const burst = Workload.command({
  weight: 2,
  input: Schema.Array(Op),
  draw: (draws, { canary }) => Array.from({ length: draws.between(2, 8) }, (_, k) => drawOp(draws, canary, k)),
  run: (handle: Handle, ops) =>
    Effect.suspend(() => {
      handle.host.observe("intent", { ops })
      const all = Effect.forEach(
        ops,
        (op) =>
          Effect.exit(Effect.flatMap(
            handle.client.push(Utf8.encode(op[2]), { collection: op[0], key: op[1] }),
            (receipt) => follow(handle, [op], receipt)
          )),
        { concurrency: "unbounded" }
      )
      // Each answers for itself; the first that failed is what the command says.
      return Effect.flatMap(all, (exits) => Effect.forEach(exits, (exit) => exit))
    })
})

const presence = Workload.command({
  weight: 1,
  input: Schema.String,
  draw: (_, { canary }) => canary,
  run: ({ client }: Handle, text) => client.presence.publish(Utf8.encode(text))
})

const Millis = Schema.Int

/** The app leaves the network for a while. */
const away = Workload.command({
  weight: 1,
  input: Millis,
  draw: (draws) => draws.between(10, 4000),
  run: ({ client }: Handle, millis) =>
    Effect.andThen(client.pause, Effect.ensuring(Effect.sleep(millis), client.resume))
})

/** A command without input. */
const simple = (weight: number, run: (handle: Handle) => Effect.Effect<unknown, unknown>) =>
  Workload.command({
    weight,
    input: Schema.Null,
    draw: () => null,
    run: (handle: Handle) => Effect.asVoid(run(handle))
  })

/** All that a device can be asked for. */
export const commands = {
  push,
  pushAll,
  burst,
  presence,
  away,
  wake: simple(1, ({ client }) => client.wake),
  pull: simple(1, ({ client }) => client.pull),
  reconcile: simple(1, ({ client }) => client.reconcile),
  ack: simple(1, ({ client }) => client.ack),
  flush: simple(1, ({ client }) => client.flush())
}
