/**
 * How a connection comes about: a sign there, a sign back.
 *
 * 1. Who connects hears exactly one answer: the open end, or why there is none; and none after it gave up.
 * 2. Whoever listens may have accepted what the other side has given up meanwhile: it learns of that by a reset.
 */
import { causedBy, type ConnectionOptions, End, enter, type Medium, type Owner } from "./Connection.ts"
import { Lane } from "./Lane.ts"
import type { Link } from "./Link.ts"

/** `unknown`: the address leads nowhere. `network`: this node is offline. */
export type ConnectFailure = "unknown" | "refused" | "timeout" | "network"

/** What whoever connects hears, once. */
export interface Answer {
  readonly open: (end: End) => void
  readonly failed: (reason: ConnectFailure) => void
}

export interface Listener {
  readonly owner: Owner
  readonly onConnection: (end: End) => void
}

/** What a dial needs of its network. */
export interface Exchange {
  readonly medium: Medium
  readonly link: (from: string, to: string) => Link
  readonly listenerAt: (address: string) => Listener | undefined
  readonly joined: (end: End) => void
  readonly refuses: boolean
  readonly timeoutMicros: number
}

export class Dial {
  private readonly exchange: Exchange
  private readonly owner: Owner
  private readonly connection: ConnectionOptions
  private readonly row: number
  private answer: Answer | undefined
  private local: End | undefined
  private timer: (() => void) | undefined

  constructor(exchange: Exchange, owner: Owner, connection: ConnectionOptions, row: number, answer: Answer) {
    this.exchange = exchange
    this.owner = owner
    this.connection = connection
    this.row = row
    this.answer = answer
  }

  /** Knocks at a node. */
  start(node: string): void {
    const { joined, link, medium, timeoutMicros } = this.exchange
    const local = new End(medium, this.owner, this.connection, link(this.owner.node, node), true)
    this.local = local
    joined(local)
    this.timer = medium.timeline.schedule(timeoutMicros, () => this.fail("timeout"))
    local.sign(() => this.knock(node, local))
  }

  /** Answers that there is no connection. */
  fail(reason: ConnectFailure): void {
    const answer = this.take("gave up")
    if (answer === undefined || !this.owner.alive()) return
    const { recorder } = this.exchange.medium
    const row = recorder.note(this.owner.node, "unreachable", { address: this.connection.address, reason }, this.row)
    causedBy(recorder, row, () => enter(this.owner, () => answer.failed(reason)))
  }

  /** Whoever asked does not want it any more. */
  giveUp(): void {
    this.take("not wanted any more")
  }

  /** The one answer there is, if it was not given yet. */
  private take(detail: string | undefined): Answer | undefined {
    const answer = this.answer
    this.answer = undefined
    this.timer?.()
    if (answer !== undefined && detail !== undefined && this.owner.alive()) this.local?.reset(detail)
    return answer
  }

  private knock(node: string, local: End): void {
    const { joined, link, listenerAt, medium, refuses } = this.exchange
    const back = link(node, this.owner.node)
    const listener = listenerAt(this.connection.address)
    if (listener === undefined || listener.owner.node !== node || !listener.owner.alive()) {
      if (refuses) new Lane(medium.timeline, back, () => undefined).sign(() => this.fail("refused"))
      return
    }
    const remote = new End(medium, listener.owner, this.connection, back, false)
    joined(remote)
    local.meet(remote)
    remote.meet(local)
    const row = this.note(node, "accept", this.owner.node, this.row)
    remote.sign(() => this.opened(local, row))
    causedBy(medium.recorder, row, () => enter(listener.owner, () => listener.onConnection(remote)))
  }

  private opened(local: End, cause: number): void {
    if (!this.owner.alive()) return
    const answer = this.take(undefined)
    if (answer === undefined) return
    const row = this.note(this.owner.node, "open", local.remote, cause)
    causedBy(this.exchange.medium.recorder, row, () => enter(this.owner, () => answer.open(local)))
  }

  private note(node: string, kind: string, other: string, cause: number): number {
    const { address, number } = this.connection
    return this.exchange.medium.recorder.note(node, kind, { connection: number, address, other }, cause)
  }
}
