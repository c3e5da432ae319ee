/**
 * What will happen, in order of time, and of scheduling where times are equal.
 *
 * Two parts: a heap of four children each for what is later, and a ring for what is due at this very instant. Whatever
 * is in the heap for an instant was scheduled before the clock got there, so it comes before all that is in the ring.
 *
 * 1. Events leave in order of (time, scheduling). Time never goes back.
 * 2. An event that was taken back, or whose owner is dead, leaves without a trace: it does not even move the clock.
 */

/** Whose events they are. Those of an owner that is no longer alive never run. */
export interface Owner {
  readonly alive: boolean
}

export interface Event {
  /** Undefined once it ran or was taken back. */
  run: (() => void) | undefined
  readonly owner: Owner | undefined
  /** The trace row that the event is caused by. */
  cause: number | undefined
}

export class EventQueue {
  /** The time of the last event taken, in microseconds. */
  now = 0
  private times = new Float64Array(1024)
  private orders = new Float64Array(1024)
  private readonly events: Array<Event> = []
  private order = 0
  private due: Array<Event> = []
  private dueHead = 0

  /** Events inside, also those that will leave without a trace. */
  get size(): number {
    return this.events.length + this.due.length - this.dueHead
  }

  /** Adds an event `delayMicros` (an integer, not negative) from now. */
  add(event: Event, delayMicros: number): void {
    if (delayMicros === 0) this.due.push(event)
    else this.push(this.now + delayMicros, event)
  }

  /** The time of the next event that will run, or undefined. */
  next(): number | undefined {
    while (this.events.length > 0) {
      const first = this.events[0]
      if (first !== undefined && isLive(first)) break
      this.removeFirst()
    }
    const first = this.times[0]
    if (this.events.length > 0 && first === this.now) return this.now
    while (this.dueHead < this.due.length) {
      const event = this.due[this.dueHead]
      if (event !== undefined && isLive(event)) return this.now
      this.dueHead++
    }
    return this.events.length > 0 ? first : undefined
  }

  /** Takes the next event, moving `now` to it, unless it is later than `untilMicros` or there is none. */
  take(untilMicros: number): Event | undefined {
    const time = this.next()
    if (time === undefined || time > untilMicros) return undefined
    if (time === this.now && !(this.events.length > 0 && this.times[0] === time)) return this.takeDue()
    this.now = time
    return this.removeFirst()
  }

  private takeDue(): Event | undefined {
    const event = this.due[this.dueHead++]
    if (this.dueHead === this.due.length) {
      this.due.length = 0
      this.dueHead = 0
    } else if (this.dueHead === 4096) {
      this.due = this.due.slice(this.dueHead)
      this.dueHead = 0
    }
    return event
  }

  private push(time: number, event: Event): void {
    let at = this.events.length
    this.events.push(event)
    if (at === this.times.length) this.grow()
    const order = this.order++
    while (at > 0) {
      const parent = (at - 1) >> 2
      const parentTime = this.times[parent] ?? 0
      // The new event is the last of its instant, so an equal time stays above it.
      if (parentTime <= time) break
      this.move(parent, at)
      at = parent
    }
    this.set(at, time, order, event)
  }

  private removeFirst(): Event | undefined {
    const first = this.events[0]
    const last = this.events.length - 1
    const event = this.events.pop()
    if (last > 0 && event !== undefined) this.sink(this.times[last] ?? 0, this.orders[last] ?? 0, event)
    return first
  }

  /** Puts an event at the root and lets it sink to where it belongs. */
  private sink(time: number, order: number, event: Event): void {
    let at = 0
    for (;;) {
      const child = this.firstChild(at)
      const childTime = this.times[child] ?? Infinity
      if (child < 0 || childTime > time || (childTime === time && (this.orders[child] ?? 0) > order)) break
      this.move(child, at)
      at = child
    }
    this.set(at, time, order, event)
  }

  /** The child that comes before its siblings, or −1. */
  private firstChild(at: number): number {
    const { orders, times } = this
    let first = 4 * at + 1
    const end = Math.min(first + 4, this.events.length)
    if (first >= end) return -1
    for (let child = first + 1; child < end; child++) {
      const time = times[child] ?? 0
      const firstTime = times[first] ?? 0
      if (time < firstTime || (time === firstTime && (orders[child] ?? 0) < (orders[first] ?? 0))) first = child
    }
    return first
  }

  private move(from: number, to: number): void {
    const event = this.events[from]
    if (event !== undefined) this.set(to, this.times[from] ?? 0, this.orders[from] ?? 0, event)
  }

  private set(at: number, time: number, order: number, event: Event): void {
    this.times[at] = time
    this.orders[at] = order
    this.events[at] = event
  }

  private grow(): void {
    const [times, orders] = [new Float64Array(this.times.length * 2), new Float64Array(this.times.length * 2)]
    times.set(this.times)
    orders.set(this.orders)
    this.times = times
    this.orders = orders
  }
}

const isLive = (event: Event): boolean => event.run !== undefined && (event.owner === undefined || event.owner.alive)
