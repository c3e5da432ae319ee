/** A network without the kernel, and an open connection over it. */
import { assert } from "vitest"
import type { End } from "../../src/Connection.ts"
import type { LinkLaw } from "../../src/Link.ts"
import { Network, type NetworkOptions } from "../../src/Network.ts"
import { smallWorld, text } from "./SmallWorld.ts"

export type Options = Omit<Partial<NetworkOptions>, "timeline" | "recorder">

export const world = (options: Options = {}) => {
  const small = smallWorld()
  const network = new Network({ seed: 7n, ...options, timeline: small.timeline, recorder: small.recorder })
  return { ...small, network }
}

export type World = ReturnType<typeof world>

/** Reads all that ever arrives. */
export const drain = (end: End, into: Array<string>) => {
  const next = () => {
    for (const bytes of end.read()) into.push(text(bytes))
    if (end.ended === undefined) end.whenReadable(next)
  }
  next()
}

export const fail = () => assert.fail("must not be called")

/** An open connection from `a` to `b`. */
export const connected = ({ network, process, timeline }: World, options: { readonly stream?: boolean } = {}) => {
  const a = process("a")
  const b = process("b")
  const pair: { local?: End; remote?: End } = {}
  network.listen(b, "b:1", (end) => {
    pair.remote = end
  })
  network.connect(a, "b:1", {
    open: (end) => {
      pair.local = end
    },
    failed: fail
  }, options)
  timeline.run(timeline.nowMicros() + 5_000_000)
  const { local, remote } = pair
  if (local === undefined || remote === undefined) throw new Error("not open")
  return { a, b, local, remote }
}

export const noisy: Partial<LinkLaw> = {
  latency: { kind: "exponential", minimumMicros: 1_000, meanMicros: 3_000 },
  loss: 0.1,
  duplication: 0.1,
  reorder: 0.1,
  corruption: 0.1
}

/** How it ended, asked anew. */
export const howEnded = (end: End) => end.ended
