/**
 * The faults of a scenario, drawn from its seed.
 *
 * 1. Each kind of fault has draws of its own, and each fault of a kind too.
 * 2. Faults that destroy durable data come in few seeds: a run in which data can not survive proves less.
 */
import * as Duration from "effect/Duration"
import type { DiskKind, DiskReason } from "./Disk.ts"
import type { CrashLaw } from "./DiskImage.ts"
import type { Plan } from "./Expand.ts"
import type { Between, Direction, Fault, FaultKind, Point } from "./Fault.ts"
import type { Latency } from "./Link.ts"
import type { Draws } from "./Seed.ts"

/** What one fault is drawn in. */
interface Scene {
  readonly from: Draws
  readonly names: ReadonlyArray<string>
  /** Nodes with a disk that lasts. */
  readonly devices: ReadonlyArray<string>
  readonly safetyMicros: number
  readonly calls: ReadonlyArray<string>
}

/** How likely a kind of fault is, and how many of it there are then, beyond the first. */
interface Frequency {
  readonly chance: number
  readonly mean: number
}

type Drawer = (scene: Scene) => Fault

const DIRECTIONS: ReadonlyArray<Direction> = ["both", "both", "in", "out"]
const CRASH_LAWS: ReadonlyArray<CrashLaw> = [{ kind: "any" }, { kind: "none" }, { kind: "torn" }, { kind: "all" }]
const REASONS: ReadonlyArray<DiskReason> = ["unavailable", "full"]
const OPERATIONS: ReadonlyArray<DiskKind | "any"> = ["append", "write", "sync", "syncDirectory", "rename", "any"]

/** They destroy what was durable. */
const DESTRUCTIVE: ReadonlySet<FaultKind> = new Set(["lie", "rot", "misdirected", "restore", "evict"])
/** How many seeds of a hundred may have such. */
const DESTRUCTIVE_PERCENT = 12

export const draw = (plan: Plan): ReadonlyArray<Fault> => {
  switch (plan.strategy) {
    case "calm":
    case "pct":
      return []
    case "offline":
      return offline(plan)
    case "inject":
      return [inject(plan)]
    case "swarm":
      return some(plan, { chance: 0.5, mean: 1.5 })
    case "storm":
      return some(plan, { chance: 0.9, mean: 3 })
  }
}

const some = (plan: Plan, law: Frequency): ReadonlyArray<Fault> => {
  const custom = plan.definition.faults?.custom ?? []
  return [
    ...kinds.filter(isAllowed(plan)).flatMap((kind) => several(plan, kind, law)),
    ...custom.flatMap((one) => customs(plan, one, law))
  ]
}

const isAllowed = ({ definition: { faults }, draws }: Plan) => {
  const destructive = draws("destructive").int(100) < DESTRUCTIVE_PERCENT
  const without: ReadonlySet<FaultKind> = new Set(faults?.without)
  const corruption = faults?.also?.includes("corruption") === true
  return (kind: FaultKind): boolean =>
    !without.has(kind) && (destructive || !DESTRUCTIVE.has(kind)) && (corruption || kind !== "corruption")
}

const several = ({ draws, ...plan }: Plan, kind: Drawn, law: Frequency): ReadonlyArray<Fault> => {
  const from = draws(`fault/${kind}`)
  const on = from.chance(law.chance)
  const count = 1 + Math.min(8, Math.floor(from.exponential(law.mean)))
  if (!on) return []
  return Array.from({ length: count }, (_, k) => sceneOf({ draws, ...plan }, draws(`fault/${kind}/one`, k)))
    .flatMap((scene) => scene.devices.length > 0 || !needsDevice.has(kind) ? [drawers[kind](scene)] : [])
}

type Custom = NonNullable<NonNullable<Plan["definition"]["faults"]>["custom"]>[number]

