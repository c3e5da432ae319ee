/** What the stages of an initiator have in common: they take an answer and say what is next. */
import type * as Wire from "@sotto/schema/Reconcile"
import type { Found } from "./Found.ts"
import type { Reason } from "./ReconcileFailed.ts"
import type { Replica } from "./ReconcileSet.ts"

export interface Context {
  readonly replica: Replica
  readonly nonce: Uint8Array
}

/** What is next: ask on, or an end of the stage. */
export type Move<Stage> =
  | { readonly _tag: "Ask"; readonly stage: Stage; readonly request: Wire.Request }
  | { readonly _tag: "Found"; readonly found: Found }
  /** Both roots are equal. */
  | { readonly _tag: "Agreed" }
  /** This stage cannot tell: the next one can. */
  | { readonly _tag: "Fallback" }
  /** The peer's set is another one than at the stage's beginning: begin it again. */
  | { readonly _tag: "Changed" }
  | { readonly _tag: "Failed"; readonly reason: Reason }
