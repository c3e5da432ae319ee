/** What tests of `Verify` look through: a device whose store has something of everything, closed. */
import { Ordinal } from "@sotto/core/log/Cursor"
import * as Ledger from "@sotto/core/log/Ledger"
import type * as Verify from "@sotto/core/log/Verify"
import { Position } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import { push, pushChained } from "./values.ts"
import * as World from "./World.ts"

export const relayNumber = (value: number) => Ledger.RelayNumber.make(value)
export const ordinalAt = (value: number) => Ordinal.make(value)
export const positionAt = (value: number) => Position.make(value)

/** A row that a test is about, which has to be there. */
export const there = <A>(row: A | undefined): A => {
  if (row === undefined) throw new Error("the row that is to be damaged is not there")
  return row
}

export const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const out = bytes.slice()
  out[at] = (out[at] ?? 0) ^ 1
  return out
}

/**
 * A device with two relays, of which the second one is away since before its last entry. It holds, by ordinal: 1 and 2 the
 * other's and its own first entry, 3 to 6 a batch of the other, whose last entry alone is signed, 7 its own last one.
 */
export const scene = Effect.gen(function*() {
  const world = yield* World.make
  const [first, second] = [yield* world.makeRelay(), yield* world.makeRelay()]
  const a = yield* World.found(world, "a", [first, second])
  const early = yield* a.client().state
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  yield* a.client().settled
  yield* b.openWith({ quorum: "all" })
  yield* b.client().settled
  yield* push(b.client(), "one", "notes")
  yield* b.client().settled
  yield* pushChained(a.client(), "batch", 4)
  yield* a.client().settled
  yield* b.client().pull
  yield* second.stop
  yield* push(b.client(), "two", "notes")
  yield* World.untilEffect(
    "the first relay has it, and tells",
    Effect.map(b.client().status.current, ({ relays }) => relays[0]?.pending === 0 && relays[0].received === 7)
  )
  yield* b.crash
  return { world, hosts: [first, second], b, early }
})

export const problemsOf = ({ problems }: Verify.Report) =>
  problems.map(({ detail, kind, where }) => `${kind}: ${where}: ${detail}`)
