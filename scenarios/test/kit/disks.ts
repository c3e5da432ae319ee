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

/** A disk on which some operations after each other fail, the first of them the `n`-th. */
export interface Failing {
  readonly seed: bigint
  readonly n: number
  readonly times: number
}

/** Every place in a program's operations at which a disk may fail, once or up to four times, with three seeds. */
export const failings = (from: number, to: number): ReadonlyArray<Failing> =>
  [1n, 2n, 3n].flatMap((seed) =>
    Array.from({ length: 4 * (to - from) }, (_, i) => ({ seed, n: from + (i >> 2), times: 1 + i % 4 }))
  )

/** What a test says of a failure. */
export const textOf = ({ n, seed, times }: Failing): string => `seed ${seed}, operation ${n}, ${times} times`

/** Lets operations fail; the answer ends it. */
export const fail = (disk: Disk, { n, times }: Failing): () => void =>
  disk.onOperation((operation) =>
    operation.phase === "before" && operation.n >= n && operation.n < n + times ? "unavailable" : undefined
  )
