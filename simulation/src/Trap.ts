/**
 * Traps for what the machine would decide: its clock, its randomness, its timers, its promises.
 *
 * While a kernel runs events, and only then, the ambient functions are replaced. Called by a process they either throw
 * or answer with virtual values, and are reported with their place in the source; called by anybody else (a virtual
 * service, a test's own assertion) they do what they always did.
 *
 * 1. Whatever is installed is taken away when the run ends, also when it ends with an exception.
 * 2. An Effect that is run from an empty context inside a process runs on the process's scheduler, clock and randomness.
 *
 * Not caught: functions that a module copied for itself when it was loaded, named imports from `node:` modules, and
 * `await` on a promise that nobody calls `then` on.
 */
import type * as Clock from "effect/Clock"
import type * as Logger from "effect/Logger"
import type * as Random from "effect/Random"
import type * as Scheduler from "effect/Scheduler"
import type * as Tracer from "effect/Tracer"
import * as AmbientTrap from "./AmbientTrap.ts"
import * as DefaultTrap from "./DefaultTrap.ts"
import * as StackTraces from "./StackTraces.ts"

/**
 * - `throw`: an ambient call is an exception in the process and ends the run.
 * - `virtualise`: it gets virtual values, and is reported.
 * - `off`: nothing is trapped.
 */
export type Mode = "throw" | "virtualise" | "off"

/** One place that used the machine instead of a service. */
export interface Escape {
  readonly what: string
  readonly node: string
  /** The innermost stack frame that is neither ours nor Effect's, or "" where it was not looked up. */
  readonly location: string
  readonly count: number
}

/** A process, as traps see it. */
export interface Subject {
  readonly node: string
  readonly scheduler: Scheduler.Scheduler
  readonly clock: Clock.Clock
  readonly random: Random.Random
  readonly tracer: Tracer.Tracer
  readonly logger: Logger.Logger<unknown, void>
  /** What ambient randomness gives, apart from what the services give. */
  readonly ambient: { readonly unit: () => number; readonly bytes: (length: number) => Uint8Array }
  /** Runs as the subject, unless it died meanwhile. */
  readonly after: (delayMicros: number, run: () => void) => () => void
  /** Where it waits for promises that have not answered, by number. */
  readonly promises: Map<number, string>
}

/** Whose kernel it is. */
export interface Ground {
  current: Subject | undefined
  readonly fail: (reason: "ambient", message: string, node?: string) => void
}

export interface Traps {
  readonly mode: Mode
  readonly escapes: ReadonlyArray<Escape>
  /** Promises belong to the run: `then` is no escape (Bridge.ts). */
  bridged: boolean
  /** Who called `then` since the bridge last looked. */
  touchedBy: Subject | undefined
  /** What WebCrypto owes to a bridged run, in the order of the calls. */
  readonly answers: Array<Answer>
  /** Runs with the traps installed. */
  readonly during: <A>(run: () => A) => A
  /** Installs the traps; the answer takes them away. For a bridge, which lets promises run in between. */
  readonly install: () => () => void
  /** Reports an ambient call and answers its place. Throws in mode `throw`. */
  readonly report: (subject: Subject, what: string) => string
}

/** Something of the machine that a bridged run waits for. */
export interface Answer {
  readonly subject: Subject
  /** Comes when the machine is done; called, it hands the result to the process. */
  readonly settled: Promise<() => void>
}

/** Thrown into a process that used the machine. */
class AmbientUse extends Error {
  override readonly name = "AmbientUse"
}

/** One property that is replaced while events run. */
export interface Patch {
  readonly target: object
  readonly key: PropertyKey
  readonly value: unknown
}

/** So many calls of a run are looked up in the source, which is slow; the rest are counted under no place. */
const LOOKUPS_MAX = 100

export const make = (ground: Ground, mode: Mode): Traps => new Installed(ground, mode)

class Installed implements Traps {
  readonly mode: Mode
  bridged = false
  touchedBy: Subject | undefined = undefined
  readonly answers: Array<Answer> = []
  private readonly ground: Ground
  private readonly places = new Map<string, Escape & { count: number }>()
  private lookups = 0
  private installed = false
  private patches: ReadonlyArray<Patch> | undefined = undefined

  constructor(ground: Ground, mode: Mode) {
    this.ground = ground
    this.mode = mode
  }

  get escapes(): ReadonlyArray<Escape> {
    return [...this.places.values()]
  }

  during<A>(run: () => A): A {
    const restore = this.install()
    try {
      return run()
    } finally {
      restore()
    }
  }

  install(): () => void {
    // Installed once for several runs, by whoever makes them.
    if (this.mode === "off" || this.installed) return () => {}
    this.patches ??= [...AmbientTrap.patches(this.ground, this), ...DefaultTrap.patches(this.ground)]
    const restore = replace(this.patches)
    this.installed = true
    return () => {
      this.installed = false
      restore()
    }
  }

  report(subject: Subject, what: string): string {
    const location = this.lookups++ < LOOKUPS_MAX ? locate() : ""
    const key = `${subject.node}\n${what}\n${location}`
    const known = this.places.get(key)
    if (known === undefined) this.places.set(key, { what, node: subject.node, location, count: 1 })
    else known.count++
    if (this.mode === "throw") {
      const message = `${what} was used in a simulated process${location === "" ? "" : ` at ${location}`}`
      this.ground.fail("ambient", message, subject.node)
      throw new AmbientUse(message)
    }
    return location
  }
}

/** Replaces properties; the answer puts back what was there. */
const replace = (patches: ReadonlyArray<Patch>): () => void => {
  const before = patches.map(({ key, target, value }) => {
    const own = Object.getOwnPropertyDescriptor(target, key)
    Object.defineProperty(target, key, {
      value,
      configurable: true,
      writable: true,
      enumerable: own?.enumerable ?? false
    })
    return own
  })
  return () => {
    for (let i = patches.length - 1; i >= 0; i--) {
      const [patch, own] = [patches[i], before[i]]
      if (patch === undefined) continue
      if (own === undefined) Reflect.deleteProperty(patch.target, patch.key)
      else Object.defineProperty(patch.target, patch.key, own)
    }
  }
}

const OURS = /\/(?:Ambient|Default)?Trap\.[jt]s|\/node_modules\/effect\/|\bnode:internal\b|<anonymous>/

/** The stack frame that called, as engines write it. */
const locate = (): string => StackTraces.here(60).find((frame) => frame !== "" && !OURS.test(frame)) ?? ""
