import { byzantine } from "@sotto/scenarios/simulation/Byzantine"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 1 to 500", { timeout: 300_000 }, () => runSeeds(byzantine, 1, 500))
