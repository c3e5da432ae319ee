import { sync } from "@sotto/scenarios/simulation/Sync"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 100,000 to 100,189", { timeout: 300_000 }, () => runSeeds(sync, 100_000, 190))
