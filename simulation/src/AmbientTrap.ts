/** The machine's functions, replaced by ones that know the process that calls them (Trap.ts). */
import * as StackTraces from "./StackTraces.ts"
import type { Ground, Patch, Subject, Traps } from "./Trap.ts"

type Call = (...args: ReadonlyArray<unknown>) => unknown

/** What is replaced on the globals that this engine has. */
export const patches = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => [
  ...time(ground, traps),
  ...randomness(ground, traps),
  ...timers(ground, traps),
  ...promises(ground, traps),
  ...webCrypto(ground, traps),
  ...consoles(ground)
]

const member = (target: unknown, key: PropertyKey): unknown =>
  (typeof target === "object" && target !== null) || typeof target === "function" ? Reflect.get(target, key) : undefined

const isCall = (value: unknown): value is Call => typeof value === "function"

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

/**
 * Replaces a function where there is one: for a process by `virtual`, for anybody else by itself. `virtual` is told how
 * to do what the machine does.
 */
const trap = (
  ground: Ground,
  traps: Traps,
  where: { readonly target: unknown; readonly key: string; readonly what: string },
  virtual: (subject: Subject, args: ReadonlyArray<unknown>, original: () => unknown) => unknown
): ReadonlyArray<Patch> => {
  const { key, target, what } = where
  const original = member(target, key)
  if (!isObject(target) || !isCall(original)) return []
  const value = function(this: unknown, ...args: ReadonlyArray<unknown>): unknown {
    const subject = ground.current
    if (subject === undefined) return Reflect.apply(original, this, args)
    traps.report(subject, what)
    return virtual(subject, args, () => Reflect.apply(original, this, args))
  }
  return [{ target, key, value }]
}

const nanos = (subject: Subject): bigint => subject.clock.monotonicTimeNanosUnsafe()

const time = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => {
  const { Date: real } = globalThis
  const { now } = real
  const read = (): number => {
    const subject = ground.current
    if (subject === undefined) return now()
    traps.report(subject, "Date")
    return subject.clock.currentTimeMillisUnsafe()
  }
  const virtual = new Proxy(real, {
    apply: () => new real(read()).toString(),
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [read()] : args, newTarget)
  })
  const performance = member(globalThis, "performance")
  const process = member(globalThis, "process")
  const hrtime = member(process, "hrtime")
  const pair = (subject: Subject, previous: unknown): ReadonlyArray<number> => {
    const base = Array.isArray(previous) ? BigInt(previous[0]) * 1_000_000_000n + BigInt(previous[1]) : 0n
    const passed = nanos(subject) - base
    return [Number(passed / 1_000_000_000n), Number(passed % 1_000_000_000n)]
  }
  const whole = trap(
    ground,
    traps,
    { target: process, key: "hrtime", what: "process.hrtime" },
    (subject, [previous]) => pair(subject, previous)
  )
  const bigint = trap(ground, traps, { target: hrtime, key: "bigint", what: "process.hrtime.bigint" }, nanos)
  // Some keep `process.hrtime` and ask it later: its member is replaced on both.
  const members = whole.flatMap(({ value }) =>
    isObject(value) ? bigint.map((patch) => ({ ...patch, target: value })) : []
  )
  return [
    { target: globalThis, key: "Date", value: virtual },
    { target: real, key: "now", value: read },
    ...trap(
      ground,
      traps,
      { target: performance, key: "now", what: "performance.now" },
      (subject) => Number(nanos(subject)) / 1_000_000
    ),
    ...whole,
    ...bigint,
    ...members
  ]
}

const randomness = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => {
  const crypto = member(globalThis, "crypto")
  return [
    mathRandom(ground, traps),
    ...trap(
      ground,
      traps,
      { target: crypto, key: "getRandomValues", what: "crypto.getRandomValues" },
      (subject, [view], original) => {
        if (!ArrayBuffer.isView(view)) return original()
        new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(subject.ambient.bytes(view.byteLength))
        return view
      }
    ),
    ...trap(
      ground,
      traps,
      { target: crypto, key: "randomUUID", what: "crypto.randomUUID" },
      (subject) => uuid(subject.ambient.bytes(16))
    )
  ]
}

/**
 * `Hash` of Effect draws a number for an object that has no contents to hash, and keeps it with the object, also across
 * runs. Such a draw is nobody's choice: all get the same number, and a `HashMap` keeps them in the order they came.
 */
const mathRandom = (ground: Ground, traps: Traps): Patch => {
  const { random } = Math
  const value = (): number => {
    const subject = ground.current
    if (subject === undefined) return random()
    if (hashesIdentity()) return 0.5
    traps.report(subject, "Math.random")
    return subject.ambient.unit()
  }
  return { target: Math, key: "random", value }
}

/** Whether `Hash.random` is who called the function that calls this. */
const hashesIdentity = (): boolean => {
  const [, caller = ""] = StackTraces.here(2)
  return /\/effect\/(?:dist|src)\/Hash\.[jt]s/.test(caller)
}

const uuid = (bytes: Uint8Array): string => {
  const fixed = bytes.map((byte, i) => i === 6 ? (byte & 0x0f) | 0x40 : i === 8 ? (byte & 0x3f) | 0x80 : byte)
  return Array.from(fixed, (byte) => byte.toString(16).padStart(2, "0")).join("")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
}

