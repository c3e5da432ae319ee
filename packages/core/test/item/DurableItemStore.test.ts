import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as DurableItemStore from "../../src/item/DurableItemStore.ts"
import * as Keystore from "../../src/Keystore.ts"
import * as Secret from "../../src/Secret.ts"
import { makeMemory } from "../../src/Store.ts"
import { itemStoreConformance } from "../kit/itemStoreConformance.ts"
import { seededCrypto } from "../kit/seededSpace.ts"

const crypto = seededCrypto("items")
const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
const open = (store = makeMemory()) =>
  Effect.runSync(Effect.flatMap(
    Scope.make(),
    (scope) => Scope.provide(DurableItemStore.make({ crypto, store, keystore }), scope)
  ))

itemStoreConformance("over a device's store", open, { runs: 40 })
