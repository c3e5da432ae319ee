/** Drills of the network, of handshakes that are cut, and of devices that write at once at one relay. */
import type { Fault } from "@sotto/simulation/Fault"
import { alone, ask, at, between, both, crash, type Drill, everywhere, ms } from "./drill.ts"

const lossy = (p: number): Drill => ({ link: { loss: p } })

/** The process dies when it sends for the k-th time. */
const cutAtSend = (node: string, k: number): Fault => ({
  kind: "crashAt",
  node,
  point: { at: "send", k },
  disk: { kind: "none" },
  downMicros: 300_000,
  notice: "reset"
})

const dies = (node: string, call: string, k: number): Fault => ({
  kind: "crashAt",
  node,
  point: { at: "call", name: call, k },
  disk: { kind: "torn" },
  downMicros: 500_000,
  notice: "reset"
})

const lossOf = (node: string, p: number): Fault => ({
  kind: "loss",
  between: both(node, "relay-1"),
  p,
  onConnection: "retransmit",
  ...at(0, 8000)
})

/** By number, as in the catalogue of scenarios. */
export const network: { readonly [name: string]: Drill } = {
  "10 fixed 200 ms": { link: { latency: ms(200) } },
  "11 200 ± 150 ms": { link: { latency: between(50, 350) } },
  "12 10 ms up, 500 ms down": {
    faults: [
      {
        kind: "latency",
        between: { shape: "isolate", node: "relay-1", direction: "in" },
        latency: ms(10),
        ...at(0, 8000)
      },
      {
        kind: "latency",
        between: { shape: "isolate", node: "relay-1", direction: "out" },
        latency: ms(500),
        ...at(0, 8000)
      }
    ]
  },
  "13 600 ± 50 ms": { link: { latency: between(550, 650) } },
  "14 5 % loss": lossy(0.05),
  "15 20 % loss": lossy(0.2),
  "16 bursts of loss": {
    faults: [0, 1, 2, 3].map((k) => ({
      kind: "loss",
      between: everywhere,
      p: 0.5,
      onConnection: "retransmit",
      ...at(400 + 2000 * k, 400)
    }))
  },
  "17 nothing gets through for 30 s": {
    seconds: 34,
    faults: [{ kind: "partition", between: everywhere, ...at(2000, 30_000) }]
  },
  "18 the relay is killed during a push": { faults: [dies("relay-1", "append", 3), dies("relay-1", "appended", 9)] },
  "19 a client is killed during a push": { faults: [dies("client-1", "commit", 4), dies("client-1", "committed", 12)] },
  "20 both clients are cut from the relay": {
    faults: [{ kind: "partition", between: alone("relay-1"), ...at(1000, 5000) }]
  },
  "21 ten connections in 5 s": {
    faults: Array.from({ length: 10 }, (_, k) => ({ kind: "offline", node: "client-1", ...at(500 * k, 200) })),
    also: Array.from({ length: 10 }, (_, k) => ask(500 * k + 250, "client-1", "wake"))
  },
  "22 half-open connections": {
    faults: [crash("client-1", 2000, 500, "never"), crash("relay-1", 5000, 500, "never")]
  },
  "23 56 kbit/s": { link: { bandwidthBytesPerSecond: 7000 } },
  "24 1 MB/s, then 10 kB/s": {
    link: { bandwidthBytesPerSecond: 1_000_000 },
    faults: [{ kind: "bandwidth", between: everywhere, bytesPerSecond: 10_000, ...at(4000, 4000) }]
  },
  "25 one slow client": {
    clients: 3,
    faults: [{ kind: "bandwidth", between: both("client-1", "relay-1"), bytesPerSecond: 2000, ...at(0, 8000) }]
  },
  "26 another network in the middle": {
    faults: [2000, 4000].map((millis) => ({ kind: "offline", node: "client-1", ...at(millis, 100) })),
    also: [2200, 4200].map((millis) => ask(millis, "client-1", "wake"))
  },
  "28 cut after message 1": { faults: [cutAtSend("client-1", 0)] },
  "29 cut after message 2": { faults: [cutAtSend("relay-1", 0)] },
  "30 cut after the last message": { faults: [cutAtSend("client-1", 1)] },
  "31 2.5 s for each message": { seconds: 12, link: { latency: ms(2500) } },
  "33 a client connects again and again": {
    also: Array.from({ length: 16 }, (_, k) => ask(100 + 450 * k, "client-1", k % 2 === 0 ? "wake" : "pull"))
  },
  "40 handshakes over 56 kbit/s": {
    link: { bandwidthBytesPerSecond: 7000 },
    faults: [1000, 3000, 5000].map((millis) => crash("client-2", millis, 200))
  },
  "45 no entropy": {
    faults: [0, 3, 6].map((k) => ({
      kind: "error",
      node: "client-1",
      point: { at: "call", name: "random", k },
      reason: "unavailable"
    }))
  },
  "48 cut while pushing": { faults: [3, 5, 8].map((k) => cutAtSend("client-1", k)) },
  "49 cut while pulling": { faults: [dies("client-2", "commit", 2), dies("client-2", "committed", 7)] },
  "50 cut while comparing": {
    also: Array.from({ length: 6 }, (_, k) => ask(1000 * k + 700, "client-1", "reconcile")),
    faults: [712, 2715, 3705].map((millis) => ({
      kind: "reset",
      between: both("client-1", "relay-1"),
      atMicros: millis * 1000
    }))
  },
  "51 push and pull in turn": {
    also: Array.from({ length: 12 }, (_, k) => ask(600 * k + 200, `client-${1 + k % 2}`, "pull"))
  },
  "52 two clients push at once": {
    writes: [{ client: 1, everyMillis: 400 }, { client: 2, everyMillis: 400 }]
  },
  "53 push during pull": {
    faults: [{ kind: "offline", node: "client-2", ...at(0, 4000) }],
    also: Array.from({ length: 8 }, (_, k) => ask(4500 + 100 * k, "client-2", k % 2 === 0 ? "pull" : "flush"))
  },
  "54 five clients": { clients: 5, writes: [1, 2, 3, 4, 5].map((client) => ({ client, everyMillis: 900 })) },
  "55 one was away for most of it": {
    seconds: 16,
    writes: [{ client: 1, everyMillis: 160 }],
    faults: [{ kind: "offline", node: "client-2", ...at(200, 15_000) }]
  },
  "56 digests after a partition": {
    clients: 4,
    faults: [{
      kind: "partition",
      between: { shape: "sets", side: ["client-1", "client-2"], direction: "both" },
      ...at(1000, 6000)
    }]
  },
  "57 the relay restarts": {
    faults: [crash("relay-1", 2000, 300), { kind: "stop", node: "relay-1", atMicros: 5_000_000, downMicros: 300_000 }]
  },
  "58 one with 200 ms, one with 20 % loss": {
    faults: [
      { kind: "latency", between: both("client-1", "relay-1"), latency: ms(200), ...at(0, 8000) },
      lossOf("client-2", 0.2)
    ]
  },
  "59 100 records, nothing goes wrong": { writes: [1, 2].map((client) => ({ client, everyMillis: 160 })) },
  "63 a value without bytes": { also: [ask(1500, "client-1", "push", ["b", "item of nothing", ""])] }
}
