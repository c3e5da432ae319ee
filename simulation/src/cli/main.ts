#!/usr/bin/env node
/** The command `sotto-sim` as a process. Its bin is `bin/sotto-sim.js`, which starts the sources in a clone. */
import { CODE } from "./Exit.ts"
import { main } from "./SottoSim.ts"

/** Standard output may be a pipe: what was written goes out before the process ends by itself. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : CODE.harness))
process.exitCode = await main(process.argv.slice(2))
