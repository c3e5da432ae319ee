/**
 * The control plane of one connection, as `Control.serve` wants it. What serves calls costs some 20 KiB, and most
 * connections make a few calls when they begin and then none for hours: so it is started by the first call and put away
 * when there was none for a while.
 */
import { PLANE } from "@sotto/schema/Frame"
import { Limit } from "@sotto/schema/Limit"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { ChannelFailed } from "../channel/ChannelError.ts"
import type { Plane } from "../channel/Demux.ts"
import { ConnectionClosed } from "../Transport.ts"
import type { Outbox } from "./Outbox.ts"

/** How long nothing happens before what serves calls is put away. */
const IDLE_MILLIS = 10_000
/** What a message costs beside its bytes, so that many small ones count too. */
const MESSAGE_BYTES = 64

const IDLE = new ConnectionClosed({ clean: true, detail: "no calls" })

export class ControlPlane implements Plane {
  /** Calls that handlers work on. */
  openCalls = 0
  private usedMillis = 0
  private serving = false
  private messages: Array<Uint8Array> = []
  private bytes = 0
  private stopped: ConnectionClosed | undefined
  private readonly filled = Latch.makeUnsafe(false)
  private readonly drained = Latch.makeUnsafe(true)
  private readonly outbox: Outbox
  readonly fail: (error: ChannelFailed) => Effect.Effect<void>

  /** `fail` ends the connection. */
  constructor(options: { readonly outbox: Outbox; readonly fail: (error: ChannelFailed) => Effect.Effect<void> }) {
    this.outbox = options.outbox
    this.fail = options.fail
  }

  readonly send: Plane["send"] = (message) => this.sendAll([message])

  readonly sendAll: Plane["sendAll"] = (messages) =>
    Effect.sync(() => {
      for (const message of messages) {
        message[0] = PLANE.control
        this.outbox.offer(message)
      }
    })

  readonly receive: Plane["receive"] = Effect.suspend(() => {
    const taken = this.messages
    if (!Arr.isArrayNonEmpty(taken)) {
      if (this.stopped !== undefined) return Effect.fail(this.stopped)
      this.filled.closeUnsafe()
      return Effect.andThen(this.filled.await, this.receive)
    }
    this.messages = []
    this.bytes = 0
    this.drained.openUnsafe()
    return Effect.succeed(taken)
  })

  /** Takes a message, without the plane's byte; answers what to do next: wait for room, or `start` serving. */
  put(message: Uint8Array, nowMillis: number, start: Effect.Effect<void>): Effect.Effect<void> | undefined {
    this.usedMillis = nowMillis
    this.messages.push(message)
    this.bytes += message.length + MESSAGE_BYTES
    this.filled.openUnsafe()
    if (!this.serving) {
      this.serving = true
      return start
    }
    if (this.bytes < Limit.messageBytesMax) return undefined
    this.drained.closeUnsafe()
    return this.drained.await
  }

  /** Serves until it is stopped, and again when something came meanwhile. */
  run(serve: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stopped = undefined
      return Effect.flatMap(serve, () => {
        if (this.messages.length > 0) return this.run(serve)
        this.serving = false
        return Effect.void
      })
    })
  }

  /** Puts away what serves calls, when nothing happened for a while. */
  rest(nowMillis: number): void {
    if (!this.serving || this.openCalls > 0 || nowMillis - this.usedMillis < IDLE_MILLIS) return
    this.stopped = IDLE
    this.filled.openUnsafe()
  }

  /** A handler ended. */
  answered(nowMillis: number): void {
    this.openCalls--
    this.usedMillis = nowMillis
  }
}