/** What a timer function answers: good for the `clear` functions, and for who calls `unref` on it. */
class VirtualTimer {
  cancel: () => void = () => {}
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
  close(): this {
    this.cancel()
    return this
  }
}

const timers = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => {
  const process = member(globalThis, "process")
  const begin = (subject: Subject, millis: unknown, repeat: boolean, run: () => void): VirtualTimer => {
    const delayMicros = Math.max(1, Math.floor(Number(millis) || 1)) * 1000
    const timer = new VirtualTimer()
    const start = () => {
      timer.cancel = subject.after(delayMicros, () => {
        if (repeat) start()
        run()
      })
    }
    start()
    return timer
  }
  const call = (run: unknown, args: ReadonlyArray<unknown>) => () => {
    if (isCall(run)) run(...args)
  }
  const timed = (key: string, repeat: boolean) =>
    trap(
      ground,
      traps,
      { target: globalThis, key, what: key },
      (subject, [run, millis, ...args]) => begin(subject, millis, repeat, call(run, args))
    )
  const soon = (target: unknown, key: string) =>
    trap(ground, traps, { target, key, what: key }, (subject, [run, ...args]) => {
      const timer = new VirtualTimer()
      timer.cancel = subject.after(0, call(run, args))
      return key === "setImmediate" ? timer : undefined
    })
  return [
    ...timed("setTimeout", false),
    ...timed("setInterval", true),
    ...soon(globalThis, "setImmediate"),
    ...soon(globalThis, "queueMicrotask"),
    ...soon(process, "nextTick"),
    ...["clearTimeout", "clearInterval", "clearImmediate"].flatMap(clear)
  ]
}

/** A clear function that knows virtual timers, wherever it is called. */
const clear = (key: string): ReadonlyArray<Patch> => {
  const original = member(globalThis, key)
  if (!isCall(original)) return []
  const value = (timer: unknown): unknown => timer instanceof VirtualTimer ? timer.cancel() : original(timer)
  return [{ target: globalThis, key, value }]
}

/** `then` of a process is counted until it answers, so that a stalled process can be told what it waits for. */
const promises = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => {
  const original: unknown = member(Promise.prototype, "then")
  if (!isCall(original)) return []
  let number = 0
  const value = function(this: unknown, onFulfilled: unknown, onRejected: unknown): unknown {
    const subject = ground.current
    if (subject === undefined) return Reflect.apply(original, this, [onFulfilled, onRejected])
    traps.touchedBy = subject
    const location = traps.bridged ? "" : traps.report(subject, "Promise.then")
    const id = number++
    subject.promises.set(id, location)
    const answered = (handler: unknown, otherwise: (value: unknown) => unknown) => (value: unknown): unknown => {
      subject.promises.delete(id)
      const before = ground.current
      ground.current = subject
      try {
        return isCall(handler) ? handler(value) : otherwise(value)
      } finally {
        ground.current = before
      }
    }
    return Reflect.apply(original, this, [
      answered(onFulfilled, (value) => value),
      answered(onRejected, (error) => {
        throw error
      })
    ])
  }
  return [
    { target: Promise.prototype, key: "then", value },
    ...trap(ground, traps, { target: globalThis, key: "fetch", what: "fetch" }, (_subject, _args, request) => request())
  ]
}

const WEB_CRYPTO = [
  "decrypt",
  "deriveBits",
  "deriveKey",
  "digest",
  "encrypt",
  "exportKey",
  "generateKey",
  "importKey",
  "sign",
  "unwrapKey",
  "verify",
  "wrapKey"
]

/** In a bridged run WebCrypto's answers are kept, to be handed out in order; else they are escapes like any promise. */
const webCrypto = (ground: Ground, traps: Traps): ReadonlyArray<Patch> => {
  const target = member(member(globalThis, "crypto"), "subtle")
  if (!isObject(target)) return []
  return WEB_CRYPTO.flatMap((key) => {
    const original = member(target, key)
    if (!isCall(original)) return []
    const value = (...args: ReadonlyArray<unknown>): unknown => {
      const subject = ground.current
      // Promises that WebCrypto makes inside are its own.
      ground.current = undefined
      try {
        const result = Reflect.apply(original, target, args)
        return subject === undefined || !traps.bridged ? result : keep(subject, traps, result)
      } finally {
        ground.current = subject
      }
    }
    return [{ target, key, value }]
  })
}

const keep = (subject: Subject, traps: Traps, result: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const wait = async (): Promise<() => void> => {
      try {
        const answer = await result
        return () => resolve(answer)
      } catch (error) {
        return () => reject(error)
      }
    }
    traps.touchedBy = subject
    traps.answers.push({ subject, settled: wait() })
  })

/** A console may look at the real clock when a process prints something: that is no escape. */
const consoles = (ground: Ground): ReadonlyArray<Patch> => {
  const target = member(globalThis, "console")
  if (!isObject(target)) return []
  return ["log", "info", "warn", "error", "debug"].flatMap((key) => {
    const original = member(target, key)
    if (!isCall(original)) return []
    const value = (...args: ReadonlyArray<unknown>): unknown => {
      const before = ground.current
      ground.current = undefined
      try {
        return Reflect.apply(original, target, args)
      } finally {
        ground.current = before
      }
    }
    return [{ target, key, value }]
  })
}
