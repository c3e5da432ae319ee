/** How a command ends that did not do what was asked: the event that is shown, and the exit code. */
import type * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Failed } from "./Event.ts"
import * as Exit from "./Exit.ts"
import { emit, type Output } from "./Output.ts"

/** The command line asks for something that does not go together. */
export class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { detail: Schema.String }) {
  override get message() {
    return `${this.detail}. Nothing was done; \`sotto COMMAND --help\` shows what there is.`
  }
}

/** What was written is on this device, and not at a relay. */
export class NotStored extends Schema.TaggedError<NotStored>()("NotStored", { detail: Schema.String }) {
  override get message() {
    return `Saved on this device, but not yet at a relay (${this.detail}). It goes out with the next command that ` +
      "reaches one; `sotto doctor` tests each step."
  }
}

/** The space would be without a relay. */
export class LastRelay extends Schema.TaggedError<LastRelay>()("LastRelay", {}) {
  override get message() {
    return "This is the only relay that this device has for the space, and nothing was changed. Add another one first " +
      "(`sotto relays add ADDRESS`); with --force this device goes on without any, and keeps what it writes to itself."
  }
}

/** All has been said; only the exit code is left. */
export class Told extends Schema.TaggedError<Told>()("Told", { code: Schema.Int }) {}

const numberOf = (failure: unknown): { readonly number?: number } =>
  typeof failure === "object" && failure !== null && "number" in failure && typeof failure.number === "number"
    ? { number: failure.number }
    : {}

const isShowHelp = (failure: unknown): failure is CliError.ShowHelp => Exit.tagOf(failure) === "ShowHelp"

/** A failure as it is shown. */
export const toEvent = (failure: unknown): Failed => ({
  type: "error",
  tag: Exit.tagOf(failure),
  ...numberOf(failure),
  message: failure instanceof Error ? failure.message : String(failure)
})

/** Shows a failure; answers the exit code. */
export const report = (failure: unknown): Effect.Effect<number, never, Output> => {
  if (failure instanceof Told) return Effect.succeed(failure.code)
  if (isShowHelp(failure)) {
    const told = Effect.forEach(failure.errors, (error) => emit(toEvent(error)), { discard: true })
    return Effect.as(told, failure.errors.length === 0 ? Exit.CODE.ok : Exit.CODE.usage)
  }
  return Effect.as(emit(toEvent(failure)), Exit.codeOfTag(Exit.tagOf(failure)))
}

/** Shows a bug. */
export const reportDefect = (defect: unknown): Effect.Effect<number, never, Output> =>
  Effect.as(
    emit({
      type: "error",
      tag: "Defect",
      message: `This is a bug in sotto; what was saved is saved. Please report it with: ${
        defect instanceof Error ? defect.stack ?? defect.message : String(defect)
      }`
    }),
    Exit.CODE.failed
  )
