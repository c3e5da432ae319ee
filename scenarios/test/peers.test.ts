import { peers } from "@sotto/scenarios/simulation/Peers"
import { it } from "vitest"
import { runSeeds } from "./kit/seeds.ts"

it("holds in 1 to 80", { timeout: 300_000 }, () => runSeeds(peers, 1, 80))
