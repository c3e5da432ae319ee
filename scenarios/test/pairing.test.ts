import { pairing } from "@sotto/scenarios/simulation/Pairing"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 1 to 250", { timeout: 300_000 }, () => runSeeds(pairing, 1, 250))
