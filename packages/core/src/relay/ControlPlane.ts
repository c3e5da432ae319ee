/**
 * The control plane of one connection, as `Control.serve` wants it. What serves calls costs some 20 KiB, and most
 * connections make a few calls when they begin and then none for hours: so it is started by a call and put away when
 * all calls that came are answered.
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

/** What a message costs beside its bytes, so that many small ones count too. */
const MESSAGE_BYTES = 64

const IDLE = new ConnectionClosed({ clean: true, detail: "no calls" })

export class ControlPlane implements Plane {
  private messages: Array<Uint8Array> = []
  private bytes = 0
  /** Messages that were handed to what serves now. */
  private handed = 0
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
    this.handed += taken.length
    this.drained.openUnsafe()
    return Effect.succeed(taken)
  })

  /** Takes a message, without the plane's byte; answers what to wait for when there are too many. */
  put(message: Uint8Array): Effect.Effect<void> | undefined {
    this.stopped = undefined
    this.messages.push(message)
    this.bytes += message.length + MESSAGE_BYTES
    this.filled.openUnsafe()
    if (this.bytes < Limit.messageBytesMax) return undefined
    this.drained.closeUnsafe()
    return this.drained.await
  }

  /** Serves until nothing is left to be served, and calls `over` in the step in which that is so. */
  run(serve: Effect.Effect<void>, over: () => void): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.handed = 0
      return Effect.flatMap(serve, () => {
        if (this.messages.length > 0) return this.run(serve, over)
        over()
        return Effect.void
      })
    })
  }

  /** So many messages were served and nothing is open: what serves calls is put away, unless more have come. */
  rest(served: number): void {
    if (served < this.handed || this.messages.length > 0) return
    this.stopped = IDLE
    this.filled.openUnsafe()
  }
}
