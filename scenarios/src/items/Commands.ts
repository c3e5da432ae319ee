/** What apps do with items: they put, count, delete, and end conflicts, and look whether they can read what they wrote. */
import type { Receipt } from "@sotto/core/Client"
import type { ItemCollection, ItemConflict } from "@sotto/core/collection/ItemCollection"
import * as Counter from "@sotto/core/item/merge/Counter"
import * as Bytes from "@sotto/schema/Bytes"
import * as Utf8 from "@sotto/schema/Utf8"
import type { Command, Json, Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Handle } from "../node/ClientNode.ts"
import type { Board } from "./Board.ts"
import { KEYS, MERGES } from "./Names.ts"

const DOES = ["put", "twice", "delete", "resolve", "get"] as const

const Input = Schema.Struct({
  does: Schema.Literals(DOES),
  merge: Schema.Literals(MERGES),
  key: Schema.String,
  value: Schema.String
})
type Input = typeof Input.Type

/** Tells what was written, how many heads this device has written, and whether its device has it among the item's versions now. */
const told = Effect.fnUntraced(
  function*(handle: Handle, board: Board, { key, merge }: Input, receipt: Receipt | undefined) {
    if (receipt === undefined) return
    const version = Bytes.toHex(receipt.hash)
    const past = yield* board.of(merge)?.history(key, 1000) ?? Effect.succeed([])
    const heads = past.filter(({ device, isHead }) => isHead && Bytes.equals(device, handle.client.device)).length
    handle.host.observe("itemWritten", { version, found: past.some(({ id }) => id === version), heads })
  }
)

/** The first item of any collection that is for a person to decide about. */
const firstConflict = Effect.fnUntraced(function*(board: Board) {
  for (const merge of MERGES) {
    const items = board.of(merge)
    const [conflict] = items === undefined ? [] : (yield* items.conflicts.list()).conflicts
    if (items !== undefined && conflict !== undefined) return { merge, items, conflict }
  }
  return undefined
})

/** What a person decides: the version of another device, or their own. */
const decide = ({ local, remotes }: ItemConflict<Uint8Array>, value: string) =>
  ({ head: (value.length % 2 === 0 ? local : remotes[0] ?? local).id }) as const

/** The bytes to write: a text, or a counter that counts on. */
const valueOf = ({ client }: Handle, items: ItemCollection<Uint8Array>, { key, merge, value }: Input) =>
  merge !== "counter"
    ? Effect.succeed(Utf8.encode(value))
    : Effect.map(items.get(key), (before = Counter.zero) => Counter.add(before, client.device, value.length) ?? before)

const item = Workload.command({
  weight: 0,
  input: Input,
  draw: () => ({ does: "get", merge: "plain", key: "", value: "" }) as const,
  run: (handle: Handle, input) =>
    Effect.gen(function*() {
      const { board } = handle
      const { does, key, merge, value } = input
      const items = board?.of(merge)
      if (board === undefined || items === undefined) return
      switch (does) {
        case "get":
          yield* items.get(key)
          return
        case "delete":
          return yield* told(handle, board, input, yield* items.delete(key))
        case "resolve": {
          const found = yield* firstConflict(board)
          if (found === undefined) return
          handle.host.mark("conflict resolved")
          const { conflict: { key }, items, merge } = found
          // By its key: decided about as it is when it is written. Two decisions about one that was read before stand beside
          // each other, since neither knows of the other.
          const resolved = items.conflicts.resolve(key, (conflict) => decide(conflict, value))
          const receipt = yield* Effect.catchTag(resolved, "NoConflict", () => Effect.undefined)
          return yield* told(handle, board, { ...input, merge, key }, receipt)
        }
        case "put":
          return yield* told(handle, board, input, yield* items.put(key, yield* valueOf(handle, items, input)))
        case "twice": {
          const put = Effect.flatMap(valueOf(handle, items, input), (bytes) => items.put(key, bytes))
          const receipts = yield* Effect.all([put, put], { concurrency: "unbounded" })
          for (const receipt of receipts) yield* told(handle, board, input, receipt)
        }
      }
    })
})

export const commands = { item }

const PUSHES = new Set(["push", "pushAll", "burst"])
const SHARE = 0.7

/** The last text of a command's input: it holds the canary. */
const textOf = (input: Json): string => {
  if (typeof input === "string") return input
  const last = Array.isArray(input) ? input.at(-1) : undefined
  return last === undefined ? "" : textOf(last)
}

/** A scenario in which most of what was to be pushed is said of items instead, if it is to have any. */
export const withItems = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  if (scenario.knobs["items"] !== true) return scenario
  const change = (command: Command, k: number): Command => {
    const draws = Seed.draws(seed, "items", k)
    if (!PUSHES.has(command.name) || !draws.chance(SHARE)) return command
    const does = draws.chance(0.6) ? "put" : draws.chance(0.5) ? "resolve" : draws.pick(DOES)
    const value = textOf(command.input)
    return { ...command, name: "item", input: { does, merge: draws.pick(MERGES), key: draws.pick(KEYS), value } }
  }
  return { ...scenario, workload: scenario.workload.map(change) }
}
