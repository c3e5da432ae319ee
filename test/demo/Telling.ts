/** What the stories share: steps that are told as they are done, and devices that do as they are told. */
import type { Child } from "../process/Child.ts"
import { expectCode, type Stage } from "../process/Stage.ts"

const DEVICE = new URL("./device.ts", import.meta.url).pathname

const started = performance.now()
export const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s`
export const tick = (what: string): void => console.log(`${seconds()}  ✓ ${what}`)

export const check = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

/** Tells a device to do something, and waits until it did. */
export const wait = (device: Child, verb: string) => {
  const before = device.lines.length
  device.say(verb)
  return device.line("did", (line) => line["verb"] === verb && device.lines.indexOf(line) >= before)
}

/** `saved`: on the device; `stored`: at a relay. */
export const write = (device: Child, value: string, how: "saved" | "stored") => {
  device.say(`push ${value}`)
  return device.line(how, (line) => line["value"] === value)
}

/** A device that runs until its input ends. */
export const live = async (stage: Stage, dir: string): Promise<Child> => {
  const device = stage.children.start([dir], { script: DEVICE })
  await device.line("open")
  return device
}

export const end = async (device: Child): Promise<void> => {
  device.process.stdin?.end()
  expectCode(await device.ended, 0)
}
