/** Drills of several relays, and of devices that meet without one. */
import type { Fault } from "@sotto/simulation/Fault"
import { alone, ask, at, between, both, crash, type Drill, ms } from "./drill.ts"

const away = (node: string, fromMillis: number, millis: number): Fault => ({
  kind: "partition",
  between: alone(node),
  ...at(fromMillis, millis)
})

const cut = (one: string, other: string, fromMillis: number, millis: number): Fault => ({
  kind: "partition",
  between: both(one, other),
  ...at(fromMillis, millis)
})

const slow = (relay: string, millis: number): Fault => ({
  kind: "latency",
  between: alone(relay),
  latency: ms(millis),
  ...at(0, 8000)
})

const ten = (client: number, fromMillis = 0) => ({
  client,
  fromMillis,
  untilMillis: fromMillis + 4000,
  everyMillis: 400
})

/** By number, as in the catalogue of scenarios. */
export const relays: { readonly [name: string]: Drill } = {
  "101 the first relay is killed during a push": { relays: 2, faults: [crash("relay-1", 1503, 4000)] },
  "102 the second one is killed": { relays: 2, faults: [crash("relay-2", 1503, 4000)] },
  "103 all are killed": { relays: 2, faults: [crash("relay-1", 2000, 4000), crash("relay-2", 2000, 4000)] },
  "104 one comes and goes": {
    relays: 2,
    faults: Array.from({ length: 6 }, (_, k) => crash("relay-1", 500 + 1200 * k, 400))
  },
  "105 the first relay takes 2.5 s": { relays: 2, faults: [slow("relay-1", 2500)] },
  "106 each of three has what was pushed once": { relays: 3, writes: [{ client: 1, everyMillis: 1000 }] },
  "107 a relay restarts, as itself": { relays: 2, faults: [crash("relay-2", 2000, 500), crash("relay-1", 5000, 500)] },
  "108 all are down, one comes back": {
    relays: 3,
    faults: [crash("relay-1", 1000, 1500), crash("relay-2", 1000, 6500), crash("relay-3", 1000, 6500)]
  },
  "109 ten messages one way": { writes: [ten(1)] },
  "110 five and five both ways": { writes: [1, 2].map((client) => ({ ...ten(client), everyMillis: 800 })) },
  "111 three write": { clients: 3 },
  "112 push against pull without end": {
    relays: 2,
    writes: [{ client: 1, everyMillis: 150 }],
    also: Array.from({ length: 30 }, (_, k) => ask(250 * k, "client-2", "pull"))
  },
  "113 500 ± 100 ms": { relays: 2, link: { latency: between(400, 600) } },
  "114 128 kbit/s": { relays: 2, link: { bandwidthBytesPerSecond: 16_000 } },
  "115 blocked, ten messages, free": { writes: [ten(1, 1500)], faults: [cut("client-1", "relay-1", 1000, 6000)] },
  "116 slow relay, fast client": {
    faults: [{ kind: "bandwidth", between: alone("relay-1"), bytesPerSecond: 3000, ...at(0, 8000) }],
    writes: [{ client: 1, everyMillis: 200 }]
  },
  "117 one client is cut from both": {
    relays: 2,
    faults: [cut("client-1", "relay-1", 1500, 5000), cut("client-1", "relay-2", 1500, 5000)]
  },
  "118 one relay is cut from one client only": { relays: 2, faults: [cut("client-1", "relay-2", 500, 7000)] },
  "119 200 ms, 10 % loss, and a clean one": {
    relays: 3,
    faults: [
      slow("relay-1", 200),
      { kind: "loss", between: alone("relay-2"), p: 0.1, onConnection: "retransmit", ...at(0, 8000) }
    ]
  },
  "120 a relay is dead and a client is cut": {
    relays: 2,
    faults: [crash("relay-1", 1000, 6000), cut("client-2", "relay-2", 1000, 6000)]
  },
  "124 two relays bring entries in opposite order": {
    relays: 2,
    clients: 3,
    faults: [cut("client-1", "relay-2", 0, 6000), cut("client-2", "relay-1", 0, 6000), away("client-3", 0, 7000)]
  },
  "182 one leaves and comes back": {
    clients: 4,
    faults: [away("client-4", 500, 3000), away("client-3", 3000, 4000)]
  }
}

/** Without a relay. */
export const meetings: { readonly [name: string]: Drill } = {
  "182 many, one comes late, one leaves": {
    relays: 0,
    clients: 5,
    seconds: 12,
    faults: [away("client-5", 0, 6000), away("client-2", 5000, 5000)],
    writes: [1, 2, 3, 4, 5].map((client) => ({ client, everyMillis: 1500 }))
  },
  "184 a device restarts, and goes on": {
    relays: 0,
    clients: 3,
    faults: [crash("client-1", 3000, 500), crash("client-3", 5000, 500, "never")]
  },
  "185 both connect to each other at once": {
    relays: 0,
    also: Array.from({ length: 6 }, (_, k) => k).flatMap((k) => [
      ask(1200 * k + 300, "client-1", "sync", "client-2"),
      ask(1200 * k + 300, "client-2", "sync", "client-1")
    ])
  },
  "188 many write, and connect for a while": {
    relays: 0,
    clients: 4,
    also: [
      ask(500, "client-1", "link", { to: "client-2", millis: 6000 }),
      ask(700, "client-2", "link", { to: "client-3", millis: 6000 }),
      ask(900, "client-3", "link", { to: "client-4", millis: 6000 })
    ],
    faults: [{ kind: "reset", between: { shape: "everywhere" }, atMicros: 4_000_000 }]
  },
  "a device without a relay writes through one that has one": {
    relays: 1,
    clients: 2,
    faults: [cut("client-1", "relay-1", 0, 8000)],
    writes: [{ client: 1, everyMillis: 1000 }]
  }
}
