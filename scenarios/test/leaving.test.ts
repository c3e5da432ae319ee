import { leaving } from "@sotto/scenarios/simulation/Leaving"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 1 to 12", { timeout: 300_000 }, () => runSeeds(leaving, 1, 12))