const customs = (
  { draws, nodes, safetyMicros }: Plan,
  custom: Custom,
  law: Frequency
): ReadonlyArray<Fault> => {
  const from = draws(`fault/custom/${custom.name}`)
  const on = from.chance(law.chance)
  const count = 1 + Math.min(4, Math.floor(from.exponential(law.mean / 3)))
  if (!on) return []
  const situation = {
    nodes: (kind?: string) => nodes.filter((node) => kind === undefined || node.kind === kind).map(({ name }) => name),
    safetyMicros
  }
  return Array.from({ length: count }, (_, k) => custom.draw(draws(`fault/custom/${custom.name}/one`, k), situation))
    .flatMap((drawn) => drawn === undefined ? [] : [{ kind: "custom" as const, name: custom.name, ...drawn }])
}

const sceneOf = ({ definition, nodes, safetyMicros }: Plan, from: Draws): Scene => ({
  from,
  names: nodes.map(({ name }) => name),
  devices: nodes.filter(({ kind }) => definition.nodes[kind]?.persistent === true).map(({ name }) => name),
  safetyMicros,
  calls: definition.faults?.calls ?? []
})

/** Days without network, in which the others go on. */
const offline = (plan: Plan): ReadonlyArray<Fault> => {
  const { definition, draws, nodes } = plan
  const longest = Math.round(Duration.toMillis(definition.phases?.offline ?? "2 hours") * 1000)
  return nodes.flatMap(({ name }) => {
    const from = draws(`offline/${name}`)
    if (!from.chance(0.5)) return []
    const durationMicros = Math.round(from.logUniform(Math.max(1_000_000, longest / 50), longest))
    return [{ kind: "offline" as const, node: name, atMicros: from.int(plan.safetyMicros), durationMicros }]
  })
}

/** How many calls of each kind are tried. */
const CALLS_MAX = 48

/** One call fails, or is crashed at: the seed says which, and the next seed the next. */
const inject = (plan: Plan): Fault => {
  const scene = sceneOf(plan, plan.draws("inject"))
  const trials = trialsOf(scene)
  const trial = trials[Number(plan.seed % BigInt(trials.length))]
  return trial ?? drawers.error(scene)
}

const trialsOf = ({ calls, devices, names }: Scene): ReadonlyArray<Fault> => {
  const trials: Array<Fault> = []
  const crash = (node: string, point: Point): Fault => ({
    kind: "crashAt",
    node,
    point,
    downMicros: 500_000,
    disk: { kind: "none" },
    notice: "reset"
  })
  const error = (node: string, point: Point): Fault => ({ kind: "error", node, point, reason: "unavailable" })
  for (let k = 0; k < CALLS_MAX; k++) {
    for (const node of names) {
      trials.push(error(node, { at: "send", k }), crash(node, { at: "send", k }))
      for (const name of calls) trials.push(error(node, { at: "call", name, k }), crash(node, { at: "call", name, k }))
    }
    for (const node of devices) {
      trials.push(error(node, { at: "disk", operation: "any", phase: "before", k }))
      for (const phase of ["before", "after"] as const) {
        trials.push(crash(node, { at: "disk", operation: "any", phase, k }))
      }
    }
  }
  return trials
}

const when = ({ from, safetyMicros }: Scene) => ({ atMicros: from.int(safetyMicros) })

const lasting = (scene: Scene) => ({
  ...when(scene),
  durationMicros: Math.round(scene.from.logUniform(50_000, Math.max(100_000, scene.safetyMicros / 2)))
})

const someOf = ({ from, names }: Scene): ReadonlyArray<string> => {
  const side = names.filter(() => from.chance(0.5))
  return side.length === 0 || side.length === names.length ? [from.pick(names)] : side
}

