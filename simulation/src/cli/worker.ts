/** A thread of `Pool`: runs the seeds that it is given, and tells what it does. */
import { parentPort, workerData } from "node:worker_threads"
import { Explorer } from "../Explore.ts"
import { chosen, load } from "./Config.ts"
import type { Message, Order, Task } from "./Pool.ts"

const task: Task = workerData
const port = parentPort
if (port === null) throw new Error("this module is the thread of a pool")

const tell = (message: Message): void => port.postMessage(message)

const config = await load(task.config)
const [simulation] = chosen(config, task.simulation)
if (simulation === undefined) throw new Error(`no simulation ${task.simulation}`)
const explorer = new Explorer(simulation, { strategy: task.strategy, shrink: { runsMax: task.runsMax } })

port.on("message", ({ seeds }: Order) => {
  for (const seed of seeds) {
    for (const step of explorer.run(seed)) tell(step)
  }
  tell({ type: "idle" })
})
tell({ type: "idle" })
