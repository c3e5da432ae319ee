/** What a relay keeps, told to invariants. */
import { type Page, RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"

/**
 * Tells of every envelope that a relay keeps, and of those that it may keep though storage said that it failed; of these
 * again when it hands them out, which shows that it does.
 */
export const tell = (host: Node.Base, store: RelayStore["Service"]): RelayStore["Service"] => {
  const doubtful = new Map<string, Uint8Array>()
  const kept = (id: string) => {
    doubtful.delete(id)
    host.observe("kept", { id })
  }
  const shown = ({ envelopes }: Page): Effect.Effect<void> =>
    Effect.sync(() => {
      for (const [id, envelope] of doubtful) {
        if (envelopes.some(({ bytes }) => Bytes.equals(bytes, envelope))) kept(id)
      }
    })
  return RelayStore.of({
    ...store,
    append: (input) =>
      store.append(input).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            for (const { id } of input.envelopes) kept(Bytes.toHex(id))
          })
        ),
        Effect.tapError(() =>
          Effect.sync(() => {
            for (const { bytes, id } of input.envelopes) {
              doubtful.set(Bytes.toHex(id), bytes)
              host.observe("perhaps kept", { id: Bytes.toHex(id) })
            }
          })
        )
      ),
    read: (page) => Effect.tap(store.read(page), shown),
    readAt: (page) => Effect.tap(store.readAt(page), shown)
  })
}
