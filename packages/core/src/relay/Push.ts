/**
 * What happens to a push (protocol.md §6): check, name, store, answer.
 *
 * 1. A push is checked wholly before anything of it is stored; then it is stored wholly or not at all.
 * 2. Its answer leaves after it is durable (see `Subscription.answer`), and says at which positions.
 * 3. The capability was proved when the handle was attached, over this channel's handshake hash; nobody else can send on
 *    this channel, so the push itself carries no signature.
 * 4. Envelopes of the current epoch and of earlier ones are taken, of later ones never. Earlier ones have to be: a client
 *    that lost an answer sends the same bytes again, also after a rekey, and a relay that lost its log is filled up
 *    again by its clients. Who was removed cannot attach, and what they backdate is caught by its readers (§9).
 */
import * as Envelope from "@sotto/schema/Envelope"
import { EnvelopeId } from "@sotto/schema/Id"
import {
  EnvelopeTooLarge,
  InvalidMessage,
  Overloaded,
  RateLimited,
  type RelayError,
  ShuttingDown,
  Unauthorized
} from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Engine, now, withStore } from "./Engine.ts"
import { appended, closeIfIdle, type Handle, offer, refused, routeRate } from "./Hub.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RelayOptions from "./RelayOptions.ts"
import type { Incoming } from "./RelayStore.ts"

/** A push that passed every check and waits to be stored. */
export interface Accepted {
  readonly handle: Handle
  readonly request: number
  readonly envelopes: ReadonlyArray<Incoming>
  readonly bytes: number
}

/** How long a client should wait when too many pushes are on their way. */
const CROWDED_RETRY_MILLIS = 500

/** Whether this handle may write now. */
export const mayWrite = (engine: Engine, handle: Handle): RelayError | undefined => {
  if (engine.load.draining) return new ShuttingDown({ retryAfterMillis: engine.options.limits.goAwayMillis })
  if (handle.ended !== undefined) return new Unauthorized({ detail: "the epoch of this handle is over" })
  if (!handle.write) return new Unauthorized({ detail: "this handle was attached without the write capability" })
  const retryAfterMillis = RateLimit.take(handle.hub.bucket, routeRate(engine), now(engine))
  return retryAfterMillis > 0 ? new RateLimited({ scope: "route", retryAfterMillis }) : undefined
}

/** Checks a push. `InvalidMessage` says that the client breaks the protocol: its connection ends. */
export const check = (
  engine: Engine,
  handle: Handle,
  push: { readonly request: number; readonly envelopes: ReadonlyArray<Uint8Array> }
): Result.Result<Accepted, RelayError> => {
  const { limits } = engine.options
  const refusal = mayWrite(engine, handle)
  if (refusal !== undefined) return Result.fail(refusal)
  if (push.envelopes.length > limits.pushEnvelopesMax) {
    return Result.fail(new InvalidMessage({ detail: "a push of more envelopes than granted" }))
  }
  const envelopes: Array<Incoming> = []
  let bytes = 0
  for (const envelope of push.envelopes) {
    const checked = checkEnvelope(engine, handle, envelope)
    if (Result.isFailure(checked)) return Result.fail(checked.failure)
    envelopes.push(checked.success)
    bytes += envelope.length
  }
  if (engine.load.pushBytes + bytes > limits.pushBytesInFlightTotalMax) {
    return Result.fail(new Overloaded({ retryAfterMillis: CROWDED_RETRY_MILLIS }))
  }
  return Result.succeed({ handle, request: push.request, envelopes, bytes })
}

const checkEnvelope = (engine: Engine, handle: Handle, bytes: Uint8Array): Result.Result<Incoming, RelayError> => {
  const { envelopeBytesMax } = engine.options.limits
  if (bytes.length > envelopeBytesMax) {
    return Result.fail(new EnvelopeTooLarge({ sizeBytes: bytes.length, maxBytes: envelopeBytesMax }))
  }
  const parsed = Envelope.parse(bytes)
  if (Result.isFailure(parsed)) {
    return Result.fail(new InvalidMessage({ detail: `a pushed envelope's ${parsed.failure.reason}` }))
  }
  const { epoch, kind, lane, suite } = parsed.success.header
  if (kind !== Envelope.KIND.data && kind !== Envelope.KIND.control) {
    return Result.fail(new InvalidMessage({ detail: "a pushed envelope's kind is not one that is stored" }))
  }
  if (epoch > handle.epoch) {
    return Result.fail(new Unauthorized({ detail: "an envelope is of an epoch that the relay does not have yet" }))
  }
  const { blake3, sha256 } = engine.crypto
  return Result.succeed({ id: EnvelopeId.make(suite === 2 ? sha256(bytes) : blake3(bytes)), lane, bytes })
}

/** Stores what was accepted. Its answer goes out with the route's next head; a failure is answered at once. */
export const store = (engine: Engine, accepted: Accepted): Effect.Effect<void> =>
  Effect.suspend(() => storeNow(engine, accepted))

const storeNow = (engine: Engine, { bytes, envelopes, handle, request }: Accepted): Effect.Effect<void> => {
  const startNanos = engine.clock.monotonicTimeNanosUnsafe()
  const nowMillis = now(engine)
  const { hub } = handle
  const { retention } = hub.state
  hub.pushes++
  engine.load.pushes++
  engine.load.pushBytes += bytes
  const append = engine.store.append({
    route: hub.route,
    envelopes,
    nowMillis,
    expiresMillis: RelayOptions.expiresMillis(engine.options, retention, nowMillis)
  })
  const settle = () => {
    engine.load.pushBytes -= bytes
    hub.pushes--
    closeIfIdle(engine, hub)
  }
  return Effect.match(withStore(engine, append), {
    onFailure: (failure) => {
      settle()
      engine.load.pushes--
      engine.metrics.pushed(failure._tag === "QuotaExceeded" ? "quota" : "failed")
      offer(handle, refused(handle.number, request, failure))
    },
    onSuccess: (result) => {
      const fresh = result.stored.reduce((count, { duplicate }) => duplicate ? count : count + 1, 0)
      const seconds = Number(engine.clock.monotonicTimeNanosUnsafe() - startNanos) / 1e9
      engine.metrics.stored(fresh, seconds)
      appended(engine, { handle, request, envelopes, result })
      settle()
    }
  })
}
