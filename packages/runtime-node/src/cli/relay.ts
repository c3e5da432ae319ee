/** `sotto relay`: runs a relay until it is told to end. */
import { LIMITS, type RelayLimits, type RelaySettings } from "@sotto/core/relay/RelayOptions"
import { isRelayUrl, relayAddressFromText } from "@sotto/schema/Ticket"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as path from "node:path"
import * as NodeCrypto from "../NodeCrypto.ts"
import * as RelayServer from "../RelayServer.ts"
import { CODE, Ending } from "./Exit.ts"
import { UsageWrong } from "./Failure.ts"
import { Home, Port } from "./Flags.ts"
import { emit } from "./Output.ts"

/** `routeBytesMax` is set by SOTTO_RELAY_ROUTE_BYTES_MAX. */
const variableOf = (limit: string): string => `SOTTO_RELAY_${limit.replace(/[A-Z]/g, "_$&").toUpperCase()}`

/** Every limit can be set by the environment, under its own name. */
const limits = Effect.mapError(
  Config.all(
    Object.fromEntries(Object.keys(LIMITS).map((name) => [name, Config.option(Config.Int(variableOf(name)))]))
  ),
  ({ message }) =>
    new UsageWrong({
      detail: `Not a whole number: ${/SOTTO_RELAY_\w+/.exec(message)?.[0] ?? message}, a relay's limit`
    })
)

const tokens = Config.option(Config.Redacted("SOTTO_RELAY_TOKENS"))

const limitsOf = (given: Readonly<Record<string, Option.Option<number>>>): Partial<RelayLimits> =>
  Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => Option.isSome(value) ? [[name, value.value]] : [])
  )

const admissionOf = Effect.fnUntraced(function*(access: "open" | "token" | "closed") {
  if (access !== "token") return { _tag: access } as const
  const given = yield* tokens
  if (Option.isNone(given)) {
    return yield* new UsageWrong({ detail: "--access token needs SOTTO_RELAY_TOKENS, one or more separated by commas" })
  }
  const each = Redacted.value(given.value).split(",").map((token) => token.trim()).filter((token) => token !== "")
  return { _tag: "token", tokens: each.map((token) => Redacted.make(token)) } as const
})

const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on; 0.0.0.0 or :: for other machines"),
    Flag.withFallbackConfig(Config.String("SOTTO_RELAY_HOST")),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("0 takes a free one"),
    Flag.withSchema(Port),
    Flag.withFallbackConfig(Config.Port("SOTTO_RELAY_PORT")),
    Flag.withDefault(4400)
  ),
  data: Flag.Directory("data").pipe(
    Flag.withDescription("Where its log and its key are kept; ~/.sotto/relay unless given (SOTTO_RELAY_DATA)"),
    Flag.withFallbackConfig(Config.String("SOTTO_RELAY_DATA")),
    Flag.optional
  ),
  metricsPort: Flag.Int("metrics-port").pipe(
    Flag.withDescription("Serve metrics on this port of this machine; 0 takes a free one"),
    Flag.withSchema(Port),
    Flag.optional
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("How devices reach it from elsewhere: wss://relay.example/"),
    Flag.withFallbackConfig(Config.String("SOTTO_RELAY_URL")),
    Flag.optional
  ),
  trustProxy: Flag.Boolean("trust-proxy").pipe(
    Flag.withDescription("Take client addresses from X-Forwarded-For: only behind a proxy that sets it"),
    Flag.withDefault(false)
  ),
  replicate: Flag.String("replicate").pipe(
    Flag.withDescription("Follow the relay at this address as its standby, and serve nobody; --data is a backup of it"),
    Flag.withFallbackConfig(Config.String("SOTTO_RELAY_REPLICATE")),
    Flag.optional
  ),
  access: Flag.Literals("access", ["open", "token", "closed"]).pipe(
    Flag.withDescription("Who may bring a new space: all, who has a token of SOTTO_RELAY_TOKENS, nobody"),
    Flag.withDefault("open")
  )
}

/** One JSON object a line on stderr, for whatever collects logs; readable lines for a person at a terminal. */
const logs = Logger.layer([
  process.stderr.isTTY ? Logger.consolePretty() : Logger.withConsoleError(Logger.formatJson)
])

/** Runs until it is interrupted; its end drains. */
const serve = Effect.fnUntraced(function*(options: RelayServer.RelayServerOptions) {
  const running = yield* RelayServer.start(options)
  yield* emit({
    type: "listening",
    url: running.url,
    address: running.address,
    metrics: running.metricsUrl ?? null,
    data: path.resolve(options.directory),
    replicates: options.replicate?.url ?? null
  })
  const ending = yield* Ending
  ending.signalled = CODE.ok
  return yield* running.ended
}, Effect.scoped)

export const relay = Command.make(
  "relay",
  flags,
  Effect.fnUntraced(function*(options) {
    const url = Option.getOrUndefined(options.url)
    if (url !== undefined && !isRelayUrl(url)) {
      return yield* new UsageWrong({ detail: "--url is not of the form wss://host/ or ws://host:port/" })
    }
    const replicate = Option.isNone(options.replicate)
      ? undefined
      : yield* Effect.fromResult(relayAddressFromText(options.replicate.value))
    const settings: RelaySettings = { admission: yield* admissionOf(options.access), limits: limitsOf(yield* limits) }
    const served = serve({
      directory: Option.isSome(options.data) ? options.data.value : path.join(yield* Home, "relay"),
      host: options.host,
      port: options.port,
      trustProxy: options.trustProxy,
      settings,
      ...replicate === undefined ? {} : { replicate },
      ...url === undefined ? {} : { publicUrl: url },
      ...Option.isNone(options.metricsPort) ? {} : { metrics: { port: options.metricsPort.value } }
    })
    return yield* served.pipe(
      Effect.provide(Layer.merge(NodeCrypto.layer, logs)),
      Effect.onInterrupt(() => emit({ type: "stopped", what: "relay" }))
    )
  })
).pipe(Command.withDescription("Run a relay: one port, one directory, no account"))
