import { sync } from "@sotto/scenarios/simulation/Sync"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 400,000 to 400,299", { timeout: 300_000 }, () => runSeeds(sync, 400_000, 300))
