/**
 * A `Connection` over a WebSocket that a server accepted. Not through an Effect `Socket`: a relay holds thousands of idle
 * ones, and this keeps two small arrays for each and no fiber.
 *
 * 1. What is not taken yet is bounded: the socket is paused above `UNREAD_BYTES_MAX`, and the peer feels it.
 * 2. `send` waits while more than `Limit.outboundBytesMax` is queued in the process.
 */
import { type Connection, ConnectionClosed } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { RawData, WebSocket } from "ws"

/** Read ahead of whoever takes messages, at most. */
const UNREAD_BYTES_MAX = 64 * 1024

/** The `ws` library hands out what it received as one of three. */
const bytesOf = (data: RawData): Uint8Array => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  const buffer = Array.isArray(data) ? Buffer.concat(data) : data
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** The connection; the socket's handlers are set at once, so that nothing that arrives is missed. */
export const fromWebSocket = (socket: WebSocket, remoteAddress: string): Connection => {
  let unread: Array<Uint8Array> = []
  let unreadBytes = 0
  let ended: ConnectionClosed | undefined
  let wakeReader: (() => void) | undefined
  const writers: Array<() => void> = []

  const end = (clean: boolean, detail: string) => {
    ended ??= new ConnectionClosed({ clean, detail })
    wakeReader?.()
    for (const wake of writers.splice(0)) wake()
  }

  socket.on("message", (data, isBinary) => {
    if (!isBinary) {
      socket.close(1003, "binary messages only")
      return
    }
    const message = bytesOf(data)
    unread.push(message)
    unreadBytes += message.length
    if (unreadBytes >= UNREAD_BYTES_MAX) socket.pause()
    wakeReader?.()
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
    if (ended !== undefined) return Effect.fail(ended)
    return Effect.andThen(
      Effect.callback<void>((resume) => {
        wakeReader = () => {
          wakeReader = undefined
          resume(Effect.void)
        }
        return Effect.sync(() => {
          wakeReader = undefined
        })
      }),
      receive
    )
  })

  const send: Connection["send"] = (message) =>
    Effect.suspend(() => {
      if (ended !== undefined) return Effect.fail(ended)
      socket.send(message, () => {
        if (socket.bufferedAmount <= Limit.outboundBytesMax) { for (const wake of writers.splice(0)) wake() }
      })
      return socket.bufferedAmount <= Limit.outboundBytesMax ? Effect.void : room
    })

  const room = Effect.flatMap(
    Effect.callback<void>((resume) => {
      const wake = () => resume(Effect.void)
      writers.push(wake)
      return Effect.sync(() => {
        const at = writers.indexOf(wake)
        if (at >= 0) writers.splice(at, 1)
      })
    }),
    () => ended === undefined ? Effect.void : Effect.fail(ended)
  )

  return { receive, send, remoteAddress }
}
