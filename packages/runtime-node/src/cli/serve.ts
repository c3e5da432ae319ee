/** `sotto serve`: lets other devices of the space connect to this one, until it is told to end. */
import type { Client } from "@sotto/core/Client"
import { toText } from "@sotto/schema/Text"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as PeerServer from "../PeerServer.ts"
import { CODE, Ending } from "./Exit.ts"
import { Port } from "./Flags.ts"
import { withSotto } from "./Home.ts"
import { named, tellNearby } from "./Nearby.ts"
import { emit, Output } from "./Output.ts"

const PORT = 4401

/** Runs until it is interrupted. The relays of the space are kept up with as well: the client does that by itself. */
const serving = Effect.fnUntraced(
  function*(client: Client["Service"], at: { readonly host: string; readonly port: number }) {
    const output = yield* Output
    yield* Effect.forkScoped(tellNearby(client), { startImmediately: true })
    const { url, urls } = yield* PeerServer.start(client.peers, {
      ...at,
      ended: (error, met) =>
        // That a connection ended is no news: who had come is said to have left.
        error._tag === "ConnectionClosed"
          ? Effect.void
          : output.emit({ type: "notice", message: `${met ? "A device was left" : "Not let in"}: ${error.message}` })
    })
    const { device, label } = yield* named(client, client.device)
    yield* emit({ type: "serving", url: urls[0] ?? url, urls, device, label, space: toText("SpaceId", client.space) })
    const ending = yield* Ending
    ending.signalled = CODE.ok
    return yield* Effect.never
  },
  Effect.scoped
)

export const serve = Command.make(
  "serve",
  {
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on; 0.0.0.0 or :: for other machines"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("0 takes a free one"),
      Flag.withSchema(Port),
      Flag.withDefault(PORT)
    )
  },
  (at) =>
    withSotto(({ client }) => Effect.onInterrupt(serving(client, at), () => emit({ type: "stopped", what: "device" })))
).pipe(Command.withDescription("Let your other devices connect to this one, without a relay between you"))
