/**
 * Core's `Store` over the simulator's disk: what `commit` answered for is there after every crash (`DiskMap`).
 */
import { Store, StoreFailed } from "@sotto/core/Store"
import type { DiskFailed } from "@sotto/simulation/Disk"
import * as DiskMap from "@sotto/simulation/DiskMap"
import type * as Files from "@sotto/simulation/Files"
import * as Effect from "effect/Effect"

const failed = ({ detail, operation, reason }: DiskFailed): StoreFailed =>
  new StoreFailed({ reason, operation, detail })

/** Opens the store of a disk, and makes it when there is none. */
export const open = (files: Files.Files): Effect.Effect<Store["Service"], StoreFailed> =>
  Effect.mapBoth(DiskMap.open(files, { file: "store" }), {
    onFailure: failed,
    onSuccess: ({ commit, get, scan }) =>
      Store.of({ get, scan, commit: (writes) => Effect.mapError(commit(writes), failed) })
  })
