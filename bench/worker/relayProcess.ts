/** The relay of `relay.bench.ts`: as it ships, with SQLite on disk; only the rate limits are out of the way. */
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as RelayServer from "@sotto/runtime-node/RelayServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { serveUsage } from "./serveUsage.ts"

const BILLION = 1_000_000_000
const [directory = ""] = process.argv.slice(2)
const scope = Scope.makeUnsafe()
const start = RelayServer.start({
  directory,
  settings: {
    limits: {
      messagesPerSecond: BILLION,
      messagesBurst: BILLION,
      routeMessagesPerSecond: BILLION,
      connectsPerMinute: BILLION,
      unauthenticatedPerAddressMax: BILLION,
      unauthenticatedMillis: BILLION,
      pushesInFlightMax: 4096,
      routeBytesMax: Number.MAX_SAFE_INTEGER
    }
  }
})
const { address } = await Effect.runPromise(
  start.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.provide(NodeCrypto.layer)
  )
)
serveUsage(address, () => Effect.runPromise(Scope.close(scope, Exit.void)))
