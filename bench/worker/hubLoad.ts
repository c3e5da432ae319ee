/** The same work against the bare hub: frames of the same size, a one-byte answer each. */
import { once } from "node:events"
import { WebSocket } from "ws"

const open = async (url: string): Promise<WebSocket> => {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  await once(socket, "open")
  return socket
}

const close = async (socket: WebSocket): Promise<void> => {
  const closed = once(socket, "close")
  socket.close()
  await closed
}

/** Resolves after this many messages. */
const received = (socket: WebSocket, count: number, each?: () => void): Promise<void> =>
  new Promise((resolve) => {
    let left = count
    socket.on("message", () => {
      each?.()
      if (--left === 0) resolve()
    })
  })

/** One writer, so many unanswered at a time, to readers that take everything. */
export const hubThroughput = async (url: string, work: {
  readonly pushes: number
  readonly envelopeBytes: number
  readonly readers: number
  readonly inFlight: number
}): Promise<void> => {
  const writer = await open(url)
  const readers = await Promise.all(Array.from({ length: work.readers }, () => open(url)))
  const message = new Uint8Array(work.envelopeBytes)
  let sent = Math.min(work.inFlight, work.pushes)
  const answered = received(writer, work.pushes, () => {
    if (sent < work.pushes) {
      sent++
      writer.send(message)
    }
  })
  const delivered = readers.map((reader) => received(reader, work.pushes))
  for (let n = 0; n < sent; n++) writer.send(message)
  await Promise.all([answered, ...delivered])
  await Promise.all([writer, ...readers].map(close))
}

/** One after the other; answers how long each waited, in milliseconds. */
export const hubPaced = async (url: string, work: {
  readonly pushes: number
  readonly envelopeBytes: number
  readonly everyMillis: number
}): Promise<ReadonlyArray<number>> => {
  const writer = await open(url)
  const waits: Array<number> = []
  for (let n = 0; n < work.pushes; n++) {
    const begun = performance.now()
    writer.send(new Uint8Array(work.envelopeBytes))
    await once(writer, "message")
    const waited = performance.now() - begun
    waits.push(waited)
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, work.everyMillis - waited)))
  }
  await close(writer)
  return waits
}

/** Holds so many connections that do nothing while `then` runs. */
export const hubIdle = async (url: string, connections: number, then: () => Promise<void>): Promise<void> => {
  const sockets: Array<WebSocket> = []
  for (let n = 0; n < connections; n++) sockets.push(await open(url))
  await then()
  await Promise.all(sockets.map(close))
}
