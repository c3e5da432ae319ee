/** Items in a SQLite file, on Node's primitives. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as DurableItemStore from "@sotto/core/item/DurableItemStore"
import { OpId } from "@sotto/core/item/Item"
import * as Keystore from "@sotto/core/Keystore"
import * as Secret from "@sotto/core/Secret"
import type { Store } from "@sotto/core/Store"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { entry } from "../../core/test/item/kit.ts"
import { itemStoreConformance } from "../../core/test/kit/itemStoreConformance.ts"
import { temporaryDirectory } from "./kit/temporary.ts"

const crypto = await Effect.runPromise(Effect.provide(Effect.service(Crypto), NodeCrypto.layer))
const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
const itemsOf = (store: Store["Service"]) => DurableItemStore.make({ crypto, keystore, store })

const directory = mkdtempSync(join(tmpdir(), "sotto-test-"))
const scope = Effect.runSync(Scope.make())
const store = await Effect.runPromise(Scope.provide(NodeStore.make({ directory }), scope))
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(directory, { recursive: true, force: true })
})

itemStoreConformance(
  "over SQLite",
  () => Effect.runSync(Effect.tap(Scope.provide(itemsOf(store), Effect.runSync(Scope.make())), ({ drop }) => drop)),
  { runs: 30 }
)

describe("items in a file", () => {
  it.effect("are there when it is opened again, and their text is not in it", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const kept = Effect.flatMap(NodeStore.make({ directory }), itemsOf)
      const said = entry({ id: 1, key: "a certain key", collection: "a certain collection" })
      const [op] = said.ops
      if (op === undefined) return yield* Effect.die("no operation")
      const { author, hlc, id } = said
      const { action, collection, key } = op
      yield* Effect.scoped(Effect.flatMap(kept, (items) =>
        items.commit([
          {
            table: "op",
            item: { collection, key },
            id,
            row: { op: { action, author, generation: 0, hlc, id, parents: [] }, children: 0 }
          },
          {
            table: "entry",
            id: OpId("f".repeat(64)),
            row: { _tag: "Waiting", entry: said, missing: [id], gone: false }
          }
        ])))
      const files = readdirSync(directory).map((name) => readFileSync(join(directory, name)).toString("latin1"))
      for (const word of ["certain", id]) assert.notInclude(files.join(), word)
      const found = yield* Effect.scoped(
        Effect.flatMap(kept, (items) => items.scan({ collection, prefix: "a", limit: 2 }))
      )
      assert.deepStrictEqual(found.map(({ heads, key }) => [key, heads.map((head) => head.id)]), [[key, [id]]])
    }))
})
