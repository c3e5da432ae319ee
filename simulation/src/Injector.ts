/**
 * Makes the faults of a scenario happen to a world.
 *
 * 1. A timed fault comes at its time after the safety phase began; an aimed one at its point, from the first event on.
 * 2. Healing lifts all that lasts, and no fault comes after it.
 * 3. What a fault does depends on its own data and on draws of its own: its neighbours can be taken away.
 */
import * as Match from "effect/Match"
import { causedBy } from "./Connection.ts"
import type { DiskLaw, DiskOperation, DiskReason } from "./Disk.ts"
import type { Between, Fault, Point } from "./Fault.ts"
import type { Latency, LinkLaw } from "./Link.ts"
import type { Machine } from "./Machine.ts"
import type { NetworkOperation, Pairs } from "./Network.ts"
import * as Partition from "./Partition.ts"
import type { FaultWorld } from "./Simulation.ts"
import type { World } from "./World.ts"

/** What ends a fault that lasts. */
type Lift = (() => void) | undefined

/** For how long a fault of one instant counts as what is wrong in the world. */
const AFTERMATH_MICROS = 2_000_000

const DISK_KINDS = ["append", "write", "read", "truncate", "rename", "remove", "sync", "syncDirectory"] as const

/** The pairs that a fault means. */
const pairsOf = (between: Between): Pairs => {
  switch (between.shape) {
    case "everywhere":
      return Partition.everywhere
    case "link":
      return Partition.link(between.from, between.to)
    case "sets":
      return Partition.between(between.side, between.other, between.direction)
    case "isolate":
      return Partition.isolate(between.node, between.direction)
    case "ring":
      return Partition.ring(between.nodes)
    case "bridge":
      return Partition.bridge(between.left, between.middle, between.right)
  }
}

export class Injector {
  private readonly world: World
  private readonly lifts = new Set<() => void>()
  private healed = false

  constructor(world: World) {
    this.world = world
  }

  /** Aims what has a point. */
  arm(): void {
    this.world.scenario.faults.forEach((fault, n) => {
      if (fault.kind === "crashAt" || fault.kind === "error") this.aim(fault, n)
    })
  }

  /** The safety phase begins: what has a time comes at it. */
  begin(): void {
    const { kernel } = this.world
    const begun = kernel.nowMicros()
    this.world.scenario.faults.forEach((fault, n) => {
      if (fault.kind === "crashAt" || fault.kind === "error") return
      if (fault.kind === "restore") this.remember(fault, n, begun)
      else kernel.schedule(fault.atMicros, () => this.strike(fault, n))
    })
  }

  /** Lifts everything; nothing comes any more. */
  heal(): void {
    this.healed = true
    for (const lift of this.lifts) lift()
    this.lifts.clear()
  }

  private strike(fault: Fault, n: number, apply = () => this.apply(fault, n)): void {
    if (this.healed) return
    const { coverage, kernel } = this.world
    const { trace } = kernel
    const node = "node" in fault && fault.node !== undefined ? fault.node : ""
    const row = trace.note(node, "fault", { fault: n, kind: nameOf(fault) })
    let lift: Lift
    causedBy(trace, row, () => {
      lift = apply()
    })
    const right = coverage.wrong(nameOf(fault))
    const lasts = "durationMicros" in fault ? fault.durationMicros : undefined
    if (lift === undefined) {
      kernel.schedule(("downMicros" in fault ? fault.downMicros : 0) + AFTERMATH_MICROS, right)
      return
    }
    const end = () => {
      if (!this.lifts.delete(end)) return
      causedBy(trace, trace.note(node, "fault.end", { fault: n, kind: nameOf(fault) }, row), () => lift?.())
      right()
    }
    this.lifts.add(end)
    if (lasts !== undefined) kernel.schedule(lasts, end)
  }

  private apply(fault: Fault, n: number): Lift {
    return handlers(fault)({ world: this.world, n })
  }

