/**
 * Devices that are set up within the test's own process, for tests of what comes afterwards: a command for each step costs
 * half a second of a processor. That the commands set devices up as well is what test/end-to-end/pairing.test.ts is for.
 */
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import type { RunningRelay, Stage } from "./Stage.ts"

/** The first device of a new space. */
export const settle = async (dir: string, relay: RunningRelay, label: string): Promise<void> => {
  await using sotto = await openSotto({ dir, relay: relay.address, label })
  await sotto.settled()
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
export const makePair = async (stage: Stage, relay: RunningRelay) => {
  const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
  await settle(laptop, relay, "Laptop")
  await admit(laptop, phone, "Phone")
  return { laptop, phone }
}
