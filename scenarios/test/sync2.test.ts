import { sync } from "@sotto/scenarios/simulation/Sync"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 200,000 to 200,189", { timeout: 300_000 }, () => runSeeds(sync, 200_000, 190))
