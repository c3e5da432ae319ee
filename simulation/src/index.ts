/** The simulator: one module per name. */
export * as Seed from "./Seed.ts"
export * as Timeline from "./Timeline.ts"
export * as Trace from "./Trace.ts"
