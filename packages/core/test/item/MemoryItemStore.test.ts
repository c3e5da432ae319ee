import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import { itemStoreConformance } from "../kit/itemStoreConformance.ts"

itemStoreConformance("in memory", MemoryItemStore.make)
