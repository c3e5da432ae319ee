/**
 * Simulations for fast-check: scenarios as an arbitrary whose shrinker is the one of `Shrink.ts`, and commands that were
 * written for `fc.commands` as a workload.
 *
 * fast-check is an optional peer: only who imports this module needs it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Invariant from "./Invariant.ts"
import type { Json, Scenario } from "./Scenario.ts"
import { isScenario } from "./ScenarioText.ts"
import { candidates, type Position } from "./shrink/Candidates.ts"
import type { Simulation } from "./Simulation.ts"
import * as Workload from "./Workload.ts"

export interface Options {
  /** Unless given, each seed picks its own. */
  readonly strategy?: string
}

/**
 * The scenarios of a simulation. `fc.assert(fc.property(arbitrary(simulation), (scenario) => …))` runs as many as fast-check
 * is told to, and shrinks one that fails as `sotto-sim shrink` does. Scenarios can be given as `examples`, too.
 */
export const arbitrary = (simulation: Simulation, options: Options = {}): fc.Arbitrary<Scenario> =>
  new Scenarios(simulation, options)

class Scenarios extends fc.Arbitrary<Scenario> {
  private readonly simulation: Simulation
  private readonly options: Options

  constructor(simulation: Simulation, options: Options) {
    super()
    this.simulation = simulation
    this.options = options
  }

  override generate(random: fc.Random): fc.Value<Scenario> {
    const seed = random.nextBigInt(0n, 2n ** 64n - 1n)
    return new fc.Value(this.simulation.expand(seed, this.options.strategy), undefined)
  }

  override canShrinkWithoutContext(value: unknown): value is Scenario {
    return isScenario(value) && value.simulation === this.simulation.name
  }

  override shrink(scenario: Scenario, context: unknown): fc.Stream<fc.Value<Scenario>> {
    const position = isPosition(context) ? context : undefined
    return new fc.Stream(values(scenario, position, this.simulation.required))
  }
}

function* values(
  scenario: Scenario,
  position: Position | undefined,
  required: Simulation["required"]
): Generator<fc.Value<Scenario>, void, undefined> {
  for (const step of candidates(scenario, position, required)) yield new fc.Value(step.scenario, step.position)
}

const isPosition = (context: unknown): context is Position =>
  typeof context === "object" && context !== null && "pass" in context && "taken" in context

// -- fc.commands -----------------------------------------------------------------------------------------------------------

/** What `fc.commands` takes: `fc.Command`, or one whose `run` answers an Effect. */
export interface ModelCommand<Model extends object, Real> {
  readonly check: (model: Readonly<Model>) => boolean
  /** Changes the model and the real thing, and throws (or fails) when they do not agree. */
  readonly run: (model: Model, real: Real) => unknown
  readonly toString: () => string
}

export interface CommandsOptions<Handle, Model extends object, Real> {
  /** In the history and in the names of commands: `commands` unless given. */
  readonly name?: string
  /** As they are given to `fc.commands`. */
  readonly commands: ReadonlyArray<fc.Arbitrary<ModelCommand<Model, Real>>>
  /** The model at the beginning of a run. One for all nodes, or one each. */
  readonly model: () => Model
  readonly of?: "world" | "node"
  /** What commands work with: the handle of a node, or something around it. */
  readonly real: (handle: Handle, context: Workload.Context) => Real
  readonly weight?: number
}

export interface Commands<Handle> {
  /** For `commands` of the node's kind, under the name that was given. */
  readonly commands: { readonly [name: string]: Workload.Command<Handle> }
  /** Breaks when a command throws or fails: model and reality do not agree. */
  readonly invariant: Invariant.Invariant
}

/** In a scenario, a command is the number of its arbitrary and the seed to draw it with; `text` is for people. */
const inputOf = (value: Json): { readonly arbitrary: number; readonly seed: number } | undefined => {
  if (typeof value !== "object" || value === null || !("arbitrary" in value) || !("seed" in value)) return undefined
  const { arbitrary: index, seed } = value
  return typeof index === "number" && typeof seed === "number" ? { arbitrary: index, seed } : undefined
}

/**
 * Commands written for `fc.commands`, as a workload: each is drawn from its arbitrary, skipped when `check` says no, and
 * run in the process of a node. A promise that `run` answers stops the world: answer an Effect instead.
 */
export const fromCommands = <Handle, Model extends object, Real>(
  options: CommandsOptions<Handle, Model, Real>
): Commands<Handle> => {
  const { commands, name = "commands", of = "world" } = options
  const models = Workload.model(() => new Map<string, Model>())
  const sample = (index: number, seed: number): ModelCommand<Model, Real> | undefined => {
    const one = commands[index]
    return one === undefined ? undefined : fc.sample(one, { seed, numRuns: 1 })[0]
  }
  const modelOf = (context: Workload.Context): Model => {
    const byKey = context.of(models)
    const key = of === "node" ? context.node : ""
    const known = byKey.get(key) ?? options.model()
    byKey.set(key, known)
    return known
  }
  const command: Workload.Command<Handle> = {
    weight: options.weight ?? 1,
    draw: (draws) => {
      const index = draws.int(commands.length)
      const seed = draws.u32() | 0
      return { arbitrary: index, seed, text: String(sample(index, seed)) }
    },
    run: (handle, input, context) =>
      Effect.suspend(() => {
        const drawn = inputOf(input)
        const one = drawn === undefined ? undefined : sample(drawn.arbitrary, drawn.seed)
        if (one === undefined) return Effect.die(new Error(`no command: ${JSON.stringify(input)}`))
        const model = modelOf(context)
        if (!one.check(model)) return Effect.succeed("skipped")
        return attempt(one, model, options.real(handle, context))
      })
  }
  const invariant = Invariant.make(name, (world) => ({
    onCommand: (entry) => {
      if (entry.name !== name || entry.outcome !== "failed") return
      const { text = name } = isTexted(entry.input) ? entry.input : {}
      world.violated(`${text}: ${entry.error ?? "failed"}`, entry.node)
    }
  }))
  return { commands: { [name]: command }, invariant }
}

const isTexted = (input: Json): input is { readonly text: string } =>
  typeof input === "object" && input !== null && "text" in input && typeof input.text === "string"

/** Model and reality do not agree: what the command threw. */
class Disagreed extends Schema.TaggedError<Disagreed>()("Disagreed", { cause: Schema.Defect() }) {
  override get message() {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

/** A command that throws fails: the node lives on, and the invariant tells. */
const attempt = <Model extends object, Real>(
  command: ModelCommand<Model, Real>,
  model: Model,
  real: Real
): Effect.Effect<Json | void, unknown> =>
  Effect.try({ try: () => command.run(model, real), catch: (error) => new Disagreed({ cause: error }) }).pipe(
    Effect.flatMap((result): Effect.Effect<unknown, unknown> =>
      isEffect(result) ? result : result instanceof Promise ? Effect.promise(() => result) : Effect.void
    ),
    Effect.asVoid
  )

const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)