  /** What will be put back is what is durable some time before. */
  private remember(fault: Extract<Fault, { readonly kind: "restore" }>, n: number, begun: number): void {
    const { kernel } = this.world
    const machine = this.world.machine(fault.node)
    if (machine === undefined) return
    kernel.schedule(Math.max(0, fault.atMicros - fault.ageMicros), () => {
      const image = machine.disk.snapshot()
      kernel.schedule(begun + fault.atMicros - kernel.nowMicros(), () => {
        if (!this.healed) {
          this.strike(fault, n, () => {
            machine.replace(fault.downMicros, () => machine.disk.restore(image))
            return undefined
          })
        }
      })
    })
  }

  private aim(fault: Extract<Fault, { readonly kind: "crashAt" | "error" }>, n: number): void {
    const { point } = fault
    let struck = false
    const hit = (): boolean => {
      if (struck || this.healed) return false
      struck = true
      this.strike(fault, n)
      return fault.kind === "error"
    }
    switch (point.at) {
      case "disk":
        return this.aimAtDisk(fault.node, point, () => hit() && fault.kind === "error" ? fault.reason : undefined)
      case "send":
      case "connect":
        this.world.network.onOperation((operation) =>
          isMeant(operation, fault.node, point) && hit() ? "fail" : undefined
        )
        return
      case "call":
        this.world.onCall(({ name }, call, k) =>
          name === fault.node && call === point.name && k === point.k && hit() ? "fail" : undefined
        )
        return
      case "event":
        return this.aimAtEvent(fault.node, point, hit)
    }
  }

  private aimAtDisk(
    node: string,
    point: Extract<Point, { readonly at: "disk" }>,
    hit: () => DiskReason | undefined
  ): void {
    const isPoint = ({ k, kind, n, phase }: DiskOperation) =>
      phase === point.phase && (point.operation === "any" ? n === point.k : kind === point.operation && k === point.k)
    this.world.onEquipped((machine) => {
      if (machine.name !== node) return
      machine.disk.onOperation((operation) => isPoint(operation) ? hit() : undefined)
    })
  }

  /** A row can be in the middle of something, so what is aimed at it comes right after it. */
  private aimAtEvent(node: string, point: Extract<Point, { readonly at: "event" }>, hit: () => void): void {
    const { kernel } = this.world
    let k = 0
    const stop = kernel.trace.onRow((row) => {
      if (row.node !== node || (point.event !== undefined && row.kind !== point.event) || k++ !== point.k) return
      stop()
      kernel.schedule(0, hit)
    })
  }
}

const isMeant = (
  operation: NetworkOperation,
  node: string,
  point: Extract<Point, { readonly at: "send" | "connect" }>
): boolean => operation.node === node && operation.kind === point.at && operation.k === point.k

const nameOf = (fault: Fault): string => fault.kind === "custom" ? fault.name : fault.kind

interface Strike {
  readonly world: World
  /** The number of the fault: it names its draws. */
  readonly n: number
}

type Handler = (strike: Strike) => Lift

/** What a fault does to the world: its types are known here. */
const onWorld = (handler: Handler): Handler => handler

const onLinks = (between: Between, law: Partial<LinkLaw>): Handler => ({ world }) =>
  world.network.change(pairsOf(between), law)

const onMachine = (node: string, run: (machine: Machine, world: World) => Lift | void): Handler => ({ world }) => {
  const machine = world.machine(node)
  return machine === undefined ? undefined : run(machine, world) ?? undefined
}

const onDisk = (node: string, law: (machine: Machine) => Partial<DiskLaw>): Handler =>
  onMachine(node, (machine) => {
    machine.harmed = true
    return machine.changeDisk(law(machine))
  })

const slow = (latency: Latency): Partial<DiskLaw> => ({
  latency: Object.fromEntries(DISK_KINDS.map((kind) => [kind, latency]))
})

