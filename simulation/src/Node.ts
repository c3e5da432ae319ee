/**
 * A kind of node: its program, what the world may ask of it, and what it shows of itself.
 *
 * A program is any Effect. It gets a host, says that it is ready by handing over a handle, and runs until it is stopped,
 * crashes or ends. Commands and probes get the handle of the incarnation that runs.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Disk } from "./Disk.ts"
import type { Files } from "./Files.ts"
import type * as Process from "./Process.ts"
import type { Json } from "./Scenario.ts"
import type * as Socket from "./Socket.ts"
import type * as Workload from "./Workload.ts"

/** What outlives every process: published addresses, invitations, whatever people tell each other. */
export interface Facts {
  readonly publish: (name: string, value: Json) => void
  readonly lookup: (name: string) => Json | undefined
}

/** What a program knows of where it runs, besides the handle. */
export interface Base {
  readonly name: string
  readonly kind: string
  /** The number of the node among those of its kind, from 0. */
  readonly index: number
  /** Which life of the node it is, from 0. */
  readonly incarnation: number
  /** Addresses are names of nodes; a node may listen at more (`name/anything`) once it has listened there before. */
  readonly network: Socket.Host
  /** The node's disk, as this process sees it. It outlives the process when the node is persistent. */
  readonly files: Files
  readonly disk: Disk
  readonly knobs: { readonly [name: string]: Json }
  /** The names of the nodes of a kind, without this one. */
  readonly others: (kind: string) => ReadonlyArray<string>
  readonly facts: Facts
  /** Says that something worth seeing happened: a run in which nothing ever does proves little. */
  readonly mark: (name: string) => void
  /** Tells invariants what happened here (`Invariant.ts` says which kinds they know). */
  readonly observe: (kind: string, data: Json) => void
  /** Passes a call of a service: false when a fault wants it to fail. A fault may also kill the process here. */
  readonly attempt: (call: string) => boolean
}

export interface Host<in Handle = void> extends Base {
  /** Hands over what commands and probes work with. The node is ready from now on. */
  readonly ready: (handle: Handle) => void
}

/** What a node shows of itself. Reading it must change nothing. */
export interface Probe {
  /** Equal on all nodes that hold the same. Absent: this node takes no part in convergence. */
  readonly digest?: string
  /** What it holds, for people, models and the search for the first difference. */
  readonly state?: Json
  /** What it waits for. Absent: it is at rest. */
  readonly pending?: string
}

export interface Definition<Handle> {
  /** How many there are: 1. */
  readonly count?: number | readonly [low: number, high: number]
  /** Whether its disk survives a crash: true. */
  readonly persistent?: boolean
  /** Whether it may read what users write: `trusted`. */
  readonly trust?: "trusted" | "untrusted"
  readonly program: (host: Host<Handle>) => Effect.Effect<unknown, unknown, Process.Services | Scope.Scope>
  readonly probe?: (handle: Handle) => Effect.Effect<Probe, unknown>
  readonly commands?: { readonly [name: string]: Workload.Command<Handle> }
}

/** One incarnation, with its handle inside. */
export interface Life {
  readonly program: Effect.Effect<unknown, unknown, Process.Services | Scope.Scope>
  readonly isReady: () => boolean
  /** Undefined when it is not ready, or shows nothing. */
  readonly probe: () => Effect.Effect<Probe, unknown> | undefined
  /** Undefined when it is not ready, or there is no such command. */
  readonly command: (
    name: string,
    input: Json,
    context: Workload.Context
  ) => Effect.Effect<Json | void, unknown, Process.Services> | undefined
}

/** A kind of node, whatever its handle is. */
export interface Kind {
  readonly count: readonly [low: number, high: number]
  readonly persistent: boolean
  readonly trust: "trusted" | "untrusted"
  readonly probed: boolean
  readonly commands: { readonly [name: string]: Pick<Workload.Command<never>, "draw" | "weight"> }
  readonly begin: (base: Base, onReady: () => void) => Life
}

/** A kind of node. Say what the handle is where the program takes its host: `program: (host: Node.Host<Chat>) => …`. */
export const make = <Handle = void>(definition: Definition<Handle>): Kind => {
  const { commands = {}, count = 1, persistent = true, probe, trust = "trusted" } = definition
  return {
    count: typeof count === "number" ? [count, count] : count,
    persistent,
    trust,
    probed: probe !== undefined,
    commands,
    begin: (base, onReady) => {
      let held: { readonly handle: Handle } | undefined
      const ready = (handle: Handle) => {
        held = { handle }
        onReady()
      }
      return {
        program: definition.program({ ...base, ready }),
        isReady: () => held !== undefined,
        probe: () => held === undefined ? undefined : probe?.(held.handle),
        command: (name, input, context) =>
          held === undefined || !Object.hasOwn(commands, name)
            ? undefined
            : commands[name]?.run(held.handle, input, context)
      }
    }
  }
}
