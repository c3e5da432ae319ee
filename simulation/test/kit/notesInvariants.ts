/** What the notes must keep (`notes.ts`). */
import * as Schema from "effect/Schema"
import type { Invariant } from "../../src/Invariant.ts"
import * as AtMostOnce from "../../src/invariant/AtMostOnce.ts"
import * as Bounded from "../../src/invariant/Bounded.ts"
import * as Convergence from "../../src/invariant/Convergence.ts"
import * as ModelAgreement from "../../src/invariant/ModelAgreement.ts"
import * as MonotonicCursors from "../../src/invariant/MonotonicCursors.ts"
import * as NoAckedLoss from "../../src/invariant/NoAckedLoss.ts"
import * as NoDefect from "../../src/invariant/NoDefect.ts"
import * as NoNonceReuse from "../../src/invariant/NoNonceReuse.ts"
import * as NoPlaintext from "../../src/invariant/NoPlaintext.ts"
import * as NoSequenceReuse from "../../src/invariant/NoSequenceReuse.ts"
import * as Quiescence from "../../src/invariant/Quiescence.ts"
import * as ReadYourWrites from "../../src/invariant/ReadYourWrites.ts"
import * as RecoveryTime from "../../src/invariant/RecoveryTime.ts"
import type { Json } from "../../src/Scenario.ts"
import type * as Workload from "../../src/Workload.ts"

const State = Schema.Struct({
  notes: Schema.Record(Schema.String, Schema.String),
  ops: Schema.Array(Schema.Struct({ id: Schema.String, clock: Schema.Finite, key: Schema.String }))
})
const toState = Schema.decodeUnknownSync(State)

const Written = Schema.Struct({ id: Schema.String, knew: Schema.Record(Schema.String, Schema.Finite) })
const toWritten = Schema.decodeUnknownSync(Written)

const Input = Schema.Struct({ key: Schema.String })
const keyOf = ({ input }: Workload.Entry) => Schema.decodeUnknownSync(Input)(input).key

/** Author and number of an id. */
const partsOf = (id: Json | undefined) => {
  const [author = "", number = "0"] = typeof id === "string" ? id.split(":") : []
  return { author, number: Number(number) }
}

/** What was read is the write, or its author did not know it when it wrote. */
const sees = (read: Workload.Entry, write: Workload.Entry) => {
  const { id, knew } = toWritten(write.result)
  const { author, number } = partsOf(read.result)
  return read.result === id || number > (author === partsOf(id).author ? partsOf(id).number : knew[author] ?? 0)
}

const isLater = (op: { readonly id: string; readonly clock: number }, than: typeof op | undefined) =>
  than === undefined || op.clock > than.clock ||
  (op.clock === than.clock && partsOf(op.id).author > partsOf(than.id).author)

export const invariants: ReadonlyArray<Invariant> = [
  Convergence.make(),
  NoAckedLoss.make({
    made: ({ name, result }) => name === "write" ? [toWritten(result).id] : [],
    held: ({ state }) => state === undefined ? undefined : toState(state).ops.map(({ id }) => id)
  }),
  ReadYourWrites.make({
    writes: (entry) => entry.name === "write" ? keyOf(entry) : undefined,
    reads: (entry) => entry.name === "read" ? keyOf(entry) : undefined,
    sees
  }),
  ModelAgreement.make({
    held: ({ state }) => state === undefined ? undefined : toState(state).ops,
    initial: () => new Map<string, (typeof State.Type)["ops"][number]>(),
    apply: (winners, op) => isLater(op, winners.get(op.key)) ? winners.set(op.key, op) : winners,
    show: (winners) => Object.fromEntries([...winners].map(([key, { id }]) => [key, id])),
    shown: ({ state }) => state === undefined ? undefined : toState(state).notes
  }),
  AtMostOnce.make(),
  NoSequenceReuse.make({ afterLoss: "allowed" }),
  NoNonceReuse.make(),
  MonotonicCursors.make(),
  NoPlaintext.make(),
  NoDefect.make({ fibers: true }),
  Bounded.messages({ perNodePerSecond: 400 }),
  Bounded.store({ bytes: 1_000_000 }),
  Quiescence.make({ messagesPerNodePerSecond: 10 }),
  RecoveryTime.make({ within: "60 seconds" })
]
