/**
 * The network as Effects, for the programs of one process.
 *
 * 1. Everything resumes inside the process that waits, and nothing once it is dead: a hard crash runs no finaliser.
 * 2. What arrived is not lost by an interruption: it stays for the next `receive`.
 * 3. `send` waits while more than a bound is queued, so at most one message per waiting sender is above it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type End, enter, type Owner } from "./Connection.ts"
import type { ConnectFailure } from "./Dial.ts"
import type { Network } from "./Network.ts"

/** The connection ended: `clean` when a side closed it in order. */
export class SocketClosed extends Schema.TaggedError<SocketClosed>()("SocketClosed", {
  clean: Schema.Boolean,
  detail: Schema.String
}) {
  override get message() {
    return `The connection ended (${this.detail}).`
  }
}

/** No connection came about. `unknown`: the address leads nowhere; `network`: this node is offline. */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  address: Schema.String,
  reason: Schema.Literals(["unknown", "refused", "timeout", "network"])
}) {
  override get message() {
    return `No connection to ${this.address} (${this.reason}).`
  }
}

/** A living process has this address. */
export class AddressTaken extends Schema.TaggedError<AddressTaken>()("AddressTaken", { address: Schema.String }) {
  override get message() {
    return `Somebody listens at ${this.address} already.`
  }
}

/** One open connection. */
export interface Socket {
  /** What arrived, at least one message (or slice, of a byte stream). */
  readonly receive: Effect.Effect<readonly [Uint8Array, ...Array<Uint8Array>], SocketClosed>
  /** Hands a message to the network; waits while more than a bound is queued there. */
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, SocketClosed>
  /** Ends it in order. */
  readonly close: Effect.Effect<void>
  /** Tears it. */
  readonly reset: Effect.Effect<void>
  /** The node at the other end. */
  readonly remote: string
  /** The number that rows call it by. */
  readonly connection: number
}

export interface Listener {
  /** The next connection that came; it ends with the scope. */
  readonly accept: Effect.Effect<Socket, never, Scope.Scope>
}

export interface DatagramSocket {
  /** The next datagram, and the address that it came from. */
  readonly receive: Effect.Effect<{ readonly bytes: Uint8Array; readonly from: string }>
  readonly send: (address: string, bytes: Uint8Array) => Effect.Effect<void>
}

/** The network as one process sees it. */
export interface Host {
  readonly connect: (
    address: string,
    options?: { readonly stream?: boolean }
  ) => Effect.Effect<Socket, ConnectFailed, Scope.Scope>
  readonly listen: (address: string) => Effect.Effect<Listener, AddressTaken, Scope.Scope>
  /** Takes and sends datagrams; more than `backlog` (1,024) that nobody took are lost. */
  readonly bind: (
    address: string,
    options?: { readonly backlog?: number }
  ) => Effect.Effect<DatagramSocket, AddressTaken, Scope.Scope>
}

/** Waits for a call back; an interruption takes it back. */
const untilCalled = (register: (run: () => void) => () => void): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const stop = register(() => resume(Effect.void))
    return Effect.sync(stop)
  })

const isFilled = <A>(items: ReadonlyArray<A>): items is readonly [A, ...Array<A>] => items.length > 0

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Takes what is there, or waits for it. Only the waiting can be interrupted, so that nothing is taken and lost. */
const taking = <A, E>(
  restore: Restore,
  take: () => Effect.Effect<A, E> | undefined,
  wait: (run: () => void) => () => void
): Effect.Effect<A, E> => {
  const loop: Effect.Effect<A, E> = Effect.suspend(() => take() ?? Effect.andThen(restore(untilCalled(wait)), loop))
  return loop
}

const takeWhenThere = <A, E>(
  take: () => Effect.Effect<A, E> | undefined,
  wait: (run: () => void) => () => void
): Effect.Effect<A, E> => Effect.uninterruptibleMask((restore) => taking(restore, take, wait))

/** Gets an end, whose waiting parts can be interrupted, and hands it to the scope in the same breath. */
const acquireEnd = <E>(get: (restore: Restore) => Effect.Effect<End, E>): Effect.Effect<End, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(get(restore), (end) => Effect.addFinalizer(() => Effect.sync(() => end.close())))
  )

/** The socket of an end. */
export const fromEnd = (end: End): Socket => {
  const closed = (): SocketClosed =>
    new SocketClosed(end.ended ?? { clean: false, detail: "the process of this end is dead" })
  const receive: Socket["receive"] = takeWhenThere(
    () => {
      const taken = end.read()
      if (isFilled(taken)) return Effect.succeed(taken)
      return end.ended === undefined ? undefined : Effect.fail(closed())
    },
    (run) => end.whenReadable(run)
  )
  const send = (bytes: Uint8Array): Effect.Effect<void, SocketClosed> =>
    Effect.suspend(() => {
      if (end.ended !== undefined) return Effect.fail(closed())
      if (end.full) return Effect.andThen(untilCalled((run) => end.whenWritable(run)), send(bytes))
      if (end.write(bytes)) return Effect.void
      return end.owner.alive() ? Effect.fail(closed()) : Effect.never
    })
  return {
    receive,
    send,
    close: Effect.sync(() => end.close()),
    reset: Effect.sync(() => end.reset()),
    remote: end.remote,
    connection: end.connection.number
  }
}

