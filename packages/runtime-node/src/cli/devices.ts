/** `sotto devices`: who is in the space. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { withSotto } from "./Home.ts"
import { emit, Output } from "./Output.ts"
import { settled } from "./Wait.ts"
import { deviceLine } from "./Words.ts"

export const devices = Command.make("devices", {}, () =>
  withSotto(Effect.fnUntraced(function*({ client }) {
    const fresh = yield* settled(client)
    if (Result.isFailure(fresh)) {
      yield* emit({ type: "notice", message: `As far as this device knows: ${fresh.failure.message}` })
    }
    const output = yield* Output
    yield* output.emitAll((yield* client.devices).map(deviceLine))
  }))).pipe(Command.withDescription("List the devices of the space"))
