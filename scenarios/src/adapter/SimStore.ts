/**
 * Core's `Store` over the simulator's disk: what `commit` answered for is there after every crash (`DiskMap`).
 *
 * A disk may fail while what it failed at before is being taken back. The map is broken then, until it is opened anew; as
 * a database does, this opens it with the next commit.
 */
import { Store, StoreFailed } from "@sotto/core/Store"
import type { DiskFailed } from "@sotto/simulation/Disk"
import * as DiskMap from "@sotto/simulation/DiskMap"
import type * as Files from "@sotto/simulation/Files"
import * as Effect from "effect/Effect"
import * as Mended from "./Mended.ts"

const failed = ({ detail, operation, reason }: DiskFailed): StoreFailed =>
  new StoreFailed({ reason, operation, detail })

const OPTIONS = { file: "store" }

/** Opens the store of a disk, and makes it when there is none. */
export const open = (files: Files.Files): Effect.Effect<Store["Service"], StoreFailed> =>
  Effect.mapError(Effect.map(DiskMap.open(files, OPTIONS), (opened) => over(files, opened)), failed)

const over = (files: Files.Files, opened: DiskMap.DiskMap): Store["Service"] => {
  const map = Mended.make(opened, DiskMap.open(files, OPTIONS))
  return Store.of({
    get: (key) => Effect.suspend(() => map.current().get(key)),
    getMany: (keys) => Effect.suspend(() => Effect.forEach(keys, (key) => map.current().get(key))),
    scan: (range) => Effect.suspend(() => map.current().scan(range)),
    commit: (writes) => Effect.mapError(Effect.flatMap(map.sound, ({ commit }) => commit(writes)), failed)
  })
}
