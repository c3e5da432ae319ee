/**
 * One direction of a connection: what is put in comes out once, in order, when the link lets it.
 *
 * 1. Nothing overtakes. A loss is a wait (for that item and all behind it), never a gap.
 * 2. While the link is closed, what would arrive is held; it arrives in order when the link is open again and the
 *    sender has noticed.
 * 3. What had not left when the sender died never arrives.
 */
import type { Fate, Link } from "./Link.ts"
import { retransmissionMicros } from "./Link.ts"
import type { Timeline } from "./Timeline.ts"

export interface Item {
  readonly sizeBytes: number
  readonly arrive: (fate: Fate) => void
  /** It is held by a closed link. */
  readonly held?: () => void
}

interface Flight {
  readonly item: Item
  readonly fate: Fate
  /** When the last copy of it leaves. */
  readonly departsMicros: number
  cancelled: boolean
}

export class Lane {
  readonly link: Link
  private readonly timeline: Timeline
  private readonly stalled: () => void
  private flying: Array<Flight> = []
  private held: Array<Flight> = []
  private lastDueMicros = 0
  /** Something was too long for a black hole: it is sent again for ever, and nothing comes after it. */
  private stuck = false

  /** `stalled` is called whenever something begins to wait for the link. */
  constructor(timeline: Timeline, link: Link, stalled: () => void) {
    this.timeline = timeline
    this.link = link
    this.stalled = stalled
  }

  /** Something waits for the link. */
  get waits(): boolean {
    return this.held.length > 0 || this.stuck
  }

  /** A message; `fate` is the next one of the link unless it was drawn before. */
  message(item: Item, fate: Fate = this.link.nextFate()): void {
    const law = this.link.law
    if (law.blackHoleBytes > 0 && item.sizeBytes > law.blackHoleBytes) this.stuck = true
    this.launch(item, fate)
  }

  /** A sign of the network itself. */
  sign(arrive: () => void): void {
    this.launch({ sizeBytes: 0, arrive }, this.link.nextSign())
  }

  /** The sender is gone: what has not left stays behind. */
  abandon(): void {
    const now = this.timeline.nowMicros()
    let gap = this.link.blocked
    for (const flight of this.flying) {
      gap ||= flight.departsMicros > now
      flight.cancelled ||= gap
    }
    if (this.link.blocked) {
      for (const flight of this.held) flight.cancelled = true
    }
  }

  private launch(item: Item, fate: Fate): void {
    if (this.stuck) {
      item.held?.()
      this.stalled()
      return
    }
    const now = this.timeline.nowMicros()
    const again = fate.lost ? retransmissionMicros(this.link.law, fate.extra()) : 0
    const departsMicros = this.link.transmit(now, item.sizeBytes) + again
    const flight: Flight = { item, fate, departsMicros, cancelled: false }
    const due = Math.max(this.lastDueMicros, departsMicros + fate.latencyMicros)
    this.lastDueMicros = due
    this.flying.push(flight)
    this.timeline.schedule(due - now, () => this.land())
  }

  /** Items land in the order in which they were launched, so the one that lands is the first that flies. */
  private land(): void {
    const flight = this.flying.shift()
    if (flight === undefined || flight.cancelled) return
    if (this.held.length > 0 || !this.link.open) this.hold(flight)
    else flight.item.arrive(flight.fate)
  }

  private hold(flight: Flight): void {
    this.held.push(flight)
    flight.item.held?.()
    if (this.held.length > 1) return
    this.stalled()
    this.awaitOpen()
  }

  private awaitOpen(): void {
    this.link.whenOpen((delayMicros) => {
      this.timeline.schedule(delayMicros, () => this.flush())
    })
  }

  private flush(): void {
    while (this.held.length > 0) {
      if (!this.link.open) return this.awaitOpen()
      const flight = this.held.shift()
      if (flight?.cancelled === false) flight.item.arrive(flight.fate)
    }
  }
}
