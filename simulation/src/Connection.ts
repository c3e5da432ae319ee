/**
 * A connection as its two ends see it: messages of bytes both ways, in order, until it ends in order or is torn.
 *
 * 1. What one end writes, the other reads in that order, each message once, or the connection ends without it.
 * 2. An end knows how much it wrote that the other has not read yet, as far as the news can have travelled: that is what
 *    back-pressure is made of.
 * 3. A dead end reads nothing, writes nothing and runs nothing. The other end learns of it by a reset, or never.
 * 4. After a clean end, everything that was written before it can be read; after a reset, what was not read is gone.
 *
 * Plain callbacks: `Socket.ts` makes Effects of it.
 */
import { Lane } from "./Lane.ts"
import { corrupt, type Fate, type Link, type Streams } from "./Link.ts"
import * as Slab from "./Slab.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"

/** The process that something belongs to. */
export interface Owner {
  readonly node: string
  readonly alive: () => boolean
  /** Runs something inside the process: at once, or later when the process is paused. */
  readonly enter?: (run: () => void) => void
}

/** Runs it inside the process, if that still lives. */
export const enter = (owner: Owner, run: () => void): void => {
  if (!owner.alive()) return
  if (owner.enter === undefined) run()
  else {
    owner.enter(() => {
      if (owner.alive()) run()
    })
  }
}

/** How a connection ended: `clean` when the other side, or this one, closed it in order. */
export interface Ended {
  readonly clean: boolean
  readonly detail: string
}

/** A message on its way between two nodes, as whoever sits on the wire sees it. */
export interface Crossing {
  readonly connection: number
  readonly address: string
  readonly from: string
  readonly to: string
  /** It goes from the side that connected to the side that listened. */
  readonly outward: boolean
  readonly bytes: Uint8Array
}

/** What a connection needs of its network. */
export interface Medium {
  readonly timeline: Timeline
  readonly recorder: Recorder
  readonly streams: Streams
  readonly queueBytesMax: number
  readonly giveUpMicros: number
  readonly deathNotice: DeathNotice
  readonly classify: (crossing: Crossing) => string | undefined
  /** What goes on instead of a message, after everybody on the wire has seen it. */
  readonly pass: (crossing: Crossing) => ReadonlyArray<Passed>
  /** A hook may forbid an operation: then the connection is torn. */
  readonly permit: (kind: "connect" | "send", node: string) => boolean
  /** Nothing more will happen to this end. */
  readonly left: (end: End) => void
}

export interface Passed {
  readonly bytes: Uint8Array
  readonly delayMicros?: number
}

/** How the other end learns that this one died. */
export type DeathNotice =
  | { readonly kind: "reset"; readonly afterMicros: number }
  | { readonly kind: "never" }

interface Arrived {
  readonly bytes: Uint8Array
  /** What the sender counts as read when this is. */
  readonly credit: number
}

/** Runs something with a row as the cause of all that it notes. */
export const causedBy = (recorder: Recorder, row: number | undefined, run: () => void): void => {
  const before = recorder.cause
  recorder.cause = row
  try {
    run()
  } finally {
    recorder.cause = before
  }
}

export interface ConnectionOptions {
  readonly number: number
  readonly address: string
  /** Bytes arrive in slices that have nothing to do with what was written. */
  readonly stream: boolean
}

export class End {
  readonly owner: Owner
  readonly remote: string
  readonly connection: ConnectionOptions
  private readonly medium: Medium
  private readonly outward: boolean
  private readonly lane: Lane
  private peer: End | undefined
  private inbox: Array<Arrived> = []
  private readers: Array<() => void> = []
  private writers: Array<() => void> = []
  private end: Ended | undefined
  private dead = false
  private unread = 0
  private news: Array<{ readonly atMicros: number; readonly bytes: number }> = []
  private newsTimer: (() => void) | undefined
  private giveUpTimer: (() => void) | undefined
  private held = 0
  private gapped = false
  private slices = 0

  constructor(medium: Medium, owner: Owner, connection: ConnectionOptions, link: Link, outward: boolean) {
    this.medium = medium
    this.owner = owner
    this.connection = connection
    this.remote = link.to
    this.outward = outward
    this.lane = new Lane(medium.timeline, link, () => this.watch())
  }

  /** How it ended. What arrived before can still be read. */
  get ended(): Ended | undefined {
    return this.end
  }

  /** Written here and, as far as can be known here, not read there. */
  get queuedBytes(): number {
    const now = this.medium.timeline.nowMicros()
    let first = this.news[0]
    while (first !== undefined && first.atMicros <= now) {
      this.unread -= first.bytes
      this.news.shift()
      first = this.news[0]
    }
    return this.unread
  }

  /** More should wait for `whenWritable`; it is sent all the same. */
  get full(): boolean {
    return this.queuedBytes > this.medium.queueBytesMax
  }

