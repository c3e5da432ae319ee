/** `sotto status`: is what I wrote safe, and if not, why not. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "./Exit.ts"
import { Told } from "./Failure.ts"
import { withSotto } from "./Home.ts"
import { emit } from "./Output.ts"
import { settled } from "./Wait.ts"
import { statusLine } from "./Words.ts"

const CODES = { Synced: Exit.CODE.ok, Pending: Exit.CODE.ok, Connecting: Exit.CODE.offline, Offline: Exit.CODE.offline }

export const status = Command.make("status", {}, () =>
  withSotto(Effect.fnUntraced(function*(sotto) {
    yield* settled(sotto.client)
    const current = yield* sotto.client.status.current
    yield* emit(statusLine(sotto, current))
    const code = current._tag === "Failed" ? Exit.codeOfTag(current.failure.tag) : CODES[current._tag]
    if (code !== Exit.CODE.ok) return yield* new Told({ code })
  }))).pipe(Command.withDescription("Show what is safe, and what is in the way"))
