/** What goes on with devices that are connected directly, as events: who comes, what moves, who leaves. */
import type { Client } from "@sotto/core/Client"
import type { PeerInfo } from "@sotto/core/log/Peers"
import type { ClientEvent } from "@sotto/core/Status"
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { emit, type Output } from "./Output.ts"
import { deviceText } from "./Words.ts"

type Service = Client["Service"]

/** A device as people know it. */
export const named = (client: Service, id: DeviceId) =>
  Effect.map(client.devices, (devices) => ({
    device: deviceText(id),
    label: devices.find((each) => Bytes.equals(each.id, id))?.label ?? ""
  }))

/** How often it is looked whether something moved. */
const LOOK_MILLIS = 1000

const keyOf = ({ device, role, sinceMillis }: PeerInfo): string => `${deviceText(device)} ${role} ${sinceMillis}`

/** Says what moved since it was last said. */
const tellMoves = Effect.fnUntraced(function*(client: Service) {
  let told = new Map<string, string>()
  while (true) {
    yield* Effect.sleep(LOOK_MILLIS)
    const next = new Map<string, string>()
    for (const peer of yield* client.peers.connected) {
      const { device, received, sent } = peer
      const key = keyOf(peer), counts = `${received} ${sent}`
      next.set(key, counts)
      if (counts === (told.get(key) ?? "0 0")) continue
      yield* emit({ type: "moved", ...(yield* named(client, device)), received, sent })
    }
    told = next
  }
})

const tellEvent = (client: Service) =>
  Effect.fnUntraced(function*(event: ClientEvent) {
    if (event._tag === "PeerMet") yield* emit({ type: "met", ...(yield* named(client, event.device)) })
    if (event._tag !== "PeerLeft") return
    const { device, received, sent } = event
    yield* emit({ type: "left", ...(yield* named(client, device)), received, sent })
  })

/** Says who comes, what moved, and who leaves, for ever. */
export const tellNearby = (client: Service): Effect.Effect<unknown, never, Output> =>
  Effect.raceFirst(Stream.runForEach(client.events, tellEvent(client)), tellMoves(client))
