/**
 * Runs the cases of `storeCases` under Vitest:
 *
 * ```ts
 * storeConformance("memory", () => Store.layerMemory)
 * ```
 */
import { describe, it } from "@effect/vitest"
import type { Store } from "@sotto/core/Store"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { reopenCases, storeCases } from "./storeCases.ts"

/** `fresh()` opens an empty store; `reopen()` names one storage, and each Layer of its answer opens that one again. */
export const storeConformance = (
  name: string,
  fresh: () => Layer.Layer<Store, unknown>,
  options: { readonly reopen?: () => () => Layer.Layer<Store, unknown> } = {}
): void => {
  describe(`Store: ${name}`, () => {
    for (const { run, title } of storeCases) it.effect(title, () => Effect.provide(run, fresh(), { local: true }))
    const { reopen } = options
    if (reopen === undefined) return
    for (const { steps, title } of reopenCases) {
      it.effect(title, () =>
        Effect.suspend(() => {
          const opened = reopen()
          return Effect.forEach(steps, (step) => Effect.provide(step, opened(), { local: true }), { discard: true })
        }))
    }
  })
}
