/** What holds of keys, and of what relays are said to have done. */
import * as Invariant from "@sotto/simulation/Invariant"
import * as Said from "../Said.ts"

/** No two texts are sealed under one key and nonce, by whichever process. */
export const noNonceReuse = Invariant.make("noNonceReuse", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "nonceReuse") return
    const { before, cipher } = { before: Said.text(data, "before"), cipher: Said.text(data, "cipher") }
    world.violated(`a key and nonce of ${cipher} under which ${before} had sealed another text`, node)
  }
}))

/** A device and a relay that keep to the protocol never send each other what the other cannot take for a message. */
export const understood = Invariant.make("understood", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "misunderstood") return
    world.violated(`its connection to an honest relay ended: ${Said.text(data, "why")}`, node)
  }
}))

/** A relay that says what is so is never caught with anything. */
export const noFalseAccusation = Invariant.make("noFalseAccusation", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what === "caught") world.violated(`it holds an honest relay for a liar: ${JSON.stringify(data)}`, node)
  }
}), { excusable: true })
