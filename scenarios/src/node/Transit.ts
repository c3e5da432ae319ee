/**
 * Routes that a relay keeps in transit (protocol.md §6): it deletes what all active devices have acknowledged, and does so
 * again and again within a run. The time after which an entry goes in any case is longer than any run.
 *
 * What was deleted, nobody can give again. So in such a run no disk loses what it answered for.
 */
import * as Directory from "@sotto/core/log/Directory"
import type { RelaySettings } from "@sotto/core/relay/RelayOptions"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import type { Retention } from "@sotto/schema/Relay"
import type { Fault } from "@sotto/simulation/Fault"
import type * as Node from "@sotto/simulation/Node"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Effect from "effect/Effect"

type Knobs = Node.Base["knobs"]

const TRANSIT: Retention = { _tag: "Transit", ttl: { _tag: "Millis", millis: 24 * 3_600_000 } }

/** Between two sweeps of a relay. Devices collect acknowledgements for two seconds. */
const SWEEP_MILLIS = 1000

/** What a relay marks when it deleted something that all had acknowledged. */
export const DELETED = "deleted what all have"

/** Whether the scenario wants it. */
export const isWanted = (knobs: Knobs): boolean => knobs["retention"] === "transit"

/** What the space of a scenario asks its relays for. */
export const retentionOf = (knobs: Knobs): Retention => isWanted(knobs) ? TRANSIT : Directory.RETENTION_DEFAULT

/** What the operator of a relay sets. */
export const settings = ({ knobs }: Node.Base): RelaySettings =>
  isWanted(knobs) ? { limits: { sweepMillis: SWEEP_MILLIS } } : {}

/** A relay's storage that says when it deleted what all had. */
export const storage = (host: Node.Base, store: RelayStore["Service"]): RelayStore["Service"] =>
  isWanted(host.knobs)
    ? RelayStore.of({
      ...store,
      sweep: (when) =>
        Effect.tap(store.sweep(when), ({ acknowledged }) =>
          Effect.sync(() => {
            if (acknowledged > 0) host.mark(DELETED)
          }))
    })
    : store

/** Faults after which a disk does not have what it answered for. */
const LOSING: ReadonlySet<Fault["kind"]> = new Set<Fault["kind"]>(["evict", "lie", "misdirected", "restore", "rot"])

/** A scenario in which nothing is lost, if it is one of these. */
export const bound = (scenario: Scenario): Scenario =>
  isWanted(scenario.knobs)
    ? { ...scenario, faults: scenario.faults.filter(({ kind }) => !LOSING.has(kind)) }
    : scenario
