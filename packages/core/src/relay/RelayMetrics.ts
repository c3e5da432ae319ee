/**
 * What a relay counts (ops-ux 8.5). No label names a route, a device or an address: the figures may be shown to anybody
 * who may look at the machine.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })
const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const connections = gauge("sotto_relay_connections", "Open connections")
const standbys = gauge("sotto_relay_standbys", "Standbys that follow this relay")
const connected = counter("sotto_relay_connects_total", "Connections by what became of them")
const appended = counter("sotto_relay_append_total", "Pushes by result")
const envelopes = counter("sotto_relay_envelopes_total", "Envelopes stored, without duplicates")
const appendSeconds = Metric.histogram("sotto_relay_append_seconds", {
  description: "From a push to its durable answer",
  boundaries: SECONDS
})
const delivered = counter("sotto_relay_delivered_total", "Envelopes sent to subscribers")
const presence = counter("sotto_relay_presence_total", "Presence envelopes handed on")
const reconciled = counter("sotto_relay_reconcile_total", "Reconciliations by what came of them")
const reconcileBytes = counter("sotto_relay_reconcile_bytes_total", "Bytes of their messages, both ways")
const reconcileIds = counter("sotto_relay_reconcile_ids_total", "Ids read from storage to be compared")
const reconcileSets = gauge("sotto_relay_reconcile_set_bytes", "Memory of the sets of ids that are kept for it")
const reconcileSaved = counter("sotto_relay_reconcile_saved_bytes_total", "Bytes of sets of ids that were saved")
const limited = counter("sotto_relay_rate_limited_total", "Refusals by a rate limit, by its scope")
const deleted = counter("sotto_relay_env_deleted_total", "Envelopes deleted, by reason")
const storeUp = gauge("sotto_relay_store_up", "1 while storage works")
const routes = gauge("sotto_relay_routes", "Routes kept")
const stored = gauge("sotto_relay_store_envelopes", "Envelopes kept")
const storedBytes = gauge("sotto_relay_store_bytes", "Bytes of envelopes kept")

/** What became of a connection. */
export type Connected = "accepted" | "refused" | "failed" | "unauthenticated" | "invalid" | "stalled"

/** How a push ended. */
export type PushResult = "stored" | "quota" | "refused" | "failed"

/** What came of a reconciliation: it began; nothing differed; envelopes were asked for; it was broken off. */
export type Reconciled = "begun" | "same" | "wanted" | "refused"

export interface RelayMetrics {
  readonly connections: (count: number) => void
  readonly standbys: (count: number) => void
  readonly connected: (what: Connected) => void
  readonly pushed: (result: PushResult) => void
  readonly stored: (envelopes: number, seconds: number) => void
  readonly delivered: (envelopes: number) => void
  readonly presence: (handedTo: number) => void
  readonly reconciled: (what: Reconciled) => void
  readonly reconcileBytes: (bytes: number) => void
  readonly reconcileIds: (ids: number) => void
  readonly reconcileSets: (bytes: number) => void
  readonly reconcileSaved: (bytes: number) => void
  readonly limited: (scope: string) => void
  readonly deleted: (why: "acknowledged" | "expired" | "pruned", count: number) => void
  readonly storeUp: (up: boolean) => void
  readonly totals: (totals: { readonly routes: number; readonly envelopes: number; readonly bytes: number }) => void
}

/** Counts into the metric registry of the context in which it is made. */
export const make: Effect.Effect<RelayMetrics> = Effect.map(Effect.context(), (context) => {
  const labelled = <Label extends string>(metric: Metric.Counter<number>, name: string) => {
    const byLabel = new Map<Label, Metric.Metric<number, unknown>>()
    return (label: Label, count: number) => {
      let one = byLabel.get(label)
      if (one === undefined) {
        one = Metric.withAttributes(metric, { [name]: label })
        byLabel.set(label, one)
      }
      one.updateUnsafe(count, context)
    }
  }
  const count = labelled<Connected>(connected, "outcome")
  const push = labelled<PushResult>(appended, "result")
  const reconcile = labelled<Reconciled>(reconciled, "outcome")
  const limit = labelled<string>(limited, "scope")
  const drop = labelled<"acknowledged" | "expired" | "pruned">(deleted, "why")
  return {
    connections: (open) => connections.updateUnsafe(open, context),
    standbys: (following) => standbys.updateUnsafe(following, context),
    connected: (what) => count(what, 1),
    pushed: (result) => push(result, 1),
    stored: (fresh, seconds) => {
      push("stored", 1)
      envelopes.updateUnsafe(fresh, context)
      appendSeconds.updateUnsafe(seconds, context)
    },
    delivered: (sent) => delivered.updateUnsafe(sent, context),
    presence: (handedTo) => presence.updateUnsafe(handedTo, context),
    reconciled: (what) => reconcile(what, 1),
    reconcileBytes: (bytes) => reconcileBytes.updateUnsafe(bytes, context),
    reconcileIds: (ids) => reconcileIds.updateUnsafe(ids, context),
    reconcileSets: (bytes) => reconcileSets.updateUnsafe(bytes, context),
    reconcileSaved: (bytes) => reconcileSaved.updateUnsafe(bytes, context),
    limited: (scope) => limit(scope, 1),
    deleted: (why, rows) => drop(why, rows),
    storeUp: (up) => storeUp.updateUnsafe(up ? 1 : 0, context),
    totals: (totals) => {
      routes.updateUnsafe(totals.routes, context)
      stored.updateUnsafe(totals.envelopes, context)
      storedBytes.updateUnsafe(totals.bytes, context)
    }
  }
})