const handlers: (fault: Fault) => Handler = Match.type<Fault>().pipe(
  Match.discriminatorsExhaustive("kind")({
    latency: ({ between, latency }) => onLinks(between, { latency }),
    loss: ({ between, onConnection, p }) => onLinks(between, { loss: p, lossOnConnection: onConnection }),
    duplication: ({ between, lagMicros, p }) => onLinks(between, { duplication: p, duplicateLagMicros: lagMicros }),
    reorder: ({ between, lagMicros, p }) => onLinks(between, { reorder: p, reorderLagMicros: lagMicros }),
    corruption: ({ between, p }) => onLinks(between, { corruption: p }),
    bandwidth: ({ between, bytesPerSecond }) => onLinks(between, { bandwidthBytesPerSecond: bytesPerSecond }),
    blackHole: ({ between, bytes }) => onLinks(between, { blackHoleBytes: bytes }),
    partition: ({ between }) => onWorld(({ world }) => world.network.block(pairsOf(between))),
    clog: ({ between }) => onWorld(({ world }) => world.network.clog(pairsOf(between))),
    swizzle: ({ everyMicros, nodes }) =>
      onWorld(({ n, world }) => {
        const draws = world.kernel.draws("fault/swizzle", n)
        return Partition.swizzleClog(world.network, { nodes, everyMicros, draws })
      }),
    reset: ({ between }) =>
      onWorld(({ world }) => {
        world.network.tear(pairsOf(between))
        return undefined
      }),
    offline: ({ node }) => onWorld(({ world }) => world.network.offline(node)),
    crash: (fault) => onMachine(fault.node, (machine) => machine.crash(fault)),
    crashAt: (fault) => onMachine(fault.node, (machine) => machine.crash(fault)),
    stop: ({ downMicros, node }) => onMachine(node, (machine) => machine.stop(downMicros)),
    pause: ({ durationMicros, node }) => onMachine(node, (machine) => machine.process?.pause(durationMicros)),
    lie: ({ node }) => onMachine(node, (machine) => machine.disk.lie()),
    rot: ({ file, node }) =>
      onMachine(node, (machine) => {
        machine.harmed = true
        machine.disk.rot(file)
      }),
    readError: ({ node, p }) => onDisk(node, () => ({ readError: p })),
    shortRead: ({ node, p }) => onDisk(node, () => ({ shortRead: p })),
    misdirected: ({ node, p }) => onDisk(node, () => ({ misdirected: p })),
    slowDisk: ({ latency, node }) => onDisk(node, () => slow(latency)),
    full: ({ freeBytes, node }) =>
      onDisk(node, ({ disk }) => ({ quotaBytes: Math.max(1, disk.usedBytes + freeBytes) })),
    restore: () => () => undefined,
    evict: ({ downMicros, node }) =>
      onMachine(node, (machine) => machine.replace(downMicros, () => machine.disk.evict())),
    jump: ({ micros, node }) => onMachine(node, (machine) => machine.clock.jump(micros)),
    drift: ({ node, ppm }) =>
      onMachine(node, ({ clock, plan }) => {
        clock.setDrift(ppm)
        return () => clock.setDrift(plan.clock.driftPpm)
      }),
    freeze: ({ node }) =>
      onMachine(node, ({ clock }) => {
        clock.freeze()
        return () => clock.thaw()
      }),
    error: ({ node }) =>
      onMachine(node, (machine) => {
        machine.harmed = true
      }),
    custom: (fault) =>
      onWorld(({ n, world }) => {
        const custom = world.definition.faults?.custom?.find(({ name }) => name === fault.name)
        return custom?.apply(reachOf(world, fault.name, n), fault) ?? undefined
      })
  })
)

const reachOf = (world: World, name: string, n: number): FaultWorld => ({
  timeline: world.kernel,
  recorder: world.kernel.trace,
  network: world.network,
  disk: (node) => {
    const machine = world.machine(node)
    if (machine === undefined) throw new RangeError(`there is no node ${node}`)
    return machine.disk
  },
  nodes: (kind) =>
    world.machines.filter(({ plan }) => kind === undefined || plan.kind === kind).map(({ name: node }) => node),
  crash: (node, downMicros) => world.machine(node)?.crash({ downMicros, disk: { kind: "any" }, notice: "reset" }),
  facts: world.facts,
  draws: world.kernel.draws(`fault/${name}`, n),
  expectLoss: (why) => world.expectLoss(why)
})
