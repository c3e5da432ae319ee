/** An id is given once: programs say `observe("id", { id })` when they give one, whoever and wherever they are. */
import * as Invariant from "../Invariant.ts"

export const make = (): Invariant.Invariant =>
  Invariant.make("unique ids", (world) => {
    const nodeById = new Map<string, string>()
    return {
      onObservation: ({ data, node, what }) => {
        if (what !== "id") return
        const id = Invariant.textField(data, "id")
        const other = nodeById.get(id)
        if (other !== undefined) world.violated(`the id ${id} was given before, by ${other}`, node)
        nodeById.set(id, node)
      }
    }
  })
