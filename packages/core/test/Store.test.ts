import * as Store from "@sotto/core/Store"
import { storeConformance } from "./kit/storeConformance.ts"

storeConformance("memory", () => Store.layerMemory)