  /** Sends a message. False when the connection has ended. */
  write(bytes: Uint8Array): boolean {
    if (this.gone || this.end !== undefined) return false
    if (!this.medium.permit("send", this.owner.node)) {
      if (!this.gone) this.reset("a send failed")
      return false
    }
    if (this.gone) return false
    const crossing: Crossing = {
      connection: this.connection.number,
      address: this.connection.address,
      from: this.owner.node,
      to: this.remote,
      outward: this.outward,
      bytes
    }
    const row = this.noteMessage("send", crossing)
    this.unread += bytes.length
    const passed = this.medium.pass(crossing)
    if (passed.length === 0) {
      this.noteDrop(this.remote, bytes.length, "withheld", row)
      this.learn(bytes.length, this.lane.link.minimumMicros)
    }
    let credit = bytes.length
    for (const { bytes: piece, delayMicros = 0 } of passed) {
      const share = credit
      credit = 0
      if (delayMicros === 0) this.put(piece, share, row)
      else this.medium.timeline.schedule(delayMicros, () => this.put(piece, share, row))
    }
    return true
  }

  /** Puts bytes on the wire as if this end had written them: for whoever sits on the wire. */
  inject(bytes: Uint8Array): void {
    this.put(bytes, 0, this.note("inject", { to: this.remote, bytes: bytes.length }))
  }

  /** Takes what arrived. */
  read(): ReadonlyArray<Uint8Array> {
    if (this.gone || this.inbox.length === 0) return []
    const taken = this.inbox
    this.inbox = []
    let credit = 0
    for (const arrived of taken) credit += arrived.credit
    if (credit > 0) this.tell(credit)
    return taken.map((arrived) => arrived.bytes)
  }

  /** Calls once when there is something to read or the connection has ended. The answer takes it back. */
  whenReadable(run: () => void): () => void {
    return this.wait(this.readers, run, this.inbox.length > 0 || this.end !== undefined)
  }

  /** Calls once when the queue is below its bound or the connection has ended. The answer takes it back. */
  whenWritable(run: () => void): () => void {
    const stop = this.wait(this.writers, run, this.end !== undefined || !this.full)
    this.expectNews()
    return stop
  }

  /** Ends it in order: what was written arrives first. */
  close(): void {
    if (this.gone || this.end !== undefined) return
    const row = this.note("close", { to: this.remote })
    this.finish({ clean: true, detail: "closed here" })
    this.tellEnd({ clean: true, detail: "closed by the other side" }, "closed", row)
  }

  /** Tears it. */
  reset(detail = "reset here"): void {
    if (this.dead || this.end !== undefined) return
    const row = this.note("reset", { to: this.remote, detail })
    this.drain(row)
    this.finish({ clean: false, detail })
    this.tellEnd({ clean: false, detail: "reset by the other side" }, "reset", row)
  }

  /** The process of this end died: nobody runs anything here any more. */
  kill(notice: DeathNotice = this.medium.deathNotice): void {
    if (this.dead) return
    this.dead = true
    this.inbox = []
    this.readers = []
    this.writers = []
    this.giveUpTimer?.()
    this.newsTimer?.()
    this.lane.abandon()
    if (notice.kind === "never" || this.end !== undefined) return
    const row = this.medium.recorder.cause
    this.medium.timeline.schedule(
      notice.afterMicros,
      () => this.tellEnd({ clean: false, detail: "the other side died" }, "reset", row)
    )
  }

  /** For the network: both ends know each other. */
  meet(peer: End): void {
    this.peer = peer
  }

  /** For the network: a sign to the other end, in order with the messages. */
  sign(arrive: () => void): void {
    this.lane.sign(arrive)
  }

  /** Dead, whether or not somebody said so. */
  private get gone(): boolean {
    if (!this.dead && !this.owner.alive()) this.kill()
    return this.dead
  }

  private put(bytes: Uint8Array, credit: number, row: number): void {
    if (this.gone) return
    if (!this.connection.stream) return this.launch(bytes, credit, row)
    const link = this.lane.link
    const cuts = this.medium.streams(`slice/${link.from}>${link.to}/${this.connection.number}`, this.slices++)
    for (let at = 0; at < bytes.length;) {
      const length = Math.min(cuts.between(1, link.law.mtuBytes), bytes.length - at)
      this.launch(bytes.slice(at, at + length), Math.min(length, Math.max(0, credit - at)), row)
      at += length
    }
  }

  private launch(bytes: Uint8Array, credit: number, row: number): void {
    // What is lost and not sent again is a gap, which nothing behind it gets across.
    if (this.gapped) return this.noteDrop(this.remote, bytes.length, "behind a loss", row)
    const link = this.lane.link
    const fate = link.nextFate()
    if (fate.lost && link.law.lossOnConnection === "reset") {
      this.gapped = true
      this.noteDrop(this.remote, bytes.length, "loss", row)
      this.medium.timeline.schedule(
        fate.latencyMicros,
        () => causedBy(this.medium.recorder, row, () => this.reset("loss"))
      )
      return
    }
    if (fate.lost) this.noteDrop(this.remote, bytes.length, "loss, sent again", row)
    const copy = Slab.copy(bytes)
    this.lane.message({
      sizeBytes: copy.length,
      arrive: (own: Fate) => this.peer?.hear(own.corrupted ? corrupt(copy, own.extra()) : copy, credit, row),
      held: () => this.noteDrop(this.remote, copy.length, "held", row)
    }, fate)
  }

