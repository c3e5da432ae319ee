import { byzantine } from "@sotto/scenarios/simulation/Byzantine"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 100,000 to 100,719", { timeout: 300_000 }, () => runSeeds(byzantine, 100_000, 720))
