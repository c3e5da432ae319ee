/** What the tests of all strategies ask. */
import { DeviceId } from "@sotto/schema/Id"
import * as Result from "effect/Result"
import type { Fold, Merged, MergeFailed, Sides, Strategy } from "../../../src/item/merge/Strategy.ts"

export const device = (number: number): DeviceId => DeviceId.make(new Uint8Array(32).fill(number))

/** A strategy that merges values; any other fails the test. */
const foldOf = (strategy: Strategy): Fold => {
  if (strategy._tag !== "Fold") throw new Error(`${strategy._tag} merges no values`)
  return strategy
}

const sides = (local: Uint8Array, remote: Uint8Array, bases: ReadonlyArray<Uint8Array>): Sides => {
  const [base, ...others] = bases
  return { key: "k", bases, local, remote, ...(base === undefined || others.length > 0 ? {} : { base }) }
}

export const fold = (
  strategy: Strategy,
  local: Uint8Array,
  remote: Uint8Array,
  ...bases: ReadonlyArray<Uint8Array>
): Result.Result<Merged, MergeFailed> => foldOf(strategy).fold(sides(local, remote, bases))

/** The merged value; undefined when there is none. */
export const mergedOf = (result: Result.Result<Merged, MergeFailed>): Uint8Array | undefined =>
  Result.isSuccess(result) && result.success._tag === "Merged" ? result.success.value : undefined

/** Why there is no merged value. */
export const failureOf = (result: Result.Result<Merged, MergeFailed>): string | undefined =>
  Result.isFailure(result) ? result.failure.reason : result.success._tag === "Unresolved" ? "unresolved" : undefined
