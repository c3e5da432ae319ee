/** The other thread of `relayCore.bench.ts`: clients behind message ports, as few instructions each as will do. */
import * as Channel from "@sotto/core/channel/Channel"
import * as Control from "@sotto/core/channel/Control"
import * as Demux from "@sotto/core/channel/Demux"
import { Crypto } from "@sotto/core/Crypto"
import { type Connection, ConnectionClosed } from "@sotto/core/Transport"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as Envelope from "@sotto/schema/Envelope"
import { clientFrameCodec, relayFrameCodec } from "@sotto/schema/Frame"
import { Epoch, Lane, Position, RelayKey, RouteId, Signature, SigningKey } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import type { RelayKeys } from "@sotto/schema/Relay"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads"

/** What the clients are to do. */
export interface Task {
  /** One per client. The first `writers` push, the others subscribe. */
  readonly ports: ReadonlyArray<MessagePort>
  readonly writers: number
  readonly pushes: number
  readonly envelopesPerPush: number
  readonly envelopeBytes: number
  readonly inFlight: number
  readonly relayKey: Uint8Array
  readonly relayKeys: RelayKeys
}

/** A port as a connection. */
export const connectionOf = (port: MessagePort): Effect.Effect<Connection> =>
  Effect.map(Queue.unbounded<Uint8Array, ConnectionClosed>(), (queue) => {
    port.on("message", (bytes: Uint8Array) => Queue.offerUnsafe(queue, bytes))
    port.on("close", () => Queue.failCauseUnsafe(queue, closed))
    return {
      remoteAddress: "port",
      receive: Queue.takeAll(queue),
      send: (message) => Effect.sync(() => port.postMessage(message))
    }
  })

const closed = Cause.fail(new ConnectionClosed({ clean: true, detail: "the port closed" }))

const heard = Effect.callback<void>((resume) => {
  parentPort?.once("message", () => resume(Effect.void))
})

const attach = Effect.fnUntraced(function*(task: Task, port: MessagePort) {
  const crypto = yield* Crypto
  const channel = yield* Channel.connect(yield* connectionOf(port), {
    address: { url: "ws://relay/", key: RelayKey.make(task.relayKey) },
    known: task.relayKeys
  })
  const { handshakeHash } = channel
  const planes = yield* Demux.make(channel)
  const calls = yield* Control.makeClient(planes.control)
  const pair = (n: number) => crypto.signature.keyPair(new Uint8Array(32).fill(n))
  const pairs = { read: pair(1), write: pair(2), admin: pair(3), recovery: pair(4) }
  const keys = {
    read: SigningKey.make(pairs.read.publicKey),
    write: SigningKey.make(pairs.write.publicKey),
    admin: SigningKey.make(pairs.admin.publicKey),
    recovery: SigningKey.make(pairs.recovery.publicKey)
  }
  const sign = (name: keyof typeof pairs, message: Uint8Array) =>
    Signature.make(crypto.signature.sign(pairs[name].secretKey, message))
  const route = RouteId.make(new Uint8Array(32).fill(9)), epoch = Epoch.make(1)
  yield* calls.Open({
    route,
    epoch,
    keys,
    retention: { _tag: "Vault" },
    token: null,
    proof: sign("admin", Proof.open({ handshakeHash, route, epoch, keys }))
  })
  const { handle } = yield* calls.Attach({
    route,
    epoch,
    proofs: (["read", "write"] as const).map((capability) => ({
      capability,
      signature: sign(capability, Proof.attach({ handshakeHash, route, epoch, capability }))
    }))
  })
  return { data: planes.data, handle }
})

type Client = Effect.Success<ReturnType<typeof attach>>

const read = Effect.fnUntraced(function*({ data, handle }: Client, envelopes: number) {
  yield* data.send(clientFrameCodec.encodeAfter(1, {
    _tag: "Subscribe",
    handle,
    request: 1,
    after: Position.make(0),
    lanes: [],
    creditBytes: 0xffff_ffff
  }))
  let left = envelopes
  while (left > 0) {
    for (const message of yield* data.receive) {
      const frame = Result.getOrThrow(relayFrameCodec.decode(message))
      if (frame._tag === "Deliver") left -= frame.placed.length
    }
  }
})

const write = Effect.fnUntraced(function*({ data }: Client, frames: ReadonlyArray<Uint8Array>, inFlight: number) {
  let next = Math.min(inFlight, frames.length), answered = 0
  const first = frames.slice(0, next)
  if (Arr.isArrayNonEmpty(first)) yield* data.sendAll(first)
  while (answered < frames.length) {
    const more: Array<Uint8Array> = []
    for (const message of yield* data.receive) {
      if (Result.getOrThrow(relayFrameCodec.decode(message))._tag !== "Pushed") throw new Error("a push was refused")
      answered++
      const frame = frames[next++]
      if (frame !== undefined) more.push(frame)
    }
    if (Arr.isArrayNonEmpty(more)) yield* data.sendAll(more)
  }
})

/** Attaches all, says so, waits for the start, pushes and reads everything, says so, waits for the end. */
const work = (task: Task) =>
  Effect.gen(function*() {
    const crypto = yield* Crypto
    const header = Envelope.encodeHeader({
      suite: 1,
      kind: 1,
      epoch: Epoch.make(1),
      lane: Lane.make(new Uint8Array(8))
    })
    const clients = yield* Effect.forEach(task.ports, (port) => attach(task, port), { concurrency: 16 })
    const writers = clients.slice(0, task.writers)
    const frames = writers.map(({ handle }, w) =>
      Array.from({ length: Math.floor(task.pushes / writers.length) }, (_, i) =>
        clientFrameCodec.encodeAfter(1, {
          _tag: "Push",
          handle,
          request: w + i + 1,
          envelopes: Array.from(
            { length: task.envelopesPerPush },
            () =>
              Envelope.assemble(header, crypto.random(24), crypto.random(32), crypto.random(task.envelopeBytes - 72))
          )
        }))
    )
    const envelopes = frames.reduce((sum, mine) => sum + mine.length, 0) * task.envelopesPerPush
    const reading = yield* Effect.forEach(
      clients.slice(task.writers),
      (client) => Effect.forkChild(read(client, envelopes))
    )
    parentPort?.postMessage("ready")
    yield* heard
    yield* Effect.forEach(
      writers,
      (client, w) => write(client, frames[w] ?? [], Math.ceil(task.inFlight / writers.length)),
      { concurrency: "unbounded" }
    )
    for (const reader of reading) yield* Fiber.join(reader)
    parentPort?.postMessage("done")
    yield* heard
  }).pipe(Effect.scoped, Effect.provide(Layer.orDie(NodeCrypto.layer)))

if (!isMainThread) {
  const task: Task = workerData
  await Effect.runPromise(Effect.tapCause(work(task), (cause) => Effect.sync(() => console.error(Cause.pretty(cause)))))
  for (const port of task.ports) port.close()
}
