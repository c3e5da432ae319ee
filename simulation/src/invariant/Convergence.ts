/**
 * After healing, everybody that may see the same comes to hold the same.
 *
 * 1. Nodes that show a digest and live on have equal digests in the end; what differs first is named.
 * 2. After a cold restart they hold what they held before. So where nodes are gone for good the world is watched for some
 *    seconds after it came to rest: what was still on its way from them comes before the restart, and not with it.
 */
import * as Invariant from "../Invariant.ts"
import type { Json } from "../Scenario.ts"

export interface Options {
  /** Only nodes of these kinds. */
  readonly among?: ReadonlyArray<string>
  /** Nodes that need not hold what the others hold, as far as is known at the moment. */
  readonly except?: (node: Invariant.NodeView, world: Invariant.World) => boolean
  /** How long it is watched at rest when nodes are gone for good: as long as a node takes to notice it, 5 seconds. */
  readonly restSeconds?: number
}

/** The first place at which two values differ, keys in order: its path, and what each has there. */
export const firstDifference = (
  left: Json | undefined,
  right: Json | undefined,
  path = ""
): { readonly path: string; readonly left: Json | undefined; readonly right: Json | undefined } | undefined => {
  if (!isComposite(left) || !isComposite(right) || Array.isArray(left) !== Array.isArray(right)) {
    return left === right ? undefined : { path, left, right }
  }
  const [before, after] = [new Map(Object.entries(left)), new Map(Object.entries(right))]
  for (const key of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const inner = firstDifference(before.get(key), after.get(key), path === "" ? key : `${path}.${key}`)
    if (inner !== undefined) return inner
  }
  return undefined
}

const isComposite = (value: Json | undefined): value is ReadonlyArray<Json> | { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null

export const make = (options: Options = {}): Invariant.Invariant =>
  Invariant.make("convergence", (world) => {
    const members = () =>
      world.nodes.filter((node) =>
        node.core && node.probe?.digest !== undefined && (options.among?.includes(node.kind) ?? true) &&
        options.except?.(node, world) !== true
      )
    let ended: ReadonlyMap<string, string | undefined> = new Map()
    return {
      restMicros: world.scenario.phases.heal === "all" ? 0 : (options.restSeconds ?? 5) * 1_000_000,
      isSettled: () => new Set(members().map(({ probe }) => probe?.digest)).size <= 1,
      onEnd: () => {
        ended = new Map(members().map(({ name, probe }) => [name, probe?.digest]))
        if (world.settledMicros !== undefined) return
        const [first, ...others] = members()
        const other = others.find(({ probe }) => probe?.digest !== first?.probe?.digest)
        if (first === undefined || other === undefined) return
        world.violated(describe(world, first, other), other.name, { kind: "apart" })
      },
      onRestarted: () => {
        for (const { name, persistent, probe } of world.nodes) {
          const before = ended.get(name)
          if (!persistent || before === undefined || before === probe?.digest) continue
          world.violated(`held ${before} before all were restarted, and ${probe?.digest ?? "nothing"} after`, name, {
            kind: "restart"
          })
        }
      }
    }
  }, { excusable: true })

const describe = (world: Invariant.World, first: Invariant.NodeView, other: Invariant.NodeView): string => {
  const difference = firstDifference(first.probe?.state, other.probe?.state)
  const who = `${first.name} and ${other.name} do not come to hold the same`
  const why = world.stuck.map(({ node, waits }) => `; ${node} waits for ${waits}`).join("")
  if (difference === undefined) return `${who}: ${first.probe?.digest} and ${other.probe?.digest}${why}`
  const { left, path, right } = difference
  return `${who}: at ${path} there is ${text(left)} and ${text(right)}${explanation(world, path)}${why}`
}

const text = (value: Json | undefined): string => {
  const whole = value === undefined ? "nothing" : JSON.stringify(value)
  return whole.length <= 80 ? whole : `${whole.slice(0, 80)}…`
}

/** The last command that was about it. */
const explanation = (world: Invariant.World, path: string): string => {
  const names = path.split(".").filter((name) => !/^\d*$/.test(name))
  const entry = world.history.findLast(({ input, result }) => {
    const said = JSON.stringify([input, result ?? null])
    return names.some((name) => said.includes(JSON.stringify(name)))
  })
  return entry === undefined ? "" : ` (command ${entry.i}, ${entry.name} of ${entry.node}: ${entry.outcome})`
}
