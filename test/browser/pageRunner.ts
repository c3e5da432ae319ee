/**
 * Stands in for `@effect/vitest` inside a page, so that the very test files of core and schema run in a browser: it
 * collects what they declare, and `run` runs it, one test after the other. Only what those files use is here.
 */
import { assert } from "chai"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

export { assert }

interface Test {
  readonly title: string
  readonly run: () => unknown
}

const tests: Array<Test> = []
const path: Array<string> = []

const declare = (title: string, ...rest: ReadonlyArray<unknown>): void => {
  const run = rest.find((one) => typeof one === "function")
  if (run === undefined) throw new TypeError(`no body: ${title}`)
  tests.push({ title: [...path, title].join(" › "), run: () => Reflect.apply(run, undefined, []) })
}

const within = (title: string, body: () => void): void => {
  path.push(title)
  try {
    body()
  } finally {
    path.pop()
  }
}

const titled = (title: string, row: unknown, at: number): string => {
  const values = Array.isArray(row) ? [...row] : [row]
  return `${title.replace(/%[sdijo]/g, () => String(values.shift()))} #${at}`
}

type Row = ReadonlyArray<unknown>
const spread = (row: unknown): Row => Array.isArray(row) ? row : [row]

const each = (rows: ReadonlyArray<unknown>) => (title: string, body: (...row: Row) => unknown): void => {
  for (const [at, row] of rows.entries()) declare(titled(title, row, at), () => body(...spread(row)))
}

export const describe = Object.assign(within, {
  each: (rows: ReadonlyArray<unknown>) => (title: string, body: (...row: Row) => void): void => {
    for (const [at, row] of rows.entries()) within(titled(title, row, at), () => body(...spread(row)))
  }
})

type Arbitraries = ReadonlyArray<Arbitrary.Arbitrary<unknown> | Schema.Top> | Readonly<Record<string, unknown>>

const SAMPLES = 50

const arbitraryOf = (one: unknown): Arbitrary.Arbitrary<unknown> =>
  Schema.isSchema(one) ? Arbitrary.schema(one) : Arbitrary.isArbitrary(one) ? one : Arbitrary.Constant(one)

/** Fifty draws, no shrinking: failures are studied under Vitest. */
const samples = (arbitraries: Arbitraries): Effect.Effect<ReadonlyArray<unknown>, unknown> =>
  Effect.gen(function*() {
    const names = Object.keys(arbitraries)
    const columns = yield* Effect.forEach(names, (name) =>
      Arbitrary.sampleEffect(arbitraryOf(Reflect.get(arbitraries, name)), { count: SAMPLES, seed: 1 }))
    return Array.from({ length: SAMPLES }, (_, row) => {
      const drawn = columns.map((column) =>
        column[row]
      )
      return Array.isArray(arbitraries) ? drawn : Object.fromEntries(names.map((name, at) => [name, drawn[at]]))
    })
  })

type Body<R> = () => Effect.Effect<unknown, unknown, R>

const runEffect = (effect: Effect.Effect<unknown, unknown, Scope.Scope>): Promise<unknown> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(TestClock.layer())))

const effectIn =
  <R>(provide: (effect: Effect.Effect<unknown, unknown, R>) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
  (title: string, body: Body<R>): void => declare(title, () => runEffect(provide(body())))

const prop = (title: string, arbitraries: Arbitraries, body: (drawn: never) => unknown): void =>
  declare(title, async () => {
    const check: (drawn: unknown) => unknown = (drawn) => Reflect.apply(body, undefined, [drawn])
    for (const drawn of await Effect.runPromise(samples(arbitraries))) {
      if ((await check(drawn)) === false) throw new Error("the property does not hold")
    }
  })

export const it = Object.assign(declare, {
  each,
  prop,
  effect: effectIn((effect: Effect.Effect<unknown, unknown, Scope.Scope>) => effect)
})

/** Tests over a layer, built anew for each. */
export const layer = <R>(provided: Layer.Layer<R, unknown>) => (title: string, body: (its: unknown) => void): void =>
  within(title, () =>
    body(Object.assign(declare, {
      each,
      effect: effectIn((effect: Effect.Effect<unknown, unknown, R | Scope.Scope>) => Effect.provide(effect, provided))
    })))

/** Runs all that was declared. */
export const run = async (): Promise<{ readonly passed: number; readonly failed: ReadonlyArray<string> }> => {
  const failed: Array<string> = []
  for (const { run: body, title } of tests) {
    try {
      await body()
    } catch (error) {
      failed.push(`${title}: ${String(error)}`)
    }
  }
  return { passed: tests.length - failed.length, failed }
}
