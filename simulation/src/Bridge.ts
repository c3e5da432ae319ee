/**
 * The second driver of a kernel: asynchronous, for programs with promises or WebCrypto in them.
 *
 * Virtual time stands still while promises have their turn. After an event that touched one, the bridge lets the
 * microtasks run until none is left, then waits for WebCrypto's answers, which come from threads, and hands them out in
 * the order of the calls, one by one. So the same seed gives the same trace here too.
 *
 * 1. No event runs while a microtask of the processes, or an answer of WebCrypto, is pending.
 * 2. Answers are handed out in the order of the calls, whichever thread was faster.
 *
 * Not waited for: other work of the machine (files, `fetch`), and an `async` function that nobody calls `then` on.
 */
import type { Kernel, Outcome, Until } from "./Kernel.ts"

/** As `kernel.run`, with turns for promises in between. */
export const run = async (kernel: Kernel, until: Until = {}): Promise<Outcome> => {
  const { traps } = kernel.host
  const isDone = until.predicate ?? (() => false)
  traps.bridged = true
  try {
    for (;;) {
      const outcome = kernel.run({ micros: until.micros, predicate: () => traps.touchedBy !== undefined || isDone() })
      if (traps.touchedBy === undefined || outcome.end === "failed") return outcome
      await settle(kernel)
      if (isDone()) return { end: "predicate" }
    }
  } finally {
    traps.bridged = false
  }
}

/** Until no promise of a process has anything to do. */
const settle = async (kernel: Kernel): Promise<void> => {
  const { host } = kernel
  const { traps } = host
  await drain(kernel)
  for (let answer = traps.answers.shift(); answer !== undefined; answer = traps.answers.shift()) {
    const { settled, subject } = answer
    const release = await settled
    traps.touchedBy = subject
    release()
    await drain(kernel)
  }
}

/** Runs the microtasks that are pending, and those that they make, as the process that touched a promise last. */
const drain = async (kernel: Kernel): Promise<void> => {
  const { host } = kernel
  const empty = emptied(() => {
    host.current = undefined
    restore()
  })
  const restore = host.traps.install()
  host.current = host.traps.touchedBy
  host.traps.touchedBy = undefined
  await empty
}

type Tick = (run: () => void) => void

const isTick = (value: unknown): value is Tick => typeof value === "function"

/**
 * Calls `then` once no microtask is left, and answers after that. Where there is `process.nextTick`, a tick that is
 * asked for in a microtask comes exactly then, before anything else of the machine; elsewhere the next macrotask does.
 */
const emptied = (then: () => void): Promise<void> => {
  const machine: unknown = Reflect.get(globalThis, "process")
  const nextTick: unknown = typeof machine === "object" && machine !== null
    ? Reflect.get(machine, "nextTick")
    : undefined
  const timer: unknown = Reflect.get(globalThis, "setTimeout")
  const later = isTick(nextTick) ? nextTick : timer
  return new Promise((resolve) => {
    void Promise.resolve().then(() => {
      if (!isTick(later)) throw new Error("this engine has neither nextTick nor setTimeout")
      later(() => {
        then()
        resolve()
      })
    })
  })
}
