/** Reading what programs said by `host.observe`. */
import type { Json } from "../Scenario.ts"

/** A field of an object, or undefined. */
export const field = (data: Json, name: string): Json | undefined =>
  isRecord(data) && Object.hasOwn(data, name) ? data[name] : undefined

const isRecord = (data: Json): data is { readonly [name: string]: Json } =>
  typeof data === "object" && data !== null && !Array.isArray(data)

/** A field as text: strings as they are, the rest as JSON. */
export const textField = (data: Json, name: string): string => {
  const value = field(data, name)
  return typeof value === "string" ? value : JSON.stringify(value ?? null)
}
