/**
 * A `Connection` over an open WebSocket of the `ws` library, for both ends. Not through an Effect `Socket`: a relay holds
 * thousands of idle ones, and this keeps two small arrays for each, no fiber and no timer.
 *
 * 1. What is not taken yet is bounded: the socket is paused above `UNREAD_BYTES_MAX`, and the peer feels it.
 * 2. `send` waits while more than `Limit.outboundBytesMax` is queued in the process.
 * 3. After the end, what had arrived is still given; then `receive` and `send` fail with how it ended.
 */
import { type Connection, ConnectionClosed } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { type RawData, WebSocket } from "ws"

/** Read ahead of whoever takes messages, at most (and the message that goes beyond it). */
const UNREAD_BYTES_MAX = 64 * 1024
/** How long a peer may take to answer a close. */
const CLOSE_MILLIS = 1000

/** A message of the network holds records of one channel message or several small ones. */
export const PAYLOAD_BYTES_MAX = 2 * Limit.messageBytesMax

/** The `ws` library hands out what it received as one of three. */
const bytesOf = (data: RawData): Uint8Array => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  const buffer = Array.isArray(data) ? Buffer.concat(data) : data
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

const NOBODY: ReadonlyArray<() => void> = []

/** Fibers that wait for something, and are woken all at once. Most of the time it is one, or none. */
class Waiting {
  private wakes: ReadonlyArray<() => void> = NOBODY

  wait(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const wake = () => resume(Effect.void)
      this.wakes = [...this.wakes, wake]
      return Effect.sync(() => {
        this.wakes = this.wakes.filter((each) => each !== wake)
      })
    })
  }

  wake(): void {
    const { wakes } = this
    if (wakes.length === 0) return
    this.wakes = NOBODY
    for (const wake of wakes) wake()
  }
}

/** The connection; the socket's handlers are set at once, so that nothing that arrives is missed. */
export const fromWebSocket = (socket: WebSocket, remoteAddress: string): Connection => {
  const readers = new Waiting(), writers = new Waiting()
  let unread: Array<Uint8Array> = []
  let unreadBytes = 0
  let ended: ConnectionClosed | undefined

  const end = (clean: boolean, detail: string) => {
    ended ??= new ConnectionClosed({ clean, detail })
    readers.wake()
    writers.wake()
  }
  socket.on("message", (data, isBinary) => {
    if (ended !== undefined) return
    if (!isBinary) {
      socket.close(1003, "binary messages only")
      end(false, "a text message")
      return
    }
    const message = bytesOf(data)
    unread.push(message)
    unreadBytes += message.length
    if (unreadBytes >= UNREAD_BYTES_MAX) socket.pause()
    readers.wake()
  })
  socket.on("close", (code) => end(code === 1000 || code === 1001, `closed with ${code}`))
  socket.on("error", (error) => end(false, error.message))

  const receive: Connection["receive"] = Effect.suspend(() => {
    const taken = unread
    if (Arr.isArrayNonEmpty(taken)) {
      unread = []
      unreadBytes = 0
      if (socket.isPaused) socket.resume()
      return Effect.succeed(taken)
    }
    return ended === undefined ? Effect.andThen(readers.wait(), receive) : Effect.fail(ended)
  })

  const isFull = () => socket.bufferedAmount > Limit.outboundBytesMax
  const sent = () => {
    if (!isFull()) writers.wake()
  }
  const room = Effect.flatMap(
    Effect.suspend(() => writers.wait()),
    () => ended === undefined ? Effect.void : Effect.fail(ended)
  )
  const send: Connection["send"] = (message) =>
    Effect.suspend(() => {
      if (ended !== undefined) return Effect.fail(ended)
      socket.send(message, sent)
      return isFull() ? room : Effect.void
    })
  return { receive, send, remoteAddress }
}

/** Ends in order; a peer that does not answer in time is cut, and does not keep the process. */
export const close = (socket: WebSocket, code: 1000 | 1001 = 1000): void => {
  if (socket.readyState === WebSocket.CLOSED) return
  socket.close(code)
  const cut = setTimeout(() => socket.terminate(), CLOSE_MILLIS)
  cut.unref()
  socket.once("close", () => clearTimeout(cut))
}

/**
 * Finds out whether the peer is still there: call `look` every `Limit.keepAliveMillis`. A socket that did not answer the
 * ping of the look before is cut; one that is paused cannot answer, and is left to whoever does not read.
 */
export const makeLiveness = (socket: WebSocket): { readonly look: () => void } => {
  let answered = true
  socket.on("pong", () => {
    answered = true
  })
  return {
    look: () => {
      if (socket.readyState !== WebSocket.OPEN) return
      if (!answered && !socket.isPaused) return socket.terminate()
      answered = false
      socket.ping()
    }
  }
}
