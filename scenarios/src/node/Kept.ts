/** What a relay keeps, told to invariants. */
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"

/** Tells of every envelope that a relay keeps, and of those that it may keep though storage said that it failed. */
export const tell = (host: Node.Base, store: RelayStore["Service"]): RelayStore["Service"] =>
  RelayStore.of({
    ...store,
    append: (input) => {
      const each = (what: string) =>
        Effect.sync(() => {
          for (const { id } of input.envelopes) host.observe(what, { id: Bytes.toHex(id) })
        })
      return Effect.tapError(Effect.tap(store.append(input), () => each("kept")), () => each("perhaps kept"))
    }
  })
