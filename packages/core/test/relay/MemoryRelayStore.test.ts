import { sha256 } from "@noble/hashes/sha2.js"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Layer from "effect/Layer"
import { relayStoreConformance } from "../kit/relayStoreConformance.ts"

const over = (disk?: MemoryRelayStore.Disk) => Layer.sync(RelayStore, () => MemoryRelayStore.make({ sha256 }, disk))

relayStoreConformance("memory", () => over(), {
  reopen: () => {
    const disk = MemoryRelayStore.makeDisk()
    return () => over(disk)
  }
})
