/** A client that does not keep to any protocol: bytes on a socket, and what became of it. Loopback only. */
import * as crypto from "node:crypto"
import * as net from "node:net"

/** How a connection ended, and what the other side had sent until then. */
export interface Outcome {
  readonly received: Buffer
  /** Whether it ended by itself within the time that the test gave it. */
  readonly ended: boolean
}

/** One TCP connection. What arrives is kept; errors are ends. */
export class RawClient implements Disposable {
  readonly socket: net.Socket
  readonly #received: Array<Uint8Array> = []
  readonly #ended: Promise<void>
  #wake: () => void = () => undefined

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.on("error", () => undefined)
    socket.on("data", (bytes: Buffer) => {
      this.#received.push(bytes)
      this.#wake()
    })
    this.#ended = new Promise((resolve) => socket.once("close", () => resolve()))
  }

  static async to(port: number): Promise<RawClient> {
    const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve())
      socket.once("error", reject)
    })
    return new RawClient(socket)
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  send(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  /** Waits until the other side has said something that fits. */
  async hears(fits: (received: Buffer) => boolean): Promise<void> {
    while (!fits(this.received)) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        void this.#ended.then(() =>
          reject(new Error(`it ended after: ${this.received.toString("latin1").slice(0, 300)}`))
        )
      })
    }
  }

  /** Waits for its end; at most so long. */
  async end(millis: number): Promise<Outcome> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), millis)
    })
    // The other side's half is over: close ours, as a peer does that is told to go.
    this.socket.once("end", () => this.socket.end())
    const ended = await Promise.race([this.#ended.then(() => true), late])
    clearTimeout(timer)
    return { received: this.received, ended }
  }

  /** Upgrades to a WebSocket, as any client does. */
  async upgrade(): Promise<void> {
    this.send(UPGRADE)
    await this.hears((received) => received.includes("\r\n\r\n"))
    const status = this.received.toString("latin1").split("\r\n")[0]
    if (status?.includes("101") !== true) throw new Error(`no upgrade: ${status}`)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

export const UPGRADE = "GET / HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

/** Opcodes of RFC 6455. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, reserved: 3, close: 8, ping: 9 } as const

/** The seven bits of a length: it itself, or that two or eight bytes with it follow. */
const shortLength = (claimed: bigint): number => claimed < 126n ? Number(claimed) : claimed < 65_536n ? 126 : 127

/** A WebSocket frame of a client, final unless told, of any claimed length. */
export const webSocketFrame = (opcode: number, payload: Uint8Array, options: {
  readonly masked?: boolean
  readonly final?: boolean
  readonly reserved?: number
  readonly claimed?: bigint
} = {}): Buffer => {
  const { claimed = BigInt(payload.length), final = true, masked = true, reserved = 0 } = options
  const short = shortLength(claimed)
  const head = [(final ? 0x80 : 0) | reserved | opcode, (masked ? 0x80 : 0) | short]
  const whole = Buffer.alloc(8)
  whole.writeBigUInt64BE(claimed)
  const length = short === 126 ? whole.subarray(6) : short === 127 ? whole : Buffer.alloc(0)
  const mask = masked ? crypto.randomBytes(4) : Buffer.alloc(0)
  const body = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)))
  return Buffer.concat([Buffer.from(head), length, mask, body])
}
