/**
 * A member's device, as `ClientNode` runs it; beside that it tells how its entries are dated, and shows what it knows of
 * the members: that has to be the same everywhere as well.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Membership from "@sotto/core/space/Membership"
import type { SpaceState } from "@sotto/core/space/SpaceState"
import type { RelayStatus } from "@sotto/core/Status"
import * as Bytes from "@sotto/schema/Bytes"
import * as Node from "@sotto/simulation/Node"
import type * as Workload from "@sotto/simulation/Workload"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ClientNode from "../node/ClientNode.ts"

export interface Options extends ClientNode.Options {
  /** What goes on beside the client for as long as the device runs. */
  readonly beside?: (handle: ClientNode.Handle) => Effect.Effect<unknown, unknown>
  readonly count: readonly [low: number, high: number]
  readonly commands: { readonly [name: string]: Workload.Command<ClientNode.Handle> }
}

const program = ({ beside, enter }: Pick<Options, "beside" | "enter">) => (host: Node.Host<ClientNode.Handle>) =>
  Effect.gen(function*() {
    const directory = yield* ClientNode.open(host)
    yield* Effect.provideContext(enter(host), directory)
    const handle = yield* ClientNode.start(host, directory)
    yield* Effect.forkScoped(tellDates(handle))
    if (beside !== undefined) yield* Effect.forkScoped(beside(handle))
    host.ready(handle)
    return yield* Effect.never
  })

/** In the order in which this device accepted or wrote them: when each entry is said to have been written. */
const tellDates = ({ client, host }: ClientNode.Handle): Effect.Effect<void, unknown> =>
  Stream.runForEach(
    client.entries({ live: true }),
    ({ device, hlc, id, own }) =>
      Effect.sync(() =>
        host.observe("dated", {
          id: Bytes.toHex(id),
          device: Bytes.toHex(device),
          own,
          millis: hlc.millis,
          counter: hlc.counter
        })
      )
  )

const NAME_DIGITS = 8

/** What a device is called in a roster, beside its label. */
const nameOf = (device: Uint8Array): string => Bytes.toHex(device).slice(0, NAME_DIGITS)

/** One line for each device that is or was a member, and the hash over all that made it so. */
const rosterOf = (crypto: Crypto["Service"], { membership }: SpaceState): ReadonlyArray<string> => [
  Bytes.toHex(Membership.logHead(crypto, membership)),
  ...[...membership.roster.memberByHex].map(([hex, { label, removed, role }]) =>
    `${hex.slice(0, NAME_DIGITS)} "${label}" ${role}${removed === null ? "" : " removed"}`
  ).toSorted()
]

const waitsFor = ({ failure, head, pending, phase, received, url }: RelayStatus): ReadonlyArray<string> => {
  if (phase !== "live") return [`${url} is ${phase}${failure === null ? "" : ` (${failure.tag})`}`]
  if (pending > 0) return [`${pending} entries for ${url}`]
  return received < head ? [`${url} has ${head}, here are ${received}`] : []
}

const probe = ({ board, client, directory, identity, view }: ClientNode.Handle) =>
  Effect.gen(function*() {
    const status = yield* client.status.current
    const members = rosterOf(Context.get(directory, Crypto), yield* client.state)
    const [waits] = [
      ...status.relays.flatMap(waitsFor),
      ...(board?.isRead === false ? ["its items are not read yet"] : [])
    ]
    const items = board?.state ?? []
    const shown: Node.Probe = {
      digest: [view.digest, ...members, ...items].join(" "),
      state: {
        entries: view.state,
        members,
        items,
        status: status._tag,
        quarantined: status.quarantined,
        who: nameOf(identity.id)
      }
    }
    return waits === undefined ? shown : { ...shown, pending: waits }
  })

/** A kind of node for such devices. */
export const make = ({ commands, count, ...options }: Options): Node.Kind =>
  Node.make({ count, program: program(options), probe, commands })