/** The network as a process sees it. */
export const host = (network: Network, owner: Owner): Host => ({
  connect: (address, options) =>
    Effect.map(acquireEnd((restore) => dial(network, owner, address, options, restore)), fromEnd),
  listen: (address) => listen(network, owner, address),
  bind: (address, options) => bind(network, owner, address, options?.backlog ?? 1_024)
})

/**
 * An interruption closes what was opened, also when it comes between the answer and whoever waits for it, and when a
 * process that was paused is told of the answer after the interruption.
 */
const dial = (
  network: Network,
  owner: Owner,
  address: string,
  options: { readonly stream?: boolean } | undefined,
  restore: Restore
): Effect.Effect<End, ConnectFailed> =>
  Effect.suspend(() => {
    let opened: End | undefined
    let unwanted = false
    let answer: Effect.Effect<End, ConnectFailed> | undefined
    let wake: () => void = () => undefined
    const answered = (effect: Effect.Effect<End, ConnectFailed>) => {
      answer = effect
      wake()
    }
    const giveUp = network.connect(owner, address, {
      open: (end) => {
        opened = end
        if (unwanted) end.close()
        else answered(Effect.succeed(end))
      },
      failed: (reason: ConnectFailure) => answered(Effect.fail(new ConnectFailed({ address, reason })))
    }, options)
    const wait = (run: () => void) => {
      if (answer === undefined) wake = run
      else run()
      return () => {
        wake = () => undefined
      }
    }
    return Effect.onInterrupt(taking(restore, () => answer, wait), () =>
      Effect.sync(() => {
        unwanted = true
        giveUp()
        opened?.close()
      }))
  })

/** Things that came and were not taken, and those who wait for one. */
class Arrivals<A> {
  readonly items: Array<A> = []
  private readonly owner: Owner
  private readonly takers: Array<() => void> = []

  constructor(owner: Owner) {
    this.owner = owner
  }

  readonly take: Effect.Effect<A> = Effect.uninterruptibleMask((restore) => this.takeWith(restore))

  /** As `take`, inside a region that can not be interrupted but by `restore`. */
  takeWith(restore: Restore): Effect.Effect<A> {
    const first = () => {
      const taken = this.items.splice(0, 1)
      return isFilled(taken) ? Effect.succeed(taken[0]) : undefined
    }
    return taking(restore, first, (run) => this.whenFilled(run))
  }

  offer(item: A): void {
    this.items.push(item)
    for (const taker of this.takers.splice(0)) enter(this.owner, taker)
  }

  /** At once when something came between the look and the wait. */
  private whenFilled(run: () => void): () => void {
    if (this.items.length > 0) {
      run()
      return () => undefined
    }
    this.takers.push(run)
    return () => {
      const at = this.takers.indexOf(run)
      if (at >= 0) this.takers.splice(at, 1)
    }
  }
}

const listen = (network: Network, owner: Owner, address: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.suspend(() => {
        const arrivals = new Arrivals<End>(owner)
        const stop = network.listen(owner, address, (end) => arrivals.offer(end))
        if (stop === undefined) return Effect.fail(new AddressTaken({ address }))
        return Effect.succeed({ arrivals, stop })
      }),
      ({ arrivals, stop }) =>
        Effect.sync(() => {
          stop()
          for (const end of arrivals.items.splice(0)) end.reset("not accepted")
        })
    ),
    ({ arrivals }): Listener => ({
      accept: Effect.map(acquireEnd((restore) => arrivals.takeWith(restore)), fromEnd)
    })
  )

const bind = (network: Network, owner: Owner, address: string, backlog: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.suspend(() => {
        const arrivals = new Arrivals<{ readonly bytes: Uint8Array; readonly from: string }>(owner)
        const socket = network.bind(owner, address, (bytes, from) => {
          if (arrivals.items.length < backlog) arrivals.offer({ bytes, from })
        })
        return socket === undefined
          ? Effect.fail(new AddressTaken({ address }))
          : Effect.succeed({ arrivals, socket })
      }),
      ({ socket }) => Effect.sync(() => socket.close())
    ),
    ({ arrivals, socket }): DatagramSocket => ({
      receive: arrivals.take,
      send: (to, bytes) => Effect.sync(() => socket.send(to, bytes))
    })
  )
