/**
 * A number of a sequence stands for one content, for ever: programs say `observe("sequence", { author, number, content })`
 * when they give a number. Saying the same again is no reuse.
 *
 * An old backup that is put back is where numbers are used again. A protocol that survives this must be held to it;
 * for one that does not claim to, say `afterLoss: "allowed"`.
 */
import * as Invariant from "../Invariant.ts"

export interface Options {
  /** `forbidden` unless said otherwise. */
  readonly afterLoss?: "allowed" | "forbidden"
}

export const make = (options: Options = {}): Invariant.Invariant =>
  Invariant.make("no sequence reuse", (world) => {
    const contentByPlace = new Map<string, string>()
    return {
      onObservation: ({ data, node, what }) => {
        if (what !== "sequence") return
        const [author, number] = [Invariant.textField(data, "author"), Invariant.textField(data, "number")]
        const place = JSON.stringify([author, number])
        const content = Invariant.textField(data, "content")
        const before = contentByPlace.get(place)
        if (before !== undefined && before !== content) {
          world.violated(`number ${number} of ${author} stands for two contents`, node)
        }
        contentByPlace.set(place, content)
      }
    }
  }, { excusable: options.afterLoss === "allowed" })
