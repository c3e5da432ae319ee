/**
 * What is asked of the nodes: commands as plain data, and the history of what became of them.
 *
 * 1. A command's input is JSON in the scenario; a schema makes it what the command takes.
 * 2. It runs as a fiber of the node's process, and is lost with it.
 * 3. The draws of the k-th command depend on the seed and k only.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Process from "./Process.ts"
import type { Command as Planned, Json } from "./Scenario.ts"
import type { Draws } from "./Seed.ts"

/** What a command is drawn in. */
export interface Situation {
  /** Whom it is for. */
  readonly node: string
  /** The number of the command. */
  readonly k: number
  /** Sixteen characters that are nowhere else. In what only the nodes may read, they find what leaks (`noPlaintext`). */
  readonly canary: string
  /** The names of the nodes of a kind. */
  readonly nodes: (kind: string) => ReadonlyArray<string>
  /** The commands before this one. */
  readonly earlier: ReadonlyArray<Planned>
  readonly knobs: { readonly [name: string]: Json }
}

/** What became of a command. `unreached`: its node was down or not ready. `lost`: the process ended first. */
export type Outcome = "pending" | "ok" | "failed" | "lost" | "unreached"

export interface Entry {
  readonly i: number
  readonly node: string
  readonly kind: string
  readonly incarnation: number
  readonly name: string
  readonly input: Json
  readonly invokedMicros: number
  readonly endedMicros: number | undefined
  readonly outcome: Outcome
  /** What it answered. */
  readonly result: Json | undefined
  readonly error: string | undefined
}

/** What commands and invariants know together, made anew for each run. */
export interface Model<M> {
  /** The one of a run. */
  readonly of: (run: object) => M
}

/** A model, kept by run. */
export const model = <M>(make: () => M): Model<M> => {
  const byRun = new WeakMap<object, { readonly model: M }>()
  return {
    of: (run) => {
      const known = byRun.get(run)
      if (known !== undefined) return known.model
      const fresh = make()
      byRun.set(run, { model: fresh })
      return fresh
    }
  }
}

/** What a command has around it when it runs. */
export interface Context {
  readonly node: string
  readonly incarnation: number
  /** Its own entry. */
  readonly entry: Entry
  /** Everything that was asked so far, of any node. */
  readonly history: ReadonlyArray<Entry>
  readonly of: <M>(model: Model<M>) => M
}

/** A kind of command, for nodes with such a handle. */
export interface Command<in Handle> {
  /** How often it comes, beside the others. */
  readonly weight: number
  readonly draw: (draws: Draws, situation: Situation) => Json
  readonly run: (
    handle: Handle,
    input: Json,
    context: Context
  ) => Effect.Effect<Json | void, unknown, Process.Services>
}

export interface Options<Handle, Input, Encoded extends Json> {
  readonly weight?: number
  readonly input: Schema.Codec<Input, Encoded>
  readonly draw: (draws: Draws, situation: Situation) => Encoded
  /** What it answers is in the history. */
  readonly run: (
    handle: Handle,
    input: Input,
    context: Context
  ) => Effect.Effect<Json | void, unknown, Process.Services>
}

/** A kind of command. */
export const command = <Handle, Input, Encoded extends Json>(
  options: Options<Handle, Input, Encoded>
): Command<Handle> => {
  const decode = Schema.decodeUnknownSync(options.input)
  return {
    weight: options.weight ?? 1,
    draw: options.draw,
    run: (handle, input, context) => options.run(handle, decode(input), context)
  }
}
