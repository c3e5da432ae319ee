/** The simulator: one module per name. */
export * as Kernel from "./Kernel.ts"
export * as Process from "./Process.ts"
export * as Scheduler from "./Scheduler.ts"
export * as Seed from "./Seed.ts"
export * as Timeline from "./Timeline.ts"
export * as Trace from "./Trace.ts"
export * as Trap from "./Trap.ts"
export * as VirtualClock from "./VirtualClock.ts"
