/**
 * A relay and two devices: they pair, write with and without a connection, outlive a killed relay, and at the end
 * everything that the relay and the network saw is searched for what was written.
 */
import * as fs from "node:fs"
import type { Child } from "../process/Child.ts"
import { filesOf, leaksBelow, leaksIn } from "../process/Plaintext.ts"
import { RecordingProxy } from "../process/RecordingProxy.ts"
import { expectCode, linesOf, type RunningRelay, type Stage, text } from "../process/Stage.ts"
import { check, end, live, tick, wait, write } from "./Telling.ts"

const MARKS = {
  laptop: "DEMO-plaintext-of-the-laptop",
  phone: "DEMO-plaintext-of-the-phone",
  label: "DEMO-label-Laptop",
  collection: "DEMO-secret-collection"
}
const BURST = 600

export const title = "Sotto: two devices, and a relay that cannot read what it keeps"

/** Pairs by the code that the laptop shows and the phone types. */
const meet = async (stage: Stage, laptop: string, phone: string, address: string): Promise<void> => {
  await stage.init(laptop, address, MARKS.label)
  const { host } = await stage.pair(laptop, phone, address, "Phone")
  const emoji = linesOf(host, "request")[0]?.["emoji"]
  const names = Array.isArray(emoji) ? emoji.map(({ symbol, name }) => `${symbol} ${name}`).join("  ") : ""
  tick(`two devices paired by a code; both screens showed\n             ${names}`)
  await stage.push(laptop, MARKS.laptop, ["--collection", MARKS.collection])
  await stage.push(phone, MARKS.phone, ["--collection", MARKS.collection])
  const seen = JSON.stringify(await stage.pull(laptop))
  check(seen.includes(MARKS.laptop) && seen.includes(MARKS.phone), "a value did not arrive")
  tick("each wrote, and has what the other wrote")
}

/** Cuts the phone off, lets both write, and brings them together. */
const apart = async (laptop: Child, phone: Child): Promise<void> => {
  await wait(phone, "offline")
  await write(laptop, `${MARKS.laptop}, while the phone was away`, "stored")
  await write(phone, `${MARKS.phone}, on the train`, "saved")
  tick("the phone went offline; both wrote on")
  await wait(phone, "online")
  await phone.line("stored", (line) => line["value"] === `${MARKS.phone}, on the train`)
  await Promise.all([wait(laptop, "settle"), wait(phone, "settle")])
  tick("the phone came back; both have everything")
}

/** Kills the relay while both write, and starts it again over the same directory. */
const killed = async (stage: Stage, relay: RunningRelay, laptop: Child, phone: Child): Promise<RunningRelay> => {
  for (let n = 0; n < BURST; n++) {
    laptop.say(`push ${MARKS.laptop} ${n}`)
    phone.say(`push ${MARKS.phone} ${n}`)
  }
  await laptop.line("stored", (line) => String(line["value"]).startsWith(`${MARKS.laptop} `))
  await relay.child.stop("SIGKILL")
  const stored = [laptop, phone].flatMap(({ lines }) => lines.filter(({ type }) => type === "stored")).length
  tick(`the relay was killed while ${2 * BURST} entries were on their way (${stored} acknowledged by then)`)
  const again = await stage.relay({ port: relay.port, data: relay.data })
  await Promise.all([wait(laptop, "wake"), wait(phone, "wake")])
  const last = BURST - 1
  await laptop.line("stored", (line) => line["value"] === `${MARKS.laptop} ${last}`)
  await phone.line("stored", (line) => line["value"] === `${MARKS.phone} ${last}`)
  await Promise.all([wait(laptop, "settle"), wait(phone, "settle")])
  tick("it was started again over the same directory; every entry is there")
  return again
}

/** Both devices print the same log, with every value once. */
const compare = async (stage: Stage, laptop: string, phone: string): Promise<void> => {
  const [one, other] = [await stage.pull(laptop), await stage.pull(phone)]
  const values = new Set(one.map((line) => line["value"]))
  check(one.length === 4 + 2 * BURST && values.size === one.length, `${one.length} entries, not ${4 + 2 * BURST}`)
  check(JSON.stringify(one) === JSON.stringify(other), "the two devices differ")
  tick(`both devices print the same ${one.length} entries, in the same order`)
}

/** Nothing of it can be read where it was not meant to be. */
const search = (relay: RunningRelay, logs: ReadonlyArray<string>, proxy: RecordingProxy): void => {
  const marks = Object.values(MARKS)
  const size = filesOf(relay.data).reduce((sum, file) => sum + fs.statSync(file).size, 0) + proxy.captured.length
  const leaks = [
    ...leaksBelow(relay.data, marks),
    ...leaksIn("the network", proxy.captured, marks),
    ...logs.flatMap((log) => leaksIn("the relay's log", Buffer.from(log), marks))
  ]
  check(leaks.length === 0, `found in the open: ${JSON.stringify(leaks)}`)
  check(leaksIn("a check of the search", Buffer.from(btoa(MARKS.laptop)), marks).length > 0, "the search finds nothing")
  const megabytes = (size / 1024 / 1024).toFixed(1)
  tick(`${megabytes} MB of the relay's files, its log and the network's traffic hold no value, name or label`)
}

export const story = async (stage: Stage): Promise<void> => {
  const relay = await stage.relay()
  await using proxy = await RecordingProxy.to(relay.port)
  const address = relay.address.replace(`:${relay.port}/`, `:${proxy.port}/`)
  tick(`a relay listens at ${text(relay.child.lines[0], "url")}`)
  const [laptopDir, phoneDir] = [stage.home("laptop"), stage.home("phone")]
  await meet(stage, laptopDir, phoneDir, address)
  const [laptop, phone] = [await live(stage, laptopDir), await live(stage, phoneDir)]
  await apart(laptop, phone)
  const again = await killed(stage, relay, laptop, phone)
  await Promise.all([end(laptop), end(phone)])
  await compare(stage, laptopDir, phoneDir)
  expectCode(await again.child.stop("SIGTERM"), 0)
  search(again, [relay.child.stderr, again.child.stderr], proxy)
}
