/** Whether a node is up, down or standing still at a moment. */
import type { Model } from "./Model.ts"

export type Condition = "up" | "down" | "paused"

export const nodeCondition = (model: Pick<Model, "standstills">, lane: number, micros: number): Condition => {
  const found = model.standstills.find((one) => one.lane === lane && one.from <= micros && micros < one.to)
  return found === undefined ? "up" : found.kind
}
