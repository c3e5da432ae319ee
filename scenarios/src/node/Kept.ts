/** What a relay keeps, told to invariants. */
import type { Crypto } from "@sotto/core/Crypto"
import { type Page, RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"

/**
 * Tells of every envelope that a relay keeps, and of those that it may keep though storage said that it failed. Of what
 * nobody could tell of, since the relay died in the moment in which it kept it, it tells when the relay shows that it has
 * it: when it reads it, or compares sets.
 */
export const tell = (
  host: Node.Base,
  store: RelayStore["Service"],
  { blake3 }: Crypto["Service"]
): RelayStore["Service"] => {
  /** Routes and positions. */
  const told = new Set<string>()
  const kept = (route: Uint8Array, position: number, id: () => Uint8Array) => {
    const place = `${Bytes.toHex(route)} ${position}`
    if (told.has(place)) return
    told.add(place)
    host.observe("kept", { id: Bytes.toHex(id()) })
  }
  const shown = (route: Uint8Array) => ({ envelopes }: Page): Effect.Effect<void> =>
    Effect.sync(() => {
      for (const { bytes, position } of envelopes) kept(route, position, () => blake3(bytes))
    })
  return RelayStore.of({
    ...store,
    append: (input) =>
      store.append(input).pipe(
        Effect.tap(({ stored }) =>
          Effect.sync(() => {
            input.envelopes.forEach(({ id }, at) => {
              const position = stored[at]?.position
              if (position !== undefined) kept(input.route, position, () => id)
            })
          })
        ),
        Effect.tapError(() =>
          Effect.sync(() => {
            for (const { id } of input.envelopes) host.observe("perhaps kept", { id: Bytes.toHex(id) })
          })
        )
      ),
    ids: (page) =>
      Effect.tap(store.ids(page), ({ ids }) =>
        Effect.sync(() => {
          for (const { id, position } of ids) kept(page.route, position, () => id)
        })),
    read: (page) => Effect.tap(store.read(page), shown(page.route)),
    readAt: (page) => Effect.tap(store.readAt(page), shown(page.route))
  })
}
