/** A disk without the kernel, and programs that crash at any of its operations. */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { Disk, type DiskLaw, type DiskOperation } from "../../src/Disk.ts"
import type { CrashLaw } from "../../src/DiskImage.ts"
import * as Files from "../../src/Files.ts"
import { type SmallProcess, smallWorld } from "./SmallWorld.ts"

export const crashLaws: ReadonlyArray<CrashLaw> = [
  { kind: "all" },
  { kind: "none" },
  { kind: "prefix" },
  { kind: "torn" },
  { kind: "scattered", keep: 0.5 },
  { kind: "any" }
]

export interface Place {
  readonly n: number
  readonly phase: DiskOperation["phase"]
}

export const smallDisk = (seed: bigint, law: Partial<DiskLaw> = {}, preempt = 0) => {
  const { process, recorder, timeline } = smallWorld()
  const disk = new Disk({ timeline, seed, recorder, node: "n", law })
  let operations = 0
  disk.onOperation(({ n }) => {
    operations = n + 1
    return undefined
  })
  /** Runs a program until it is done, or dies at a place. */
  const run = <A, E>(
    program: (files: Files.Files) => Effect.Effect<A, E>,
    place?: Place
  ): Exit.Exit<A, E> | undefined => {
    const owner: SmallProcess = process("n", preempt, seed)
    const unhook = disk.onOperation(({ n, phase }) => {
      if (place !== undefined && n === place.n && phase === place.phase) owner.kill()
      return undefined
    })
    let exit: Exit.Exit<A, E> | undefined
    owner.fork(program(Files.make(disk, owner)), (done) => {
      exit = done
    })
    timeline.run()
    owner.kill()
    unhook()
    return exit
  }
  return { disk, timeline, recorder, process, run, operations: () => operations }
}

/** Every place where a program of so many operations can crash, with every law. */
export const crashes = function*(from: number, operations: number) {
  for (let n = from; n < operations; n++) {
    for (const phase of ["before", "after"] as const) {
      for (const law of crashLaws) yield { place: { n, phase }, law }
    }
  }
}
