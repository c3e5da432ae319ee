/**
 * The comparison of `relay.bench.ts`: `ws` alone. Acknowledges each message and hands it to all others; keeps nothing.
 * With a file as its argument it writes each message there and syncs it to disk first: the least that durable can mean.
 */
import { fdatasyncSync, openSync, writeSync } from "node:fs"
import { createServer } from "node:http"
import { WebSocketServer } from "ws"
import { serveUsage } from "./serveUsage.ts"

const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
const ack = new Uint8Array(1)
const [path] = process.argv.slice(2)
const file = path === undefined ? undefined : openSync(path, "w")
sockets.on("connection", (socket) => {
  socket.on("message", (data) => {
    if (file !== undefined && Buffer.isBuffer(data)) {
      writeSync(file, data)
      fdatasyncSync(file)
    }
    socket.send(ack)
    for (const other of sockets.clients) if (other !== socket) other.send(data)
  })
})
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  serveUsage(`ws://127.0.0.1:${port}/`, async () => {
    sockets.close()
    server.closeAllConnections()
    server.close()
  })
})
