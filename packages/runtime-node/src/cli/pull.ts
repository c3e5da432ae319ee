/**
 * `sotto pull`: prints what the space holds, in the order of a relay's log: the same lines on every device that asks for
 * the same relay. Without one in reach it prints what is here.
 *
 * A device that was compared with a relay instead of reading its log does not know where everything stands there; and what
 * was written offline stands nowhere yet. That comes last, in the order in which it came here, without a position.
 */
import type { Client } from "@sotto/core/Client"
import type { Cursor } from "@sotto/core/log/Cursor"
import { Position, type RelayKey } from "@sotto/schema/Id"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { withSotto } from "./Home.ts"
import { Output } from "./Output.ts"
import { chosen, relayFlag } from "./RelayChoice.ts"
import { settled, watched } from "./Wait.ts"
import { entryLines } from "./Words.ts"

type Service = Client["Service"]

/** Prints page after page until what was received is printed; answers where it ended. Nothing is printed twice. */
const printAfter = Effect.fnUntraced(function*(client: Service, relay: RelayKey, after: Cursor, printed: Set<number>) {
  const output = yield* Output
  let last = after
  for (;;) {
    const page = yield* client.log({ relay, after: last })
    const end = page[page.length - 1]?.position
    if (end === undefined) return last
    const fresh = page.filter(({ ordinal }) => !printed.has(ordinal))
    yield* output.emitAll(fresh.flatMap((entry) => entryLines(entry, entry.position?.position ?? null)))
    for (const { ordinal } of fresh) printed.add(ordinal)
    last = end
  }
})

/** Prints what is here and was not printed. */
const printRest = Effect.fnUntraced(function*(client: Service, printed: Set<number>) {
  const output = yield* Output
  yield* Stream.runForEachArray(
    client.entries(),
    Effect.fnUntraced(function*(page) {
      const rest = page.filter(({ ordinal }) => !printed.has(ordinal))
      yield* output.emitAll(rest.flatMap((entry) => entryLines(entry, null)))
      for (const { ordinal } of rest) printed.add(ordinal)
    })
  )
})

/** Prints what comes, for ever. */
const follow = Effect.fnUntraced(function*(client: Service, relay: RelayKey, from: Cursor, printed: Set<number>) {
  let last = from
  yield* Stream.runForEach(
    Stream.changes(Stream.map(client.status.changes, (status) => status.relays.map(({ received }) => received).join())),
    Effect.fnUntraced(function*() {
      last = yield* printAfter(client, relay, last, printed)
    })
  )
})

export const pull = Command.make("pull", {
  relay: relayFlag,
  follow: Flag.Boolean("follow").pipe(
    Flag.withDescription("Go on with what comes, until Ctrl+C"),
    Flag.withDefault(false)
  ),
  after: Flag.Int("after").pipe(
    Flag.withDescription("Only what stands after this position"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
    Flag.withDefault(0)
  )
}, (options) =>
  withSotto(Effect.fnUntraced(function*({ client }) {
    const relay = yield* chosen(client, options.relay)
    if (relay === undefined) return
    const pulled = yield* Effect.result(watched(client, client.pull))
    // What this device wrote offline belongs to the log as well; it is on its way.
    if (Result.isSuccess(pulled)) yield* settled(client)
    const printed = new Set<number>()
    const last = yield* printAfter(client, relay, { relay, position: Position.make(options.after) }, printed)
    if (options.after === 0) yield* printRest(client, printed)
    if (options.follow) yield* follow(client, relay, last, printed)
    if (Result.isFailure(pulled)) return yield* pulled.failure
  }))).pipe(Command.withDescription("Print what the space holds, in the order of the relay's log"))
