/**
 * Core's `RelayStore`, durable on the simulator's disk: `MemoryRelayStore` as a state machine, and a journal of what it
 * was asked to do.
 *
 * 1. An operation is in the journal, durable, before it is done; so it answers, and is seen, only when it is durable.
 * 2. Operations are done in the order of the journal. All that share a sync are done before the first of them answers,
 *    and each answers with the route as the last of them left it.
 * 3. Reading never waits for the disk, and sees only what is durable.
 * 4. Opening does again what the journal says, which gives the same state: time and ids are in the operations.
 * 5. A journal that a disk broke is opened again by the next operation (`Mended`). What it holds and was not done, since it
 *    was said to have failed, is done then, in its place.
 */
import type { Crypto } from "@sotto/core/Crypto"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { type Appended, RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Codec from "@sotto/schema/Codec"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId } from "@sotto/schema/Id"
import { CapabilityKeys, Retention } from "@sotto/schema/Relay"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "@sotto/schema/Wire"
import type { DiskFailed } from "@sotto/simulation/Disk"
import type * as Files from "@sotto/simulation/Files"
import * as Journal from "@sotto/simulation/Journal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Mended from "./Mended.ts"

type Service = RelayStore["Service"]
type Opening = Parameters<Service["open"]>[0]
type Append = Parameters<Service["append"]>[0]
type Sweep = Parameters<Service["sweep"]>[0]

const FILE = "relay"
const MANY = 0xffff_ffff
const Millis = Schema.NullOr(uint())

/** What was done to a relay's storage. */
const Operation = Schema.Union([
  tagged("Open", 1, {
    route: RouteId,
    epoch: Epoch,
    keys: CapabilityKeys,
    retention: Retention,
    quotaBytes: uint()
  }),
  tagged("Append", 2, {
    route: RouteId,
    envelopes: boundedArray(Schema.Struct({ id: EnvelopeId, lane: Lane, bytes: boundedBytes(MANY) }), MANY),
    nowMillis: uint(),
    expiresMillis: Millis
  }),
  tagged("SetEpoch", 3, {
    route: RouteId,
    before: Epoch,
    epoch: Epoch,
    keys: CapabilityKeys,
    previousOpHash: fixedBytes(32),
    opHash: fixedBytes(32),
    force: Schema.Boolean,
    nowMillis: uint()
  }),
  tagged("Ack", 4, { route: RouteId, tag: AckTag, position: Position, nowMillis: uint() }),
  tagged("Prune", 5, {
    route: RouteId,
    ids: boundedArray(EnvelopeId, MANY),
    nowMillis: uint(),
    expiresMillis: uint()
  }),
  tagged("Sweep", 6, { nowMillis: uint(), activeSinceMillis: uint(), knownSinceMillis: uint(), limit: uint() }),
  tagged("Secret", 7, { name: boundedText(256), value: boundedBytes(MANY) }),
  tagged("Aside", 8, {
    route: RouteId,
    writes: boundedArray(
      Schema.Struct({ key: boundedBytes(MANY), value: Schema.NullOr(boundedBytes(MANY)) }),
      MANY
    )
  })
])
type Operation = typeof Operation.Type

const codec = Codec.make(Operation, "Operation")

const failed = ({ detail, operation, reason }: DiskFailed): RelayStoreFailed =>
  new RelayStoreFailed({ reason, operation, detail })

const appendOf = (append: Append): Operation => ({
  _tag: "Append",
  ...append,
  expiresMillis: append.expiresMillis ?? null
})

/** Does one operation of the journal again. */
const redo = (store: Service, operation: Operation): Effect.Effect<unknown, unknown> => {
  switch (operation._tag) {
    case "Open":
      return store.open(operation)
    case "Append":
      return store.append({ ...operation, expiresMillis: operation.expiresMillis ?? undefined })
    case "SetEpoch":
      return store.setEpoch(operation)
    case "Ack":
      return store.ack(operation)
    case "Prune":
      return store.prune(operation)
    case "Sweep":
      return store.sweep(operation)
    case "Secret":
      return store.secret.set(operation.name, operation.value)
    case "Aside":
      return store.aside.write({
        ...operation,
        writes: operation.writes.map(({ key, value }) => value === null ? { key } : { key, value })
      })
  }
}

