/** Prints the hashes of some runs of the cluster, for a process that compares them with its own. */
import { stdout } from "node:process"
import * as Cluster from "./cluster.ts"

stdout.write(JSON.stringify(Array.from({ length: 20 }, (_, i) => Cluster.run(BigInt(i)).hash)))
