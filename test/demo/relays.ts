/**
 * Two relays and three devices: one relay misses a part, the other one dies for good, the first is wiped, and nothing is
 * lost, since every device has everything and each relay is brought what it lacks.
 */
import * as fs from "node:fs"
import type { Child } from "../process/Child.ts"
import { expectCode, linesOf, type RunningRelay, type Stage } from "../process/Stage.ts"
import { check, end, live, tick, wait, write } from "./Telling.ts"

export const title = "Sotto: three devices, and two relays that do not last"

const EACH = 100

interface Device {
  readonly name: string
  readonly dir: string
}

/** Everybody writes at once; answers what was written. */
const all = async (
  devices: ReadonlyArray<{ readonly name: string; readonly child: Child }>,
  when: string
): Promise<void> => {
  for (let n = 0; n < EACH; n++) for (const { child, name } of devices) child.say(`push ${name} ${when} ${n}`)
  await Promise.all(devices.map(({ child, name }) => write(child, `${name} ${when}, the last`, "stored")))
}

const settle = (devices: ReadonlyArray<{ readonly child: Child }>, how: "settle" | "mend" = "settle") =>
  Promise.all(devices.map(async ({ child }) => {
    await wait(child, "wake")
    await wait(child, how)
  }))

/** A relay that has a key and nothing else, and a copy of it as it is now. */
const prepare = async (stage: Stage): Promise<{ readonly south: RunningRelay; readonly empty: string }> => {
  const south = await stage.relay({ data: stage.place.at("south") })
  expectCode(await south.child.stop("SIGTERM"), 0)
  const empty = stage.place.at("south, empty")
  fs.cpSync(south.data, empty, { recursive: true })
  return { south: await stage.relay({ data: south.data, port: south.port }), empty }
}

const meet = async (stage: Stage, devices: ReadonlyArray<Device>, north: string, south: string): Promise<void> => {
  const [first, ...others] = devices
  if (first === undefined) return
  await stage.init(first.dir, north, first.name)
  for (const { dir, name } of others) await stage.pair(first.dir, dir, north, name)
  for (const { dir } of devices) expectCode(await stage.run(dir, ["relays", "add", south]), 0)
}

/**
 * Entries say what the relay had signed before it was wiped. A device that comes afterwards may take that for two histories,
 * as it must, and then has to be told that the wipe is known.
 */
const vouch = async (stage: Stage, { dir }: Device, { key }: RunningRelay): Promise<void> => {
  const listed = linesOf(expectCode(await stage.run(dir, ["relays", "ls"]), 0), "relay")
  const caught = listed.some((line) => String(line["relay"]).endsWith(key) && line["misbehaved"] !== null)
  if (caught) expectCode(await stage.run(dir, ["relays", "trust", key]), 0)
}

/** Every device prints the same values, each once. */
const compare = async (stage: Stage, devices: ReadonlyArray<Device>, rounds: number): Promise<void> => {
  const expected = 3 * rounds * (EACH + 1)
  const lists = []
  for (const { dir } of devices) lists.push((await stage.pull(dir)).map((line) => String(line["value"])).toSorted())
  for (const values of lists) {
    check(values.length === expected, `${values.length} entries, not ${expected}`)
    check(new Set(values).size === values.length, "an entry came twice")
    check(JSON.stringify(values) === JSON.stringify(lists[0]), "the devices differ")
  }
  tick(`${devices.length} devices print the same ${expected} entries`)
}

export const story = async (stage: Stage): Promise<void> => {
  const north = await stage.relay({ data: stage.place.at("north") })
  const { empty, south } = await prepare(stage)
  tick("two relays listen")
  const devices = ["laptop", "phone", "tablet"].map((name): Device => ({ name, dir: stage.home(name) }))
  await meet(stage, devices, north.address, south.address)
  tick("three devices paired, and know both relays")
  const running = await Promise.all(devices.map(async ({ dir, name }) => ({ name, child: await live(stage, dir) })))
  await all(running, "at first")
  await settle(running)
  expectCode(await south.child.stop("SIGTERM"), 0)
  await all(running, "at the north relay alone")
  await settle(running)
  tick("the south relay was away; what was written meanwhile is at the north relay alone")
  await north.child.stop("SIGKILL")
  fs.rmSync(north.data, { recursive: true })
  tick("the north relay was killed, and its disk is gone for good")
  const back = await stage.relay({ data: south.data, port: south.port })
  await settle(running)
  await all(running, "at the south relay alone")
  await settle(running)
  tick("the south relay came back, and was brought what it had missed")
  await back.child.stop("SIGKILL")
  fs.rmSync(south.data, { recursive: true })
  fs.cpSync(empty, south.data, { recursive: true })
  const wiped = await stage.relay({ data: south.data, port: south.port })
  await settle(running, "mend")
  await all(running, "after all that")
  await settle(running, "mend")
  tick("the south relay was wiped; the devices gave it everything again")
  await Promise.all(running.map(({ child }) => end(child)))
  await compare(stage, devices, 4)
  const newcomer = { name: "newcomer", dir: stage.home("newcomer") }
  await stage.pair(devices[0]?.dir ?? "", newcomer.dir, south.address, newcomer.name)
  await vouch(stage, newcomer, wiped)
  await compare(stage, [...devices, newcomer], 4)
  tick("a device that came at the very end has all of it, from the relay that had lost all of it")
  expectCode(await wiped.child.stop("SIGTERM"), 0)
}
