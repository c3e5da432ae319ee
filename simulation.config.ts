/** What `sotto-sim` runs: Sotto's own client and relay. */
import { byzantine } from "@sotto/scenarios/simulation/Byzantine"
import { members } from "@sotto/scenarios/simulation/Members"
import { pairing } from "@sotto/scenarios/simulation/Pairing"
import { sync } from "@sotto/scenarios/simulation/Sync"

export const simulations = [sync, pairing, byzantine, members]

export const mutants = "scenarios/mutants"

export const corpus = "scenarios/corpus"
