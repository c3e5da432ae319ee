/**
 * Exit codes, once: scripts rely on them. `HELP` is what `--help` and the reference page say.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

export const CODE = {
  ok: 0,
  /** It did not work; the message says why. */
  failed: 1,
  /** The command line was not understood, or a code or an address has a typing error. */
  usage: 2,
  /** No relay in reach, or not the device that was asked for; what was written is saved on this device. */
  offline: 3,
  /** The other side said no: a relay, or the device that was to let this one in. */
  refused: 4,
  /** Ended by Ctrl+C or a signal. */
  interrupted: 130
} as const

export const HELP = "Exit codes: 0 ok; 1 failed; 2 usage; 3 offline, what was written is saved on this device; " +
  "4 refused by the other side."

const CODE_OF_TAG: ReadonlyMap<string, number> = new Map<string, number>([
  ...["ShowHelp", "UserError", "PairingCodeTypo", "TextError", "UsageWrong"].map((tag) => [tag, CODE.usage] as const),
  ...[
    "NotConnected",
    "RelayUnreachable",
    "PeerUnreachable",
    "ConnectionClosed",
    "NotStored",
    "RateLimited",
    "Overloaded",
    "ShuttingDown",
    "Standby"
  ]
    .map((tag) => [tag, CODE.offline] as const),
  ...[
    "PairingFailed",
    "PeerRefused",
    "MailboxUnavailable",
    "InvalidMessage",
    "UnknownRoute",
    "Unauthorized",
    "DeviceRevoked",
    "NotOwner",
    "EnvelopeTooLarge",
    "QuotaExceeded",
    "InvalidWakeEndpoint",
    "Refused"
  ].map((tag) => [tag, CODE.refused] as const)
])

/** The tag of a failure; the name of anything else that was thrown. */
export const tagOf = (failure: unknown): string => {
  if (typeof failure === "object" && failure !== null && "_tag" in failure && typeof failure._tag === "string") {
    return failure._tag
  }
  return failure instanceof Error ? failure.name : "Unknown"
}

/** The exit code of a failure, by its tag. */
export const codeOfTag = (tag: string): number => CODE_OF_TAG.get(tag) ?? CODE.failed

/** What a signal means to the command that runs. */
export class Ending extends Context.Service<Ending, {
  /** The exit code when a signal ends it: a command that runs until then sets `CODE.ok`. */
  signalled: number
}>()("@sotto/runtime-node/cli/Ending") {}

/** The exit code of a whole run. */
const codeOf = (exit: Exit.Exit<number, unknown>, { signalled }: Ending["Service"]): number => {
  if (Exit.isSuccess(exit)) return exit.value
  return Cause.hasInterruptsOnly(exit.cause) ? signalled : codeOfTag(tagOf(Cause.squash(exit.cause)))
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/**
 * Runs the program as this process. The first signal interrupts it, so that it ends in order; the second one ends it as
 * it is.
 */
export const run = (program: Effect.Effect<number, never, Ending>): void => {
  const ending: Ending["Service"] = { signalled: CODE.interrupted }
  const fiber = Effect.runFork(Effect.provideService(program, Ending, ending))
  let signalled = false
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (signalled) process.exit(CODE.interrupted)
      signalled = true
      fiber.interruptUnsafe()
    })
  }
  fiber.addObserver((exit) => process.exit(codeOf(exit, ending)))
}
