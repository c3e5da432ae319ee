/** What `sotto-sim` runs: Sotto's own client and relay. */
import { byzantine } from "@sotto/scenarios/simulation/Byzantine"
import { leaving } from "@sotto/scenarios/simulation/Leaving"
import { members } from "@sotto/scenarios/simulation/Members"
import { pairing } from "@sotto/scenarios/simulation/Pairing"
import { peers } from "@sotto/scenarios/simulation/Peers"
import { sync } from "@sotto/scenarios/simulation/Sync"

/** @public */
export const simulations = [sync, pairing, byzantine, members, peers, leaving]

/** @public */
export const mutants = "scenarios/mutants"

/** @public */
export const corpus = "scenarios/corpus"
