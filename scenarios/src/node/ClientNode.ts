/**
 * A device in the simulator: the shipped client over a disk and a network that break, and an app that reads all of it.
 */
import type * as Client from "@sotto/core/Client"
import { Crypto } from "@sotto/core/Crypto"
import { Keystore } from "@sotto/core/Keystore"
import { Ordinal } from "@sotto/core/log/Cursor"
import type { RelayMisbehaved } from "@sotto/core/log/Evidence"
import * as Sotto from "@sotto/core/Sotto"
import type { ClientEvent, Status } from "@sotto/core/Status"
import { Store, type StoreFailed } from "@sotto/core/Store"
import { Transport } from "@sotto/core/Transport"
import * as Bytes from "@sotto/schema/Bytes"
import * as Node from "@sotto/simulation/Node"
import type * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Board } from "../items/Board.ts"
import { commands } from "./Commands.ts"
import * as Services from "./Services.ts"
import * as View from "./View.ts"

/** What a device's process works with before it is in a space. */
export type Directory = Context.Context<Store | Keystore | Crypto | Transport>

export interface Options {
  /** Brings the device into a space, if it is in none: from a prepared one, by creating one, or by pairing. */
  readonly enter: (host: Node.Base) => Effect.Effect<void, unknown, Store | Keystore | Crypto | Transport>
  /** What goes on beside the client for as long as the device runs. */
  readonly beside?: (handle: Handle) => Effect.Effect<unknown, unknown, Scope.Scope>
}

/** What commands and probes of a device work with. */
export interface Handle {
  readonly host: Node.Base
  readonly client: Client.Client["Service"]
  readonly identity: Sotto.Sotto["Service"]["identity"]
  readonly view: View.View
  /** Items, where the scenario wants any. */
  readonly board: Board | undefined
  readonly directory: Directory
  /** For what goes on when a command has been answered. */
  readonly scope: Scope.Scope
}

/** How long an app waits before it opens its directory again. */
const AGAIN_MILLIS = 500

/** A device's program, until it is stopped or killed. */
export const program = (options: Options) => (host: Node.Host<Handle>) =>
  Effect.gen(function*() {
    const directory = yield* open(host)
    yield* again(host, Effect.provideContext(options.enter(host), directory))
    const handle = yield* start(host, directory)
    if (options.beside !== undefined) yield* Effect.forkScoped(options.beside(handle))
    host.ready(handle)
    return yield* Effect.never
  })

/** Runs the client of a directory that is in a space, and an app that reads all of it, until the scope closes. */
export const start = (host: Node.Base, directory: Directory) =>
  Effect.gen(function*() {
    const { client, identity } = yield* again(host, Effect.provideContext(Sotto.open, directory))
    host.observe("device", { device: Bytes.toHex(identity.id) })
    tellCursors(host, yield* client.status.current)
    for (const { address, gapped, misbehaved } of yield* again(host, client.relays.list)) {
      host.observe("standing", { relay: Bytes.toHex(address.key), caught: misbehaved !== null, gapped })
    }
    const view = new View.View()
    const board = host.knobs["items"] === true ? new Board(client) : undefined
    const resets = yield* Queue.unbounded<void>()
    const reset = () => {
      Queue.offerUnsafe(resets, undefined)
      board?.readAgain()
    }
    yield* Effect.forkScoped(listen(host, client, reset))
    yield* Effect.forkScoped(read(host, client, { view, board }, resets))
    if (board !== undefined) yield* Effect.forkScoped(board.follow(host))
    return { host, client, identity, view, board, directory, scope: yield* Effect.scope } satisfies Handle
  })

/** The services of a device's process, over its disk. */
export const open = (host: Node.Base) =>
  Effect.gen(function*() {
    const crypto = yield* Services.crypto(host)
    return Context.make(Store, yield* again(host, Services.store(host))).pipe(
      Context.add(Keystore, Services.keystore(host, crypto)),
      Context.add(Crypto, crypto),
      Context.add(Transport, Services.transport(host))
    )
  })

const isPassing = (error: unknown): error is StoreFailed =>
  error instanceof Error && "reason" in error && (error.reason === "unavailable" || error.reason === "full")

