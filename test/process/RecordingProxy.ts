/**
 * A TCP proxy on loopback that keeps a copy of all that goes through it, and can be cut: what a listener on the network
 * sees, and what a cable that is pulled does.
 */
import * as net from "node:net"

export class RecordingProxy implements AsyncDisposable {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #captured: Array<Buffer> = []
  readonly #sent: Array<Buffer> = []
  #target: number
  #cut = false
  #bytes = 0
  #hold: { readonly bytes: number; readonly reached: () => void } | undefined

  private constructor(target: number) {
    this.#target = target
    this.#server = net.createServer((near) => this.#join(near))
  }

  /** Listens on a free port, and passes on to `target` on this machine. */
  static async to(target: number): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve))
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen")
    return address.port
  }

  /** Everything that went through, both ways, piece by piece. */
  get captured(): Buffer {
    return Buffer.concat(this.#captured)
  }

  /** What was sent towards the target alone. */
  get sent(): Buffer {
    return Buffer.concat(this.#sent)
  }

  /** Where new connections go from now on. */
  set target(port: number) {
    this.#target = port
  }

  /** Ends every connection and refuses new ones. */
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#cut = false
    this.#hold = undefined
  }

  /** Lets that many bytes through, both ways together, and then nothing more until it is cut. */
  holdAfter(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#hold = { bytes, reached: resolve }
    })
  }

  #join(near: net.Socket): void {
    if (this.#cut) {
      near.destroy()
      return
    }
    const far = net.connect(this.#target, "127.0.0.1")
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from)
      from.on("data", (bytes) => {
        this.#captured.push(Buffer.from(bytes))
        if (from === near) this.#sent.push(Buffer.from(bytes))
        to.write(bytes)
        this.#bytes += bytes.length
        if (this.#hold === undefined || this.#bytes < this.#hold.bytes) return
        for (const socket of this.#sockets) socket.pause()
        this.#hold.reached()
      })
      from.on("error", () => to.destroy())
      from.on("end", () => to.end())
      from.on("close", () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}