  /** Bytes of the other end arrived here. */
  private hear(bytes: Uint8Array, credit: number, cause: number): void {
    if (this.gone) {
      this.noteDrop(this.owner.node, bytes.length, "nobody is there", cause)
      this.peer?.watch()
      return
    }
    if (this.end !== undefined) return this.noteDrop(this.owner.node, bytes.length, "ended", cause)
    const crossing: Crossing = {
      connection: this.connection.number,
      address: this.connection.address,
      from: this.remote,
      to: this.owner.node,
      outward: !this.outward,
      bytes
    }
    const row = this.noteMessage("recv", crossing, cause)
    this.inbox.push({ bytes, credit })
    causedBy(this.medium.recorder, row, () => this.wake(this.readers))
  }

  private hearEnd(ended: Ended, kind: string, cause: number | undefined): void {
    if (this.gone || this.end !== undefined) return
    const row = this.note(kind, { from: this.remote, detail: ended.detail }, cause)
    if (!ended.clean) this.drain(row)
    causedBy(this.medium.recorder, row, () => this.finish(ended))
    this.medium.left(this)
  }

  /** The end of it travels behind what was written. */
  private tellEnd(ended: Ended, kind: string, cause: number | undefined): void {
    this.lane.sign(() => {
      this.peer?.hearEnd(ended, kind, cause)
      this.medium.left(this)
    })
  }

  private drain(cause: number): void {
    for (const { bytes } of this.inbox) this.noteDrop(this.owner.node, bytes.length, "reset", cause)
    this.inbox = []
  }

  private finish(ended: Ended): void {
    this.end = ended
    this.giveUpTimer?.()
    this.newsTimer?.()
    this.wake(this.readers)
    this.wake(this.writers)
  }

  /** The other end gets to know that so much was read: after a way back, if there is one. */
  private tell(bytes: number): void {
    const back = this.lane.link
    if (back.open) return this.peer?.learn(bytes, back.minimumMicros)
    if (this.peer !== undefined) this.peer.held++
    this.peer?.watch()
    back.whenOpen((delayMicros) => {
      if (this.peer !== undefined) this.peer.held--
      this.peer?.learn(bytes, delayMicros + back.minimumMicros)
    })
  }

  private learn(bytes: number, delayMicros: number): void {
    const atMicros = Math.max(this.medium.timeline.nowMicros() + delayMicros, this.news.at(-1)?.atMicros ?? 0)
    this.news.push({ atMicros, bytes })
    this.expectNews()
  }

  private expectNews(): void {
    const first = this.news[0]
    if (this.writers.length === 0 || this.newsTimer !== undefined || first === undefined) return
    const delay = Math.max(0, first.atMicros - this.medium.timeline.nowMicros())
    this.newsTimer = this.medium.timeline.schedule(delay, () => {
      this.newsTimer = undefined
      if (!this.full) this.wake(this.writers)
      this.expectNews()
    })
  }

  /** Whoever hears nothing back for long gives the connection up. */
  private watch(): void {
    if (this.medium.giveUpMicros === 0 || this.giveUpTimer !== undefined || this.end !== undefined || this.dead) return
    this.giveUpTimer = this.medium.timeline.schedule(this.medium.giveUpMicros, () => {
      this.giveUpTimer = undefined
      if (this.lane.waits || this.held > 0 || this.peer?.dead === true) this.reset("no answer")
    })
  }

  private wait(list: Array<() => void>, run: () => void, now: boolean): () => void {
    if (this.gone) return () => undefined
    if (now) {
      enter(this.owner, run)
      return () => undefined
    }
    list.push(run)
    return () => {
      const at = list.indexOf(run)
      if (at >= 0) list.splice(at, 1)
    }
  }

  private wake(list: Array<() => void>): void {
    for (const run of list.splice(0)) enter(this.owner, run)
  }

  private noteMessage(kind: "send" | "recv", crossing: Crossing, cause?: number): number {
    const type = this.medium.classify(crossing)
    const { connection, bytes: { length: bytes } } = crossing
    const { node } = this.owner
    const { recorder } = this.medium
    if (kind === "send") {
      const to = this.remote
      return recorder.note(node, kind, type === undefined ? { connection, to, bytes } : { connection, to, bytes, type })
    }
    const from = this.remote
    const payload = type === undefined ? { connection, from, bytes } : { connection, from, bytes, type }
    return recorder.note(node, kind, payload, cause)
  }

  private note(kind: string, payload: Readonly<Record<string, string | number>>, cause?: number): number {
    return this.medium.recorder.note(this.owner.node, kind, { connection: this.connection.number, ...payload }, cause)
  }

  private noteDrop(node: string, bytes: number, reason: string, cause: number): void {
    this.medium.recorder.note(node, "drop", { connection: this.connection.number, bytes, reason }, cause)
  }
}
