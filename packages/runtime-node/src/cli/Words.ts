/** From what core answers to the events of the command line: identifiers as text, times in ISO 8601, bytes as values. */
import type { DeviceInfo, ReceivedEntry } from "@sotto/core/Client"
import type * as Sotto from "@sotto/core/Sotto"
import type { Failure, RelayStatus, Status } from "@sotto/core/Status"
import type { DeviceId } from "@sotto/schema/Id"
import { ROLE } from "@sotto/schema/Space"
import { toText } from "@sotto/schema/Text"
import type { DeviceLine, EntryLine, RelayLine, StatusLine, Value } from "./Event.ts"

/** Milliseconds since 1970 as ISO 8601; what no date can be (a device may claim any time) as the last one that can. */
export const iso = (millis: number): string => new Date(Math.min(millis, 8_640_000_000_000_000)).toISOString()

export const deviceText = (id: DeviceId): string => toText("DeviceId", id)

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Text when the bytes are UTF-8, else base64. */
export const valueText = (bytes: Uint8Array): Value => {
  try {
    return decoder.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") }
  }
}

const ACTIONS = { Put: "put", PutContent: "content", Delete: "delete" } as const

/** The lines of an entry at its place in a relay's log. Membership operations are not among them: `devices` shows those. */
export const entryLines = (entry: ReceivedEntry, position: number | null): ReadonlyArray<EntryLine> =>
  entry.ops.flatMap(({ action, collection, key }, index): ReadonlyArray<EntryLine> =>
    action._tag === "Control" ? [] : [{
      type: "entry",
      position,
      index,
      id: toText("EnvelopeId", entry.id),
      hash: toText("EntryHash", entry.hash),
      device: deviceText(entry.device),
      seq: entry.seq,
      time: iso(entry.hlc.millis),
      collection,
      key,
      action: ACTIONS[action._tag],
      value: action._tag === "Put" ? valueText(action.value) : null
    }]
  )

const failureLine = (failure: Failure | null): StatusLine["failure"] =>
  failure === null ? null : { tag: failure.tag, message: failure.message, retrying: failure.retrying }

export const relayLine = (relay: RelayStatus): RelayLine => ({
  relay: `${relay.url}#${toText("RelayKey", relay.relay)}`,
  phase: relay.phase,
  pending: relay.pending,
  received: relay.received,
  head: relay.head,
  retry: relay.retryAtMillis === null ? null : iso(relay.retryAtMillis),
  failure: failureLine(relay.failure)
})

const STATES = {
  Offline: "offline",
  Connecting: "connecting",
  Pending: "pending",
  Synced: "synced",
  Failed: "failed"
} as const

export const statusLine = ({ client, identity }: Sotto.Sotto["Service"], status: Status): StatusLine => ({
  type: "status",
  state: STATES[status._tag],
  device: deviceText(identity.id),
  label: identity.certificate.body.label,
  space: toText("SpaceId", client.space),
  pending: status.pending,
  quarantined: status.quarantined,
  relays: status.relays.map(relayLine),
  failure: status._tag === "Failed" ? failureLine(status.failure) : null
})

const roleNames = new Map(Object.entries(ROLE).map(([name, role]) => [role, name]))

export const deviceLine = (info: DeviceInfo): DeviceLine => ({
  type: "device",
  device: deviceText(info.id),
  label: info.label,
  role: roleNames.get(info.role) ?? String(info.role),
  created: iso(info.createdMillis),
  own: info.own,
  removed: info.removed
})
