/**
 * One direction between two nodes: its law, which is plain data, whether it is open, and what becomes of its k-th message.
 *
 * 1. The fate of message k depends on the seed, the names of the two nodes, k and the law; on nothing else. So whoever
 *    takes one fault away finds every other message as it was.
 * 2. Signs of the network itself (to open, to close, to reset) are counted apart from messages, for the same reason.
 * 3. The draws that every message needs come first and are always taken: a knob that is off does not shift the next one.
 */
import type { Draws } from "./Seed.ts"

export type Latency =
  | { readonly kind: "constant"; readonly micros: number }
  | { readonly kind: "uniform"; readonly lowMicros: number; readonly highMicros: number }
  /** A minimum, and on top of it an exponential tail; the tail ends at twenty means. */
  | { readonly kind: "exponential"; readonly minimumMicros: number; readonly meanMicros: number }

export interface LinkLaw {
  readonly latency: Latency
  /** Chance that a message is lost. */
  readonly loss: number
  /** What a loss is on a connection: it comes later, or the connection ends. */
  readonly lossOnConnection: "retransmit" | "reset"
  /** The first wait before something lost is sent again; it doubles. */
  readonly retransmitMicros: number
  /** Chance that a datagram comes twice, and how much later the second may come. Connections have no duplicates. */
  readonly duplication: number
  readonly duplicateLagMicros: number
  /** Chance that a datagram is overtaken, and by how much time. Connections keep their order. */
  readonly reorder: number
  readonly reorderLagMicros: number
  /** Chance that bits of a message are flipped, on connections too. */
  readonly corruption: number
  /** 0: as much as anybody likes. */
  readonly bandwidthBytesPerSecond: number
  /** Longer datagrams are lost; a byte stream arrives in slices of at most this. */
  readonly mtuBytes: number
  /** On a connection, a longer message never gets through, nor anything after it. 0: no such limit. */
  readonly blackHoleBytes: number
}

/** Half a millisecond and no fault. */
export const perfect: LinkLaw = {
  latency: { kind: "constant", micros: 500 },
  loss: 0,
  lossOnConnection: "retransmit",
  retransmitMicros: 200_000,
  duplication: 0,
  duplicateLagMicros: 1_000_000,
  reorder: 0,
  reorderLagMicros: 50_000,
  corruption: 0,
  bandwidthBytesPerSecond: 0,
  mtuBytes: 1_400,
  blackHoleBytes: 0
}

/** Waits before something is sent again double up to this. */
const RETRANSMIT_MICROS_MAX = 60_000_000
const RETRIES_MAX = 12
const TAIL_MEANS_MAX = 20

/** The shortest time that a message can take. */
const minimumMicros = (latency: Latency): number => {
  switch (latency.kind) {
    case "constant":
      return latency.micros
    case "uniform":
      return latency.lowMicros
    case "exponential":
      return latency.minimumMicros
  }
}

export const drawLatency = (latency: Latency, from: Draws): number => {
  switch (latency.kind) {
    case "constant":
      return latency.micros
    case "uniform":
      return from.between(latency.lowMicros, latency.highMicros)
    case "exponential": {
      const tail = Math.floor(from.exponential(latency.meanMicros))
      return latency.minimumMicros + Math.min(tail, latency.meanMicros * TAIL_MEANS_MAX)
    }
  }
}

/** What becomes of one message. */
export interface Fate {
  readonly number: number
  readonly latencyMicros: number
  readonly lost: boolean
  readonly duplicated: boolean
  readonly overtaken: boolean
  readonly corrupted: boolean
  /** Draws that only some messages need: where bits flip, how often it is sent again, when the second copy comes. */
  readonly extra: () => Draws
}

const drawsNothing = (law: LinkLaw): boolean =>
  law.latency.kind === "constant" && law.loss === 0 && law.duplication === 0 && law.reorder === 0 &&
  law.corruption === 0

/** Flips one to three bits. */
export const corrupt = (bytes: Uint8Array, from: Draws): Uint8Array => {
  const rotten = bytes.slice()
  if (rotten.length === 0) return rotten
  const flips = from.between(1, 3)
  for (let flip = 0; flip < flips; flip++) {
    const place = from.int(rotten.length)
    rotten[place] = (rotten[place] ?? 0) ^ (1 << from.int(8))
  }
  return rotten
}

