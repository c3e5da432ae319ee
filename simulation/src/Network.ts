/**
 * A network in virtual time: nodes by name, addresses they listen at, connections and datagrams between them, and
 * whatever lies in between. Every directed pair of nodes has a link of its own (`Link.ts`).
 *
 * 1. Without a fault nothing is lost, doubled, overtaken or changed.
 * 2. Every byte that crosses is seen by every observer, and passes every tap before the link's own luck.
 * 3. Everything that crosses is a row: its sending, and its arrival or its loss with the sending as cause.
 *
 * Plain callbacks that run inside the process that asked, never after its death. `Socket.ts` makes Effects of them,
 * `Partition.ts` has the shapes of what can lie between.
 */
import type { Crossing, DeathNotice, End, Medium, Owner, Passed } from "./Connection.ts"
import { Datagrams, type DatagramSocket } from "./Datagrams.ts"
import { type Answer, Dial, type Exchange, type Listener } from "./Dial.ts"
import { Link, type LinkLaw, perfect, type Streams } from "./Link.ts"
import { type Seed, source } from "./Seed.ts"
import { Tally } from "./Tally.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"

/** What holds for the whole network. */
export interface NetworkLaw {
  /** A sender should wait while more than this is not read at the other end. */
  readonly queueBytesMax: number
  readonly connectTimeoutMicros: number
  /** A connection whose sender hears nothing back for so long is torn at that end. 0: never. */
  readonly giveUpMicros: number
  /** How the other end learns that a process died. `never`: the connection stays half open. */
  readonly deathNotice: DeathNotice
  /** What a node answers at an address where nobody listens: a refusal, or nothing. */
  readonly absent: "refuse" | "silence"
}

const usual: NetworkLaw = {
  queueBytesMax: 262_144,
  connectTimeoutMicros: 10_000_000,
  giveUpMicros: 60_000_000,
  deathNotice: { kind: "reset", afterMicros: 1_000 },
  absent: "refuse"
}

/** Some directed pairs of nodes. */
export type Pairs = (from: string, to: string) => boolean

/** An operation that a process is about to do; `k` counts those of its kind and node, from 0. */
export interface NetworkOperation {
  readonly kind: "connect" | "send"
  readonly node: string
  readonly k: number
}

/** Sits on the wire: what it answers goes on instead of the message. It may keep `crossing.bytes`, not change them. */
export type Tap = (crossing: Crossing) => ReadonlyArray<Passed>

export interface NetworkOptions {
  readonly timeline: Timeline
  readonly seed: Seed
  readonly recorder: Recorder
  readonly law?: Partial<NetworkLaw>
  /** The law of every link that nothing changes. */
  readonly link?: Partial<LinkLaw>
  /** Names what a message is, for rows. */
  readonly classify?: (crossing: Crossing) => string | undefined
}

interface Rule {
  readonly kind: "block" | "clog"
  readonly pairs: Pairs
}

interface Change {
  readonly pairs: Pairs
  readonly law: Partial<LinkLaw>
}

export class Network {
  readonly law: NetworkLaw
  readonly timeline: Timeline
  readonly recorder: Recorder
  private readonly streams: Streams
  private readonly base: LinkLaw
  private readonly medium: Medium
  private readonly exchange: Exchange
  private readonly datagrams: Datagrams
  private readonly links = new Map<string, Link>()
  private readonly nodeByAddress = new Map<string, string>()
  private readonly listeners = new Map<string, Listener>()
  private readonly ends = new Set<End>()
  private readonly offlineNodes = new Map<string, number>()
  private readonly tally = new Tally()
  private rules: ReadonlyArray<Rule> = []
  private changes: ReadonlyArray<Change> = []
  private taps: ReadonlyArray<{ readonly pairs: Pairs; readonly tap: Tap }> = []
  private observers: ReadonlyArray<(crossing: Crossing) => void> = []
  private hooks: ReadonlyArray<(operation: NetworkOperation) => "fail" | void> = []
  private connections = 0

