/**
 * Devices that are set up within the test's own process, for tests of what comes afterwards: a command for each step costs
 * half a second of a processor. That the commands set devices up as well is what test/end-to-end/pairing.test.ts is for.
 */
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import { afterAll } from "vitest"
import { type RelayStart, type RunningRelay, Stage } from "./Stage.ts"

/** One relay for all tests of a file that need no more of it than that it is there. */
export const shareRelay = (start: RelayStart = {}): () => Promise<RunningRelay> => {
  const stage = new Stage()
  afterAll(() => stage[Symbol.asyncDispose]())
  let starting: Promise<RunningRelay> | undefined
  return () => starting ??= stage.relay(start)
}

/** All that a device needs of a relay. */
type Reached = Pick<RunningRelay, "address">

/** The first device of a new space. */
export const settle = async (dir: string, relay: Reached, label: string): Promise<void> => {
  await using sotto = await openSotto({ dir, relay: relay.address, label })
  await sotto.settled()
}

/** Writes values, one entry each, and waits until the relay has them. */
export const write = async (dir: string, ...values: ReadonlyArray<string>): Promise<void> => {
  await using sotto = await openSotto({ dir })
  for (const value of values) await (await sotto.push(value)).stored()
}

/** Lets `guest` into the space of `host`, by a link. */
export const admit = async (host: string, guest: string, label: string): Promise<void> => {
  await using sotto = await openSotto({ dir: host })
  const offered = Promise.withResolvers<string>()
  const hosting = sotto.pair({ onCode: ({ url }) => offered.resolve(url), approve: () => true })
  await joinSotto({ dir: guest, from: { url: await offered.promise }, label })
  await hosting
  await using joined = await openSotto({ dir: guest })
  await Promise.all([sotto.settled(), joined.settled()])
}

/** A laptop and a phone of one space. */
export const makePair = async (stage: Stage, relay: Reached) => {
  const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
  await settle(laptop, relay, "Laptop")
  await admit(laptop, phone, "Phone")
  return { laptop, phone }
}