/** How long it takes until something that got lost at least once is through. */
export const retransmissionMicros = (law: LinkLaw, from: Draws): number => {
  let micros = law.retransmitMicros
  let wait = law.retransmitMicros
  for (let retry = 1; retry < RETRIES_MAX && from.chance(law.loss); retry++) {
    wait = Math.min(wait * 2, RETRANSMIT_MICROS_MAX)
    micros += wait
  }
  return micros
}

/** The streams of a seed, as `Seed.source` gives them. */
export type Streams = (subject: string, counter?: number) => Draws

export class Link {
  readonly from: string
  readonly to: string
  law: LinkLaw
  private readonly streams: Streams
  private readonly subject: string
  private messages = 0
  private signs = 0
  private reopenings = 0
  private blocks = 0
  private clogs = 0
  private blockedAtMicros = 0
  private freeAtMicros = 0
  private waiting: Array<(delayMicros: number) => void> = []

  constructor(streams: Streams, from: string, to: string, law: LinkLaw) {
    this.streams = streams
    this.from = from
    this.to = to
    this.law = law
    this.subject = `link/${from}>${to}`
  }

  get open(): boolean {
    return this.blocks === 0 && this.clogs === 0
  }

  /** A partition lies across it: datagrams are lost, connections send again until it is gone. */
  get blocked(): boolean {
    return this.blocks > 0
  }

  get minimumMicros(): number {
    return minimumMicros(this.law.latency)
  }

  /** The fate of the next message. */
  nextFate(): Fate {
    return this.fate(this.subject, this.messages++)
  }

  /** The fate of the next sign of the network itself. */
  nextSign(): Fate {
    return this.fate(`${this.subject}/sign`, this.signs++)
  }

  /** Takes its turn on the wire; answers when the last byte has left. */
  transmit(nowMicros: number, sizeBytes: number): number {
    if (this.law.bandwidthBytesPerSecond === 0) return nowMicros
    const wire = Math.ceil((sizeBytes * 1_000_000) / this.law.bandwidthBytesPerSecond)
    this.freeAtMicros = Math.max(this.freeAtMicros, nowMicros) + wire
    return this.freeAtMicros
  }

  /** Calls once when it is open again, with the time that a sender needs to notice. At once when it is open. */
  whenOpen(run: (delayMicros: number) => void): void {
    if (this.open) run(0)
    else this.waiting.push(run)
  }

  block(nowMicros: number): void {
    if (this.blocks++ === 0) this.blockedAtMicros = nowMicros
  }

  unblock(nowMicros: number): void {
    this.blocks--
    if (this.blocks === 0) this.reopen(this.noticeMicros(nowMicros - this.blockedAtMicros))
  }

  clog(): void {
    this.clogs++
  }

  unclog(): void {
    this.clogs--
    this.reopen(0)
  }

  /** Whoever waits doubles the wait each time, so it notices at some moment up to as long as the partition lasted. */
  private noticeMicros(lastedMicros: number): number {
    const most = Math.min(lastedMicros, RETRANSMIT_MICROS_MAX, this.law.retransmitMicros * 8)
    return this.streams(`${this.subject}/reopen`, this.reopenings++).between(0, most)
  }

  private reopen(delayMicros: number): void {
    if (!this.open) return
    const waiting = this.waiting
    this.waiting = []
    for (const run of waiting) run(delayMicros)
  }

  private fate(subject: string, number: number): Fate {
    const extra = () => this.streams(`${subject}/extra`, number)
    const law = this.law
    if (drawsNothing(law)) {
      const latencyMicros = this.minimumMicros
      return { number, latencyMicros, lost: false, duplicated: false, overtaken: false, corrupted: false, extra }
    }
    const own = this.streams(subject, number)
    const lost = own.unit() < law.loss
    const duplicated = own.unit() < law.duplication
    const overtaken = own.unit() < law.reorder
    const corrupted = own.unit() < law.corruption
    return { number, latencyMicros: drawLatency(law.latency, own), lost, duplicated, overtaken, corrupted, extra }
  }
}
