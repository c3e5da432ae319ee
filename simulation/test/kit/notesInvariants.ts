/** What the notes must keep (`notes.ts`). */
import * as Schema from "effect/Schema"
import type { Invariant } from "../../src/Invariant.ts"
import * as AtMostOnce from "../../src/invariant/AtMostOnce.ts"
import * as NoAckedLoss from "../../src/invariant/NoAckedLoss.ts"
import * as NoDefect from "../../src/invariant/NoDefect.ts"

const State = Schema.Struct({ ops: Schema.Array(Schema.Struct({ id: Schema.String })) })

const toState = Schema.decodeUnknownSync(State)

export const invariants: ReadonlyArray<Invariant> = [
  NoAckedLoss.make({
    made: ({ name, result }) => name === "write" && typeof result === "string" ? [result] : [],
    held: ({ state }) => state === undefined ? undefined : toState(state).ops.map(({ id }) => id)
  }),
  AtMostOnce.make(),
  NoDefect.make()
]
