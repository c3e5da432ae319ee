/** How a command does its work: outside of any fiber, with the config loaded, and with an exit code in the end. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ConfigFile from "./Config.ts"
import { CODE, HarnessFailed, Told, why } from "./Exit.ts"
import { Config, Json } from "./Flags.ts"
import * as Screen from "./Screen.ts"

export interface Bench {
  readonly config: ConfigFile.Config
  readonly screen: Screen.Screen
}

/** Lets the process take signals and messages. */
export const breathe = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

const BREATH_MILLIS = 50

/** Drives a generator to its end, with a breath now and then. */
export const drive = async <Event, Result>(
  events: Generator<Event, Result, undefined>,
  on: (event: Event) => void
): Promise<Result> => {
  let breathedMillis = performance.now()
  for (;;) {
    const next = events.next()
    if (next.done === true) return next.value
    on(next.value)
    if (performance.now() - breathedMillis < BREATH_MILLIS) continue
    await breathe()
    breathedMillis = performance.now()
  }
}

/** Does the work of a command, which answers its exit code. */
export const work = Effect.fnUntraced(function*(work: (bench: Bench) => Promise<number>) {
  const json = yield* Json
  const named = Option.getOrUndefined(yield* Config)
  const code = yield* Effect.tryPromise({
    try: async () => {
      await breathe()
      return work({ config: await ConfigFile.load(named), screen: Screen.make(json) })
    },
    catch: (error) => error instanceof HarnessFailed ? error : new HarnessFailed({ detail: why(error) })
  })
  if (code !== CODE.ok) return yield* new Told({ code })
})