  constructor(options: NetworkOptions) {
    this.law = { ...usual, ...options.law }
    this.base = { ...perfect, ...options.link }
    this.timeline = options.timeline
    this.recorder = options.recorder
    this.streams = source(options.seed)
    const classify = options.classify ?? (() => undefined)
    const pass = (crossing: Crossing) => this.pass(crossing)
    this.medium = {
      timeline: this.timeline,
      recorder: this.recorder,
      streams: this.streams,
      queueBytesMax: this.law.queueBytesMax,
      giveUpMicros: this.law.giveUpMicros,
      deathNotice: this.law.deathNotice,
      classify,
      pass,
      permit: (kind, node) => this.permit(kind, node),
      left: (end) => this.ends.delete(end)
    }
    const link = (from: string, to: string) => this.link(from, to)
    const nodeOf = (address: string) => this.nodeByAddress.get(address)
    this.datagrams = new Datagrams({ ...this.medium, link, nodeOf, name: (at, node) => this.name(at, node) })
    this.exchange = {
      medium: this.medium,
      link,
      listenerAt: (address) => this.listeners.get(address),
      joined: (end) => this.ends.add(end),
      refuses: this.law.absent === "refuse",
      timeoutMicros: this.law.connectTimeoutMicros
    }
  }

  /** The link of a directed pair. */
  link(from: string, to: string): Link {
    const key = `${from}>${to}`
    const known = this.links.get(key)
    if (known !== undefined) return known
    const link = new Link(this.streams, from, to, this.lawOf(from, to))
    for (const rule of this.rules) {
      if (!rule.pairs(from, to)) continue
      if (rule.kind === "block") link.block(this.timeline.nowMicros())
      else link.clog()
    }
    this.links.set(key, link)
    return link
  }

  /** Says which node an address leads to. Listening there says it too. */
  name(address: string, node: string): void {
    this.nodeByAddress.set(address, node)
  }

  /** Takes connections at an address; the answer stops it. Undefined when a living process listens there already. */
  listen(owner: Owner, address: string, onConnection: (end: End) => void): (() => void) | undefined {
    const before = this.listeners.get(address)
    if (before?.owner.alive() === true) return undefined
    this.name(address, owner.node)
    const listener = { owner, onConnection }
    this.listeners.set(address, listener)
    return () => {
      if (this.listeners.get(address) === listener) this.listeners.delete(address)
    }
  }

  /** Opens a connection. The answer gives it up while it is not open yet. */
  connect(owner: Owner, address: string, answer: Answer, options: { readonly stream?: boolean } = {}): () => void {
    const allowed = this.permit("connect", owner.node)
    if (!owner.alive()) return () => undefined
    const node = this.nodeByAddress.get(address)
    const number = ++this.connections
    const row = this.recorder.note(owner.node, "dial", { connection: number, address })
    const dial = new Dial(this.exchange, owner, { number, address, stream: options.stream === true }, row, answer)
    if (!allowed || this.offlineNodes.has(owner.node)) this.timeline.schedule(0, () => dial.fail("network"))
    else if (node === undefined) this.timeline.schedule(0, () => dial.fail("unknown"))
    else dial.start(node)
    return () => dial.giveUp()
  }

  /** A process of the node takes and sends datagrams at an address. */
  bind(
    owner: Owner,
    address: string,
    onDatagram: (bytes: Uint8Array, from: string) => void
  ): DatagramSocket | undefined {
    return this.datagrams.bind(owner, address, onDatagram)
  }

  /** The process died hard: nothing of it runs or is heard of again. */
  kill(owner: Owner, notice: DeathNotice = this.law.deathNotice): void {
    for (const end of this.ends) {
      if (end.owner !== owner) continue
      this.ends.delete(end)
      end.kill(notice)
    }
    for (const [address, listener] of this.listeners) {
      if (listener.owner === owner) this.listeners.delete(address)
    }
    this.datagrams.kill(owner)
  }

  /** What a process still has of the network: open connections, and addresses that it listens at. */
  held(owner: Owner): ReadonlyArray<string> {
    const open = [...this.ends].filter((end) => end.owner === owner && end.ended === undefined)
    const listening = [...this.listeners].filter(([, listener]) => listener.owner === owner)
    return [
      ...open.map((end) => `connection ${end.connection.number} to ${end.remote}`),
      ...listening.map(([address]) => `listener at ${address}`)
    ]
  }

  /** Tears the open connections of these pairs, as a box on the way does when it forgets them. */
  tear(pairs: Pairs): void {
    for (const end of this.ends) {
      if (pairs(end.owner.node, end.remote)) end.reset("torn on the way")
    }
  }