const between = (scene: Scene): Between => {
  const { from, names } = scene
  const direction = from.pick(DIRECTIONS)
  switch (from.pick(["sets", "sets", "isolate", "link", "ring", "bridge"] as const)) {
    case "sets":
      return { shape: "sets", side: someOf(scene), direction }
    case "isolate":
      return { shape: "isolate", node: from.pick(names), direction }
    case "link":
      return { shape: "link", from: from.pick(names), to: from.pick(names) }
    case "ring":
      return { shape: "ring", nodes: names }
    case "bridge": {
      const side = someOf(scene)
      const right = names.filter((name) => !side.includes(name))
      return { shape: "bridge", left: side, middle: from.pick(names), right }
    }
  }
}

/** As `between`, or all links. */
const anywhere = (scene: Scene): Between => scene.from.chance(0.3) ? { shape: "everywhere" } : between(scene)

const latencyOf = (from: Draws, highest: number): Latency => {
  const meanMicros = Math.round(from.logUniform(1_000, highest))
  return { kind: "exponential", minimumMicros: Math.ceil(meanMicros / 5), meanMicros }
}

const downMicros = ({ from }: Scene): number => Math.round(from.logUniform(1_000, 8_000_000))

const death = (scene: Scene) => ({
  node: scene.from.pick(scene.names),
  downMicros: downMicros(scene),
  disk: scene.from.pick(CRASH_LAWS),
  notice: scene.from.chance(0.25) ? "never" as const : "reset" as const
})

const pointOf = (scene: Scene, isDevice: boolean): Point => {
  const { calls, from } = scene
  const k = Math.floor(from.logUniform(1, 150)) - 1
  const kind = from.pick(isDevice ? ["disk", "disk", "disk", "send", "event"] as const : ["send", "event"] as const)
  const phase = from.pick(["before", "after"] as const)
  const operation = from.pick(OPERATIONS)
  if (calls.length > 0 && from.chance(0.25)) return { at: "call", name: from.pick(calls), k }
  if (kind === "disk") return { at: "disk", operation, phase, k }
  return kind === "send" ? { at: "send", k } : { at: "event", k: k * 5 }
}

const onNode = (scene: Scene) => ({ node: scene.from.pick(scene.names) })
const onDevice = (scene: Scene) => ({ node: scene.from.pick(scene.devices) })

const needsDevice: ReadonlySet<FaultKind> = new Set([
  "lie",
  "rot",
  "readError",
  "shortRead",
  "misdirected",
  "slowDisk",
  "full",
  "restore",
  "evict"
])

