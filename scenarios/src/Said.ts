/** Reads what nodes observed: JSON that this package wrote itself. */
import type { Json } from "@sotto/simulation/Scenario"
import type { OpText } from "./node/View.ts"

const isRecord = (data: Json | undefined): data is { readonly [key: string]: Json } =>
  typeof data === "object" && data !== null && !Array.isArray(data)

/** A field. */
export const field = (data: Json, key: string): Json | undefined => isRecord(data) ? data[key] : undefined

export const text = (data: Json, key: string): string => {
  const value = field(data, key)
  return typeof value === "string" ? value : ""
}

export const number = (data: Json, key: string): number => {
  const value = field(data, key)
  return typeof value === "number" ? value : Number.NaN
}

const isOp = (data: Json): data is [string, string, string] =>
  Array.isArray(data) && data.length === 3 && data.every((part) => typeof part === "string")

/** Operations as text. */
export const ops = (data: Json): ReadonlyArray<OpText> => {
  const value = field(data, "ops")
  return Array.isArray(value) ? value.filter((op: Json) => isOp(op)) : []
}
