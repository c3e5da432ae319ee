import { members } from "@sotto/scenarios/simulation/Members"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 1 to 60", { timeout: 300_000 }, () => runSeeds(members, 1, 60))
