import { sync } from "@sotto/scenarios/simulation/Sync"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 300,000 to 300,299", { timeout: 900_000 }, () => runSeeds(sync, 300_000, 300))
