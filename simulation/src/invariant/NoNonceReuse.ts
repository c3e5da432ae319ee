/**
 * A nonce is used once with a key: whoever encrypts says `observe("nonce", { key, nonce, message })`. The same message
 * again is no reuse. Holds whatever faults destroy: a restored backup is where nonces are used again.
 */
import * as Invariant from "../Invariant.ts"

export const make = (): Invariant.Invariant =>
  Invariant.make("no nonce reuse", (world) => {
    const messageByPlace = new Map<string, string>()
    return {
      onObservation: ({ data, node, what }) => {
        if (what !== "nonce") return
        const [key, nonce] = [Invariant.textField(data, "key"), Invariant.textField(data, "nonce")]
        const place = JSON.stringify([key, nonce])
        const message = Invariant.textField(data, "message")
        const before = messageByPlace.get(place)
        if (before !== undefined && before !== message) {
          world.violated(`nonce ${nonce} is used with key ${key} for two messages`, node)
        }
        messageByPlace.set(place, message)
      }
    }
  })
