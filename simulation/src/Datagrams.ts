/**
 * Datagrams: each is lost, doubled, overtaken or changed by itself, and nobody is told.
 *
 * 1. Without a fault each arrives once; two may still arrive in the other order when the latency varies.
 * 2. Who sends never waits, and learns nothing.
 */
import { causedBy, type Crossing, enter, type Medium, type Owner } from "./Connection.ts"
import { corrupt, type Fate, type Link } from "./Link.ts"

/** Sends and takes datagrams at one address. */
export interface DatagramSocket {
  readonly send: (address: string, bytes: Uint8Array) => void
  readonly close: () => void
}

/** What datagrams need of their network. */
export interface DatagramMedium extends Pick<Medium, "timeline" | "recorder" | "classify" | "pass" | "permit"> {
  readonly link: (from: string, to: string) => Link
  readonly nodeOf: (address: string) => string | undefined
  readonly name: (address: string, node: string) => void
}

interface Bound {
  readonly owner: Owner
  readonly onDatagram: (bytes: Uint8Array, from: string) => void
}

interface Sent {
  readonly crossing: Crossing
  readonly source: string
  readonly link: Link
  readonly row: number
}

export class Datagrams {
  private readonly medium: DatagramMedium
  private readonly boundByAddress = new Map<string, Bound>()

  constructor(medium: DatagramMedium) {
    this.medium = medium
  }

  /** A socket at an address. Undefined when a living process has it. */
  bind(owner: Owner, address: string, onDatagram: Bound["onDatagram"]): DatagramSocket | undefined {
    if (this.boundByAddress.get(address)?.owner.alive() === true) return undefined
    this.medium.name(address, owner.node)
    const bound = { owner, onDatagram }
    this.boundByAddress.set(address, bound)
    return {
      send: (to, bytes) => this.send(owner, address, to, bytes),
      close: () => {
        if (this.boundByAddress.get(address) === bound) this.boundByAddress.delete(address)
      }
    }
  }

  /** Takes the sockets of a process away. */
  kill(owner: Owner): void {
    for (const [address, bound] of this.boundByAddress) {
      if (bound.owner === owner) this.boundByAddress.delete(address)
    }
  }

  private send(owner: Owner, source: string, address: string, bytes: Uint8Array): void {
    if (!owner.alive() || !this.medium.permit("send", owner.node) || !owner.alive()) return
    const to = this.medium.nodeOf(address) ?? "nowhere"
    const crossing: Crossing = { connection: 0, address, from: owner.node, to, outward: true, bytes: bytes.slice() }
    const type = this.medium.classify(crossing)
    const payload = { to, datagram: address, bytes: bytes.length }
    const row = this.medium.recorder.note(owner.node, "send", type === undefined ? payload : { ...payload, type })
    const passed = this.medium.pass(crossing)
    if (passed.length === 0) this.drop(crossing, "withheld", row)
    const link = this.medium.link(owner.node, to)
    for (const { bytes: piece, delayMicros = 0 } of passed) {
      const sent: Sent = { crossing: { ...crossing, bytes: piece.slice() }, source, link, row }
      if (delayMicros === 0) this.launch(sent)
      else this.medium.timeline.schedule(delayMicros, () => this.launch(sent))
    }
  }

  private launch(sent: Sent): void {
    const { crossing, link, row } = sent
    const { law } = link
    const fate = link.nextFate()
    if (crossing.bytes.length > law.mtuBytes) return this.drop(crossing, "too long", row)
    if (link.blocked) return this.drop(crossing, "partition", row)
    const now = this.medium.timeline.nowMicros()
    const wire = link.transmit(now, crossing.bytes.length) - now
    if (fate.lost) this.drop(crossing, "loss", row)
    else {
      const lag = fate.overtaken ? fate.extra().between(1, Math.max(1, law.reorderLagMicros)) : 0
      this.medium.timeline.schedule(wire + fate.latencyMicros + lag, () => this.land(sent, fate))
    }
    if (!fate.duplicated) return
    this.medium.recorder.note(crossing.from, "duplicate", { to: crossing.to, datagram: crossing.address }, row)
    const lag = fate.extra().between(1, Math.max(1, law.duplicateLagMicros))
    this.medium.timeline.schedule(wire + fate.latencyMicros + lag, () => this.land(sent, fate))
  }

  private land(sent: Sent, fate: Fate): void {
    const { crossing, link, row, source } = sent
    if (link.blocked) return this.drop(crossing, "partition", row)
    if (!link.open) return link.whenOpen(() => this.medium.timeline.schedule(0, () => this.land(sent, fate)))
    const bound = this.boundByAddress.get(crossing.address)
    if (bound === undefined || bound.owner.node !== crossing.to || !bound.owner.alive()) {
      return this.drop(crossing, "nobody is there", row)
    }
    const bytes = fate.corrupted ? corrupt(crossing.bytes, fate.extra()) : crossing.bytes.slice()
    const type = this.medium.classify({ ...crossing, bytes })
    const payload = { from: crossing.from, datagram: crossing.address, bytes: bytes.length }
    const heard = this.medium.recorder.note(
      crossing.to,
      "recv",
      type === undefined ? payload : { ...payload, type },
      row
    )
    causedBy(this.medium.recorder, heard, () => enter(bound.owner, () => bound.onDatagram(bytes, source)))
  }

  private drop(crossing: Crossing, reason: string, cause: number): void {
    this.medium.recorder.note(crossing.to, "drop", {
      datagram: crossing.address,
      bytes: crossing.bytes.length,
      reason
    }, cause)
  }
}