/** Does again what a journal says. */
export const redoAll = Effect.fnUntraced(function*(
  records: ReadonlyArray<Uint8Array>,
  store: Service
): Effect.fn.Return<void, RelayStoreFailed> {
  for (const record of records) {
    const operation = codec.decode(record)
    if (Result.isFailure(operation)) {
      return yield* new RelayStoreFailed({ reason: "corrupt", operation: "open", detail: operation.failure.reason })
    }
    yield* Effect.exit(redo(store, operation.success))
  }
})

/** Times that lie before 1970 are as good as 1970. */
const sinceEpoch = (millis: number): number => Math.max(0, millis)

/** Opens the storage of a disk, and makes it when there is none. */
export const open = Effect.fnUntraced(function*(
  files: Files.Files,
  crypto: Pick<Crypto["Service"], "sha256">
): Effect.fn.Return<Service, RelayStoreFailed> {
  const { journal, records } = yield* Effect.mapError(Journal.open(files, FILE), failed)
  const memory = MemoryRelayStore.make(crypto)
  yield* redoAll(records, memory)
  return RelayStore.of({ ...memory, ...writes(memory, appending(files, memory, { journal, done: records.length })) })
})

/** Adds a record to the journal. `durable` is called when it is, in the order of the records. */
type AppendRecord = (payload: Uint8Array, durable: () => void) => Effect.Effect<void, RelayStoreFailed>

/** Appends to the journal, and opens it again when it is broken. The first `done` of its records are done. */
const appending = (
  files: Files.Files,
  memory: Service,
  opened: { readonly journal: Journal.Journal; readonly done: number }
): AppendRecord => {
  let { done } = opened
  const again = Effect.gen(function*() {
    const { journal, records } = yield* Effect.mapError(Journal.open(files, FILE), failed)
    if (records.length < done) {
      const detail = `${FILE} has ${records.length} records, ${done} were done`
      return yield* new RelayStoreFailed({ reason: "corrupt", operation: "open", detail })
    }
    yield* redoAll(records.slice(done), memory)
    done = records.length
    return journal
  })
  const journal = Mended.make(opened.journal, again)
  return (payload, durable) =>
    Effect.flatMap(journal.sound, ({ append }) => {
      const appended = append(payload, () => {
        done++
        durable()
      })
      return Effect.mapError(appended, failed)
    })
}

/** The operations that change something. */
const writes = (memory: Service, record: AppendRecord) => {
  /** Makes an operation durable, then does it. What it answers, a refusal too, is what it answers at each restart. */
  const perform = <A, E>(operation: Operation, run: Effect.Effect<A, E>): Effect.Effect<A, E | RelayStoreFailed> =>
    Effect.suspend(() => {
      let answer: Exit.Exit<A, E> = Exit.interrupt()
      const durable = () => {
        answer = Effect.runSyncExit(run)
      }
      return Effect.andThen(
        record(codec.encode(operation), durable),
        Effect.suspend(() => answer)
      )
    })
  const append = (input: Append) =>
    Effect.flatMap(
      perform(appendOf(input), memory.append(input)),
      ({ stored }) =>
        Effect.map(memory.route(input.route), ({ chain, lowest, position }): Appended => ({
          stored,
          position,
          chain,
          lowest
        }))
    )
  const sweep = (input: Sweep) => {
    const when = {
      nowMillis: sinceEpoch(input.nowMillis),
      activeSinceMillis: sinceEpoch(input.activeSinceMillis),
      knownSinceMillis: sinceEpoch(input.knownSinceMillis),
      limit: input.limit
    }
    return perform({ _tag: "Sweep", ...when }, memory.sweep(when))
  }
  return {
    open: (input: Opening) => perform({ _tag: "Open", ...input }, memory.open(input)),
    append,
    setEpoch: (input) => perform({ _tag: "SetEpoch", ...input }, memory.setEpoch(input)),
    ack: (input) => perform({ _tag: "Ack", ...input }, memory.ack(input)),
    prune: (input) => perform({ _tag: "Prune", ...input }, memory.prune(input)),
    sweep,
    aside: {
      ...memory.aside,
      write: ({ route, writes }) =>
        perform(
          { _tag: "Aside", route, writes: writes.map(({ key, value }) => ({ key, value: value ?? null })) },
          memory.aside.write({ route, writes })
        )
    },
    secret: {
      get: memory.secret.get,
      set: (name, value) => perform({ _tag: "Secret", name, value }, memory.secret.set(name, value))
    }
  } satisfies Partial<Service>
}
