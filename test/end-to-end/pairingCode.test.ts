/** A code whose time is over at the relay. What else may be wrong with one is in pairing.test.ts. */
import { assert, describe, it } from "vitest"
import type { Ended } from "../process/Child.ts"
import { settle } from "../process/devices.ts"
import { expectCode, linesOf, Stage, text } from "../process/Stage.ts"

const messageOf = (ended: Ended): string => text(linesOf(expectCode(ended, 4), "error")[0], "message")

describe("a code", () => {
  it("whose time is over at the relay ends on both sides", async () => {
    await using stage = new Stage()
    const relay = await stage.relay({ env: { SOTTO_RELAY_MAILBOX_MILLIS_MAX: "1000" } })
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    const join = (from: ReadonlyArray<string>) => stage.run(stage.home("phone"), ["join", ...from, "--yes"])
    await new Promise((resolve) => setTimeout(resolve, 1100))
    assert.include(messageOf(await join([offer.code, "--relay", relay.address])), "time is over")
    // The link says that it is good for ten minutes: the relay knows better.
    assert.include(messageOf(await join([offer.url])), "time is over")
    assert.include(messageOf(await offer.child.ended), "time is over")
  })
})