  /** Nothing of these pairs gets through: a partition. The answer lifts it; what else lies there stays. */
  block(pairs: Pairs): () => void {
    return this.impose("block", pairs)
  }

  /** Everything of these pairs waits where it is. The answer lets it go on. */
  clog(pairs: Pairs): () => void {
    return this.impose("clog", pairs)
  }

  /** The node has no network at all: what it opens fails at once. The answer brings it back. */
  offline(node: string): () => void {
    this.offlineNodes.set(node, (this.offlineNodes.get(node) ?? 0) + 1)
    const lift = this.block((from, to) => from === node || to === node)
    return once(() => {
      const left = (this.offlineNodes.get(node) ?? 1) - 1
      if (left === 0) this.offlineNodes.delete(node)
      else this.offlineNodes.set(node, left)
      lift()
    })
  }

  /** Another law for these pairs, on top of what holds. The answer takes it back. */
  change(pairs: Pairs, law: Partial<LinkLaw>): () => void {
    const change = { pairs, law }
    this.changes = [...this.changes, change]
    this.applyLaws()
    return once(() => {
      this.changes = this.changes.filter((other) => other !== change)
      this.applyLaws()
    })
  }

  /** Somebody on the wire. Several pass a message on to each other, in the order in which they came. */
  tap(pairs: Pairs, tap: Tap): () => void {
    const entry = { pairs, tap }
    this.taps = [...this.taps, entry]
    return once(() => {
      this.taps = this.taps.filter((other) => other !== entry)
    })
  }

  /** Sees every message that is put on a wire, after the taps. */
  observe(observer: (crossing: Crossing) => void): () => void {
    this.observers = [...this.observers, observer]
    return once(() => {
      this.observers = this.observers.filter((other) => other !== observer)
    })
  }

  /** Is called before each operation: may kill the process there, or let the operation fail. */
  onOperation(hook: (operation: NetworkOperation) => "fail" | void): () => void {
    this.hooks = [...this.hooks, hook]
    return once(() => {
      this.hooks = this.hooks.filter((other) => other !== hook)
    })
  }

  private impose(kind: Rule["kind"], pairs: Pairs): () => void {
    const rule = { kind, pairs }
    this.rules = [...this.rules, rule]
    for (const link of this.links.values()) {
      if (!pairs(link.from, link.to)) continue
      if (kind === "block") link.block(this.timeline.nowMicros())
      else link.clog()
    }
    return once(() => {
      this.rules = this.rules.filter((other) => other !== rule)
      for (const link of this.links.values()) {
        if (!pairs(link.from, link.to)) continue
        if (kind === "block") link.unblock(this.timeline.nowMicros())
        else link.unclog()
      }
    })
  }

  private lawOf(from: string, to: string): LinkLaw {
    let law = this.base
    for (const change of this.changes) {
      if (change.pairs(from, to)) law = { ...law, ...change.law }
    }
    return law
  }

  private applyLaws(): void {
    for (const link of this.links.values()) link.law = this.lawOf(link.from, link.to)
  }

  private pass(crossing: Crossing): ReadonlyArray<Passed> {
    let passed: ReadonlyArray<Passed> = [crossing]
    for (const { pairs, tap } of this.taps) {
      if (!pairs(crossing.from, crossing.to)) continue
      passed = passed.flatMap(({ bytes, delayMicros = 0 }) =>
        tap({ ...crossing, bytes }).map((next) => ({
          bytes: next.bytes,
          delayMicros: delayMicros + (next.delayMicros ?? 0)
        }))
      )
    }
    for (const observer of this.observers) {
      for (const { bytes } of passed) observer(bytes === crossing.bytes ? crossing : { ...crossing, bytes })
    }
    return passed
  }

  private permit(kind: NetworkOperation["kind"], node: string): boolean {
    const k = this.tally.next(node, kind)
    let permitted = true
    for (const hook of this.hooks) permitted = hook({ kind, node, k }) !== "fail" && permitted
    return permitted
  }
}

/** Runs the first time it is called only. */
const once = (run: () => void): () => void => {
  let done = false
  return () => {
    if (!done) run()
    done = true
  }
}
