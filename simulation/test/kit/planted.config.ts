/** What the command is tried with: simulations that cost nothing, one that fails now and then, one that never does. */
import { planted } from "./planted.ts"

export const simulations = [
  planted({ breaks: (seed) => seed % 5n === 0n }),
  { ...planted({ breaks: () => false }), name: "sound" }
]

export const corpus = "../../../.tmp/planted-corpus"
