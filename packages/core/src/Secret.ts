/**
 * Key material that lives longer than one call (protocol.md §3): bytes that no log, span, error or inspection shows.
 *
 * Invariants:
 * 1. A `Secret` prints as `<redacted>` wherever it is turned into text; only `reveal` gives the bytes.
 * 2. `make` takes the array over without copying it, so that there is one copy to wipe.
 * 3. After `wipe` the bytes are zero and `reveal` dies: a key is never used after its end.
 *
 * Wiping is best effort: a garbage collector may have moved the bytes, and a backend may have copied them in a call.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Crypto, type EntropyUnavailable } from "./Crypto.ts"
import { attempt } from "./internal/entropy.ts"

/** Secret bytes. Comparing two with `Equal.equals` is not constant time: use `Crypto.equal` on what `reveal` gives. */
export type Secret = Redacted.Redacted<Uint8Array>

/** Takes `bytes` over: who calls keeps no other use of the array (pass a `slice()` of one that lives on). */
export const make = (bytes: Uint8Array): Secret => Redacted.make(bytes)

/** The bytes themselves, not a copy: to be passed to a call and not kept. Dies when the secret was wiped. */
export const reveal = (secret: Secret): Uint8Array => Redacted.value(secret)

/** `Redacted` throws for a wiped value and has no question for it. */
const wiped = new WeakSet<Secret>()

/** Fills the bytes with zeros and forgets them. A second wipe changes nothing. */
export const wipe = (secret: Secret): void => {
  if (wiped.has(secret)) return
  wiped.add(secret)
  Redacted.value(secret).fill(0)
  Redacted.wipeUnsafe(secret)
}

/** A secret that is wiped when the scope closes, however it closes. */
export const scoped = (bytes: Uint8Array): Effect.Effect<Secret, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => make(bytes)), (secret) => Effect.sync(() => wipe(secret)))

/** Fresh secure random bytes: `Crypto.random` with its one failure in the error channel; what else it throws, dies. */
export const randomBytes = (length: number): Effect.Effect<Uint8Array, EntropyUnavailable, Crypto> =>
  Effect.flatMap(Effect.service(Crypto), (crypto) => attempt(() => crypto.random(length)))
