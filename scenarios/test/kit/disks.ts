/** Disks that are used at once, without a kernel and without any time. */
import { Disk } from "@sotto/simulation/Disk"
import * as Files from "@sotto/simulation/Files"

const still = { nowMicros: () => 0, schedule: () => () => undefined }
const silent = { note: () => 0, cause: undefined }

/** One disk; each call gives the files of another process over it. */
export const openings = (): () => Files.Files => {
  const disk = new Disk({ timeline: still, seed: 1n, recorder: silent, node: "n" })
  return () => Files.make(disk, { node: "n", alive: () => true })
}
