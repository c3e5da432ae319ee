/**
 * Where events go. With `--json` each is one line on standard output, errors included; without it results go to
 * standard output as text, and what only accompanies them (questions, notices, errors) to standard error.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Event } from "./Event.ts"
import { type Style, toJson, toText } from "./render.ts"

const ASIDE: ReadonlySet<Event["type"]> = new Set(["question", "notice", "error"])

/** Lines of a stream, as the stream takes them. A reader that went away (`sotto pull | head`) ends the process. */
const writeTo = (stream: NodeJS.WriteStream, text: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    stream.write(`${text}\n`, (error) => {
      if (error !== null && error !== undefined && "code" in error && error.code === "EPIPE") process.exit(0)
      resume(Effect.void)
    })
  })

export class Output extends Context.Service<Output, {
  readonly json: boolean
  readonly emit: (event: Event) => Effect.Effect<void>
  /** Many at once, in one write: a log of thousands of entries. */
  readonly emitAll: (events: ReadonlyArray<Event>) => Effect.Effect<void>
  /** A line on the terminal that the next one takes the place of; nothing where there is none. "" takes it away. */
  readonly progress: (text: string) => Effect.Effect<void>
}>()("@sotto/runtime-node/cli/Output") {
  static readonly layer = (json: boolean): Layer.Layer<Output> =>
    Layer.sync(Output, () => {
      const noColor = process.env["NO_COLOR"] !== undefined && process.env["NO_COLOR"] !== ""
      const styleOf = (stream: NodeJS.WriteStream): Style => ({
        color: stream.isTTY && !noColor && process.env["TERM"] !== "dumb",
        qr: undefined
      })
      const emit = (event: Event) => {
        if (json) return writeTo(process.stdout, toJson(event))
        const stream = ASIDE.has(event.type) ? process.stderr : process.stdout
        const style = styleOf(stream)
        return event.type === "code" && process.stdout.isTTY
          ? Effect.flatMap(
            Effect.promise(() => import("./QrCode.ts")),
            ({ rowsOf }) => writeTo(stream, toText(event, { ...style, qr: rowsOf }))
          )
          : writeTo(stream, toText(event, style))
      }
      return {
        json,
        emit,
        progress: (text) =>
          Effect.sync(() => {
            if (!json && process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
          }),
        emitAll: (events) =>
          events.length === 0
            ? Effect.void
            : json
            ? writeTo(process.stdout, events.map(toJson).join("\n"))
            : Effect.forEach(events, emit, { discard: true })
      }
    })
}

/** Says something. */
export const emit = (event: Event): Effect.Effect<void, never, Output> => Output.use((output) => output.emit(event))