const drawers = {
  latency: (scene) => ({
    kind: "latency",
    between: anywhere(scene),
    latency: latencyOf(scene.from, 2_000_000),
    ...lasting(scene)
  }),
  loss: (scene) => ({
    kind: "loss",
    between: anywhere(scene),
    p: scene.from.logUniform(0.01, 0.9),
    onConnection: scene.from.chance(0.3) ? "reset" : "retransmit",
    ...lasting(scene)
  }),
  duplication: (scene) => ({
    kind: "duplication",
    between: anywhere(scene),
    p: scene.from.logUniform(0.01, 0.9),
    lagMicros: Math.round(scene.from.logUniform(1_000, 20_000_000)),
    ...lasting(scene)
  }),
  reorder: (scene) => ({
    kind: "reorder",
    between: anywhere(scene),
    p: scene.from.logUniform(0.01, 0.9),
    lagMicros: Math.round(scene.from.logUniform(1_000, 5_000_000)),
    ...lasting(scene)
  }),
  corruption: (scene) => ({
    kind: "corruption",
    between: anywhere(scene),
    p: scene.from.logUniform(0.001, 0.3),
    ...lasting(scene)
  }),
  bandwidth: (scene) => ({
    kind: "bandwidth",
    between: anywhere(scene),
    bytesPerSecond: Math.round(scene.from.logUniform(500, 1_000_000)),
    ...lasting(scene)
  }),
  blackHole: (scene) => ({
    kind: "blackHole",
    between: between(scene),
    bytes: Math.round(scene.from.logUniform(100, 10_000)),
    ...lasting(scene)
  }),
  reset: (scene) => ({ kind: "reset", between: anywhere(scene), ...when(scene) }),
  partition: (scene) => ({ kind: "partition", between: between(scene), ...lasting(scene) }),
  clog: (scene) => ({ kind: "clog", between: between(scene), ...lasting(scene) }),
  swizzle: (scene) => ({
    kind: "swizzle",
    nodes: scene.names,
    everyMicros: Math.round(scene.from.logUniform(10_000, 2_000_000)),
    ...when(scene)
  }),
  offline: (scene) => ({ kind: "offline", ...onNode(scene), ...lasting(scene) }),
  crash: (scene) => ({ kind: "crash", ...death(scene), ...when(scene) }),
  crashAt: (scene) => {
    const dies = death(scene)
    return { kind: "crashAt", ...dies, point: pointOf(scene, scene.devices.includes(dies.node)) }
  },
  stop: (scene) => ({ kind: "stop", ...onNode(scene), downMicros: downMicros(scene), ...when(scene) }),
  pause: (scene) => ({
    kind: "pause",
    ...onNode(scene),
    ...when(scene),
    durationMicros: Math.round(scene.from.logUniform(5_000, 8_000_000))
  }),
  lie: (scene) => ({ kind: "lie", ...onDevice(scene), ...lasting(scene) }),
  rot: (scene) => ({ kind: "rot", ...onDevice(scene), ...when(scene) }),
  readError: (scene) => ({
    kind: "readError",
    ...onDevice(scene),
    p: scene.from.logUniform(0.01, 1),
    ...lasting(scene)
  }),
  shortRead: (scene) => ({
    kind: "shortRead",
    ...onDevice(scene),
    p: scene.from.logUniform(0.01, 1),
    ...lasting(scene)
  }),
  misdirected: (scene) => ({
    kind: "misdirected",
    ...onDevice(scene),
    p: scene.from.logUniform(0.001, 0.1),
    ...lasting(scene)
  }),
  slowDisk: (scene) => ({
    kind: "slowDisk",
    ...onDevice(scene),
    latency: latencyOf(scene.from, 1_000_000),
    ...lasting(scene)
  }),
  full: (scene) => ({ kind: "full", ...onDevice(scene), freeBytes: scene.from.int(2_000), ...lasting(scene) }),
  restore: (scene) => ({
    kind: "restore",
    ...onDevice(scene),
    ...when(scene),
    ageMicros: Math.round(scene.from.logUniform(100_000, scene.safetyMicros)),
    downMicros: downMicros(scene)
  }),
  evict: (scene) => ({ kind: "evict", ...onDevice(scene), ...when(scene), downMicros: downMicros(scene) }),
  jump: (scene) => {
    const sign = scene.from.chance(0.5) ? 1 : -1
    const micros = sign * Math.round(scene.from.logUniform(1_000, 3_600_000_000))
    return { kind: "jump", ...onNode(scene), ...when(scene), micros }
  },
  drift: (scene) => ({
    kind: "drift",
    ...onNode(scene),
    ppm: scene.from.between(-100_000, 100_000),
    ...lasting(scene)
  }),
  freeze: (scene) => ({ kind: "freeze", ...onNode(scene), ...lasting(scene) }),
  error: (scene) => {
    const node = scene.from.pick(scene.names)
    const point = pointOf(scene, scene.devices.includes(node))
    // A call can only fail before it happens, and an event can not fail.
    const failing: Point = point.at === "disk"
      ? { ...point, phase: "before" }
      : point.at === "event"
      ? { at: "send", k: point.k }
      : point
    return { kind: "error", node, point: failing, reason: scene.from.pick(REASONS) }
  }
} satisfies { readonly [kind in Exclude<FaultKind, "custom">]: Drawer }

type Drawn = keyof typeof drawers

const isDrawn = (kind: string): kind is Drawn => Object.hasOwn(drawers, kind)

const kinds: ReadonlyArray<Drawn> = Object.keys(drawers).filter(isDrawn)
