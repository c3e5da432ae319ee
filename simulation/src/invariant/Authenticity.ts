/**
 * Nobody accepts what its author did not write. Authors say `observe("author", { id, author, content })` when they write,
 * nodes say `observe("accept", { id, author, content })` when they take something over; `content` may be absent.
 */
import * as Invariant from "../Invariant.ts"

export const make = (): Invariant.Invariant =>
  Invariant.make("authenticity", (world) => {
    const written = new Set<string>()
    return {
      onObservation: ({ data, node, what }) => {
        if (what !== "author" && what !== "accept") return
        const [id, author] = [Invariant.textField(data, "id"), Invariant.textField(data, "author")]
        const key = JSON.stringify([id, author, Invariant.textField(data, "content")])
        if (what === "author") written.add(key)
        else if (!written.has(key)) world.violated(`accepts ${id} as of ${author}, who did not write it so`, node)
      }
    }
  })
