/**
 * One run, from the first process to the last: boot, safety, heal, liveness, audit, and perhaps a cold restart.
 *
 * 1. Faults and commands come in the safety phase only; what was aimed at a point can strike while nodes boot, too.
 * 2. After healing, nothing new goes wrong. The world has come to rest when every invariant that can tell says so.
 * 3. A run ends with the first violation.
 */
import { Injector } from "./Injector.ts"
import type { Machine } from "./Machine.ts"
import * as Partition from "./Partition.ts"
import * as Stall from "./Stall.ts"
import type { World } from "./World.ts"

/** All nodes must be ready after so long. */
const BOOT_MICROS = 120_000_000
/** How often the world is asked whether it has come to rest. */
const POLL_MICROS = 250_000
/** A probe that does not answer for so long waits for something. */
const PROBE_MICROS = 5_000_000
/** A process that was asked to end must have ended after so long. */
const STOP_MICROS = 60_000_000

/** Runs a world to its end. */
export const run = (world: World): void => {
  const injector = new Injector(world)
  const steps = [boot, safety, heal, liveness, audit]
  for (const step of steps) {
    if (!world.isOver()) step(world, injector)
  }
  if (!world.isOver() && world.scenario.phases.coldRestart) restart(world)
}

const boot = (world: World, injector: Injector): void => {
  world.enter("boot")
  injector.arm()
  for (const machine of world.machines) machine.start()
  world.pass(BOOT_MICROS, () => areReady(world.machines))
  if (world.isOver() || areReady(world.machines)) return
  const late = world.machines.filter((machine) => !machine.ready)
  world.stuck = late.map((machine) => ({ node: machine.name, waits: whyNotReady(world, machine), way: "start" }))
  complain(world, "boot", "does not become ready")
}

/** A node that came to its end by itself counts as ready. */
const areReady = (machines: ReadonlyArray<Machine>): boolean =>
  machines.every((machine) => machine.ready || machine.done)

const safety = (world: World, injector: Injector): void => {
  world.enter("safety")
  injector.begin()
  for (const command of world.scenario.workload) {
    const machine = world.machine(command.node)
    if (machine !== undefined) world.kernel.schedule(command.atMicros, () => world.history.invoke(machine, command))
  }
  world.pass(world.scenario.phases.safetyMicros)
}

const heal = (world: World, injector: Injector): void => {
  world.enter("heal")
  injector.heal()
  world.network.change(Partition.everywhere, {
    loss: 0,
    duplication: 0,
    reorder: 0,
    corruption: 0,
    blackHoleBytes: 0
  })
  const { heal: healed } = world.scenario.phases
  for (const machine of world.machines) {
    if (healed === "all" || healed.includes(machine.name)) continue
    machine.core = false
    machine.retire()
    machine.crash({ downMicros: 0, disk: { kind: "all" }, notice: "reset" })
  }
  for (const machine of world.core) {
    if (!machine.done) machine.start()
  }
  world.healedMicros = world.kernel.nowMicros()
}

const liveness = (world: World): void => {
  world.enter("liveness")
  settle(world)
  if (!world.isOver()) world.pass(world.verdict.restMicros)
  // What was on its way from the dead may have come meanwhile.
  if (!world.isOver()) askAll(world)
  if (!world.isOver()) world.verdict.end()
  if (!world.isOver()) complain(world, "rest", "does not come to rest")
}

/** Lets time pass until the world has come to rest, or its time is over: then it says why. */
const settle = (world: World): void => {
  const { kernel } = world
  const untilMicros = kernel.nowMicros() + world.scenario.phases.livenessMicros
  world.settledMicros = undefined
  while (kernel.nowMicros() < untilMicros && !world.isOver()) {
    askAll(world)
    if (world.isOver()) return
    if (isSettled(world)) {
      world.settledMicros = kernel.nowMicros()
      return
    }
    world.pass(Math.min(POLL_MICROS, untilMicros - kernel.nowMicros()))
  }
  if (!world.isOver()) world.stuck = whyStuck(world)
}

const isSettled = (world: World): boolean =>
  !world.history.busy && world.core.every((machine) => machine.probe?.pending === undefined) &&
  areReady(world.core) && (world.verdict.settled ?? world.machines.some(({ kind }) => kind.probed))

const askAll = (world: World): void => {
  for (const machine of world.core) machine.ask()
  const isAnswered = () => world.core.every((machine) => !machine.asked)
  if (!isAnswered()) world.pass(PROBE_MICROS, isAnswered)
}

const whyStuck = (world: World): World["stuck"] =>
  world.core.flatMap((machine) => {
    if (!machine.ready && !machine.done) {
      return [{ node: machine.name, waits: whyNotReady(world, machine), way: "start" }]
    }
    if (machine.asked) return [{ node: machine.name, waits: "an answer of its probe", way: "probe" }]
    const asked = world.history.entries.filter((entry) => entry.node === machine.name && entry.outcome === "pending")
    const { pending } = machine.probe ?? {}
    return [
      ...(pending === undefined ? [] : [{ waits: pending, way: "state" }]),
      ...asked.map((entry) => ({
        waits: `the end of command ${entry.i} (${entry.name})`,
        way: `command ${entry.name}`
      }))
    ].map((why) => ({ node: machine.name, ...why }))
  })

const whyNotReady = (world: World, machine: Machine): string => {
  if (!machine.alive) return machine.lastFailure === "" ? "to be started" : `a start without "${machine.lastFailure}"`
  const stall = Stall.find(world.kernel).find(({ node }) => node === machine.name)
  if (stall !== undefined) return Stall.text(stall)
  const spans = machine.process?.openSpans ?? []
  return spans.length === 0 ? "to become ready" : `span ${spans.join(" > ")}`
}

/** A world that does not get on is a violation of its own, whatever its invariants say; lost data is an excuse. */
const complain = (world: World, invariant: string, what: string): void => {
  if (world.lossExpected.length > 0) return
  const [first] = world.stuck
  if (first === undefined) return
  const { node, waits, way } = first
  world.verdict.violated({ invariant, message: `${what}: waits for ${waits}`, node, kind: way })
}

const audit = (world: World): void => {
  world.enter("audit")
  for (const machine of world.machines) machine.retire()
  const stopping = world.machines.filter((machine) => machine.alive)
  for (const machine of stopping) machine.stop()
  world.pass(STOP_MICROS, () => stopping.every((machine) => !machine.alive))
  if (world.isOver()) return
  for (const { alive, name } of stopping) {
    if (alive) world.verdict.violated({ invariant: "stop", message: "was asked to end, and does not", node: name })
  }
  const leaks = stopping.flatMap(({ leaks: whats, name }) => whats.map((what) => ({ node: name, what })))
  world.verdict.stopped(leaks)
}

const restart = (world: World): void => {
  world.enter("restart")
  for (const machine of world.core) {
    machine.unretire()
    if (machine.kind.persistent) machine.disk.crash({ kind: "none" })
    if (!machine.done) machine.start()
  }
  settle(world)
  if (!world.isOver()) world.verdict.restarted()
}
