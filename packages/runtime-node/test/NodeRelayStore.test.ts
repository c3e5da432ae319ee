import { sha256 } from "@noble/hashes/sha2.js"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { relayStoreConformance } from "../../core/test/kit/relayStoreConformance.ts"
import { inTemporary } from "./kit/temporary.ts"

const reopened: Array<string> = []
afterAll(() => reopened.forEach((directory) => rmSync(directory, { recursive: true, force: true })))

const over = (directory: string) => Layer.effect(RelayStore, NodeRelayStore.make({ directory }, { sha256 }))

relayStoreConformance("SQLite", () => inTemporary(over), {
  reopen: () => {
    const directory = mkdtempSync(join(tmpdir(), "sotto-test-"))
    reopened.push(directory)
    return () => over(directory)
  }
})
