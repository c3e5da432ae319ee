/**
 * What every `RelayStore` Layer must do (core/src/relay/RelayStore.ts; the promises of protocol.md §6). Run it on each:
 *
 * ```ts
 * relayStoreConformance("memory", () => MemoryRelayStore.layer(), { reopen: () => { … return () => layer } })
 * ```
 */
import { describe, it } from "@effect/vitest"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { aside, asideRestart } from "./relayStore/aside.ts"
import { concurrency, secrets } from "./relayStore/concurrency.ts"
import { copying } from "./relayStore/copy.ts"
import { epochs } from "./relayStore/epochs.ts"
import { byPosition, idPages, idPlaces } from "./relayStore/ids.ts"
import { idempotency, log, routes } from "./relayStore/log.ts"
import { model, restart } from "./relayStore/model.ts"
import { quota, retention } from "./relayStore/retention.ts"
import { savedSets } from "./relayStore/savedSets.ts"

/** `reopen()` makes one fresh storage; each Layer that its answer gives opens that same storage, as after a restart. */
export interface ConformanceOptions {
  readonly reopen?: () => () => Layer.Layer<RelayStore, unknown>
}

export const relayStoreConformance = (
  name: string,
  makeLayer: () => Layer.Layer<RelayStore, unknown>,
  options: ConformanceOptions = {}
): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, RelayStore>) =>
    it.effect(title, () => Effect.provide(body, makeLayer(), { local: true }))

  describe(`RelayStore: ${name}`, () => {
    describe("routes", () => routes(test))
    describe("append and read", () => log(test))
    describe("ids", () => idPages(test))
    describe("places", () => idPlaces(test))
    describe("beside the log", () => aside(test))
    describe("by position", () => byPosition(test))
    describe("idempotency", () => idempotency(test))
    describe("quota", () => quota(test))
    describe("retention", () => retention(test))
    describe("epochs", () => epochs(test))
    describe("concurrency", () => concurrency(test))
    describe("secrets", () => secrets(test))
    describe("copies", () => copying(test, makeLayer))
    describe("against the model", () => model(makeLayer))
    const { reopen } = options
    if (reopen === undefined) return
    describe("restart", () => {
      restart(reopen)
      asideRestart(reopen)
    })
    describe("saved sets", () => savedSets(reopen))
  })
}
