/** The comparison of `relay.bench.ts`: `ws` alone. Acknowledges each message and hands it to all others; keeps nothing. */
import { createServer } from "node:http"
import { WebSocketServer } from "ws"
import { serveUsage } from "./serveUsage.ts"

const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
const ack = new Uint8Array(1)
sockets.on("connection", (socket) => {
  socket.on("message", (data) => {
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