/** As an app that tries again when its storage failed for a moment. */
const again = <A, E, R>(host: Node.Base, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchIf(effect, isPassing, () => {
    host.mark("opened again")
    return Effect.andThen(Effect.sleep(AGAIN_MILLIS), again(host, effect))
  })

/** Reads all entries, and goes on reading; from the start again when some were taken back. */
const read = (
  host: Node.Base,
  client: Client.Client["Service"],
  { board, view }: Pick<Handle, "board" | "view">,
  resets: Queue.Queue<void>
): Effect.Effect<never, unknown> =>
  Effect.forever(Effect.suspend(() => {
    view.clear()
    host.observe("reading", {})
    const all = Stream.runForEach(client.entries({ after: Ordinal.make(0), live: true }), (entry) =>
      Effect.sync(() => {
        const one = View.seen(entry)
        view.add(one)
        host.observe("entry", { ...one })
        if (!one.own) board?.readAgain(one.ops.map(([collection]) => collection))
      }))
    return Effect.raceFirst(all, Queue.take(resets))
  }))

const tellCursors = (host: Node.Base, { relays }: Status): void => {
  for (const { received, relay } of relays) host.observe("cursor", { relay: Bytes.toHex(relay), position: received })
}

const listen = (host: Node.Base, client: Client.Client["Service"], reset: () => void) =>
  Stream.runForEach(client.events, (event) =>
    event._tag === "Misbehaved"
      ? Effect.map(client.evidence, (all) => accuse(host, Bytes.toHex(event.relay), all))
      : Effect.sync(() => hear(host, event, reset)))

/** Tells what a relay was caught with; nothing, when there is no evidence of it. */
const accuse = (host: Node.Base, relay: string, all: ReadonlyArray<RelayMisbehaved>): void => {
  const evidence = all.find((one) => Bytes.toHex(one.evidence.relay) === relay)?.evidence
  host.observe("caught", {
    relay,
    why: evidence?.reason ?? null,
    heads: (evidence?.heads ?? []).map(({ body: { lowest, millis, position } }) => ({ position, lowest, millis })),
    own: evidence?.own?.position ?? null
  })
}

const hear = (host: Node.Base, event: ClientEvent, reset: () => void): void => {
  if (event._tag === "CaughtUp") {
    host.observe("cursor", { relay: Bytes.toHex(event.relay), position: event.position })
  } else if (event._tag === "RelayReset") host.observe("reset", { relay: Bytes.toHex(event.relay) })
  else if (event._tag === "Gap") {
    host.observe("gap", { relay: Bytes.toHex(event.relay), from: event.from, to: event.to })
  } else if (event._tag === "Disconnected") {
    const { failure: { message, tag }, relay } = event
    if (tag === "InvalidMessage") host.observe("misunderstood", { relay: Bytes.toHex(relay), why: message })
  } else if (event._tag !== "Connected") host.mark(event._tag)
  if (event._tag === "Restored" || event._tag === "Retracted") reset()
}

/** What a device waits for; undefined when it is at rest. */
const pending = ({ relays }: Status): string | undefined => {
  for (const { failure, head, phase, received, pending: unsent, url } of relays) {
    if (phase === "stopped" && failure?.tag === "RelayMisbehaved") continue
    if (phase !== "live") return `${url} is ${phase}${failure === null ? "" : ` (${failure.tag})`}`
    if (unsent > 0) return `${unsent} entries for ${url}`
    if (received < head) return `${url} has ${head}, here are ${received}`
  }
  return undefined
}

const pendingItems = ({ due, isRead }: NonNullable<Handle["board"]>, writes: boolean): string | undefined => {
  if (!isRead) return "its items are not read yet"
  return due === undefined || !writes ? undefined : `the merge of ${due} is not written yet`
}

const mayWrite = ({ devices }: Client.Client["Service"]): Effect.Effect<boolean> =>
  Effect.map(devices, (all) => all.some(({ own, removed }) => own && !removed))

/** What a device shows of itself. */
export const probe = ({ board, client, view }: Handle): Effect.Effect<Node.Probe> =>
  Effect.map(Effect.all([client.status.current, mayWrite(client)]), ([status, writes]) => {
    const waits = pending(status) ?? (board === undefined ? undefined : pendingItems(board, writes))
    const items = board === undefined ? {} : { items: board.state }
    return {
      digest: board === undefined ? view.digest : `${view.digest} ${board.state.join("; ")}`,
      state: { entries: view.state, ...items, status: status._tag, quarantined: status.quarantined },
      ...(waits === undefined ? {} : { pending: waits })
    }
  })

/** A kind of node for devices. */
export const make = (
  options: Options & {
    readonly count: readonly [low: number, high: number]
    /** What they can be asked for besides the usual. */
    readonly also?: { readonly [name: string]: Workload.Command<Handle> }
  }
): Node.Kind =>
  Node.make({ count: options.count, program: program(options), probe, commands: { ...commands, ...options.also } })
