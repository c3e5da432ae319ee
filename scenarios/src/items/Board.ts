/**
 * What a device shows of the items of some collections, one for each way to merge: read anew whenever one changed, so that
 * a probe needs no more than what is here.
 */
import type * as Client from "@sotto/core/Client"
import type { ItemCollection, PastVersion } from "@sotto/core/collection/ItemCollection"
import type * as Collection from "@sotto/core/item/Collection"
import { counter } from "@sotto/core/item/merge/Counter"
import { custom } from "@sotto/core/item/merge/Custom"
import { lastWriter } from "@sotto/core/item/merge/LastWriter"
import * as Bytes from "@sotto/schema/Bytes"
import * as Utf8 from "@sotto/schema/Utf8"
import type * as Node from "@sotto/simulation/Node"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { collectionOf, KEYS, type Merge, MERGES } from "./Names.ts"

/** All parts that either version has, in order: the same on every device. */
const parts = (value: Uint8Array): ReadonlyArray<string> => (Utf8.decode(value) ?? "").split("+")
const both = custom(
  "both",
  ({ local, remote }) => Utf8.encode([...new Set([...parts(local), ...parts(remote)])].toSorted().join("+"))
)

/** What one item is on a device. */
interface Line {
  /** Its versions, those that nothing supersedes marked, and what they come to. */
  readonly text: string
  readonly versions: ReadonlyArray<string>
}

const STRATEGIES = { plain: undefined, last: lastWriter, both, counter: counter() } as const

const HISTORY_MAX = 1000

type Items = ItemCollection<Uint8Array>

/** The collections of a client that runs, and what they show. */
export class Board {
  readonly #collections: ReadonlyArray<readonly [Merge, Items]>
  readonly #lineByItem = new Map<string, Line>()
  readonly #unread = new Set<Merge>(MERGES)
  /** Items whose merge this device is to write down. */
  readonly #due = new Set<string>()
  readonly #askedByCollection = new Map<string, Queue.Queue<void>>()

  constructor({ items }: Client.Client["Service"]) {
    this.#collections = MERGES.map((name) => {
      const merge = STRATEGIES[name]
      return [name, items.collection(collectionOf(name), merge === undefined ? {} : { merge })] as const
    })
  }

  /** The collection that merges so. */
  of(merge: Merge): Items | undefined {
    return this.#collections.find(([name]) => name === merge)?.[1]
  }

  /** Whether everything was read at least once. */
  get isRead(): boolean {
    return this.#unread.size === 0
  }

  /** An item whose merge this device is to write down, if it may write. */
  get due(): string | undefined {
    const [first] = this.#due
    return first
  }

  /** One line for each item, in an order that is the same on all devices. */
  get state(): ReadonlyArray<string> {
    return [...this.#lineByItem.values()].map(({ text }) => text).toSorted()
  }

  /** Entries came, or were taken back: of a version behind a head, no change of the item tells. */
  readAgain(collections: Iterable<string> = this.#askedByCollection.keys()): void {
    for (const name of new Set(collections)) {
      const asked = this.#askedByCollection.get(name)
      if (asked !== undefined) Queue.offerUnsafe(asked, undefined)
    }
  }

  /** Keeps it as the items are, for as long as the device runs. */
  follow(host: Node.Base): Effect.Effect<unknown> {
    return Effect.forEach(
      this.#collections,
      ([name, collection]) =>
        Effect.flatMap(Queue.sliding<void>(1), (asked) => {
          this.#askedByCollection.set(collectionOf(name), asked)
          return this.#follow(host, name, collection, asked)
        }),
      { concurrency: "unbounded", discard: true }
    )
  }

  #follow(host: Node.Base, name: Merge, collection: Items, asked: Queue.Queue<void>): Effect.Effect<never> {
    const reading = Stream.runForEach(
      Stream.merge(collection.watch(), Stream.fromQueue(asked)),
      () => Effect.andThen(this.#read(name, collection), Effect.sync(() => this.#tell(host)))
    )
    // As an app that reads again when its storage failed for a moment.
    const again = Effect.matchEffect(reading, {
      onFailure: ({ _tag }) =>
        _tag === "Closed" ? Effect.never : Effect.andThen(
          Effect.sync(() => host.mark("items read again")),
          Effect.sleep(AGAIN_MILLIS)
        ),
      onSuccess: () => Effect.sleep(AGAIN_MILLIS)
    })
    return Effect.forever(again)
  }

  #read(name: Merge, collection: Items) {
    return Effect.gen({ self: this }, function*() {
      for (const key of KEYS) {
        const past = yield* collection.history(key, HISTORY_MAX)
        const { conflict, isSettler, shown } = yield* collection.view(key)
        const versions = past.map(({ id }) => id)
        // In conflict, each device shows its own version.
        const value = conflict === undefined ? textOf(shown) : "in conflict"
        const text = `${name}/${key} = ${value}: ${past.map(nameOf).toSorted().join(" ")}`
        const item = `${name}/${key}`
        if (past.length > 0) this.#lineByItem.set(item, { text, versions })
        else this.#lineByItem.delete(item)
        if (isSettler) this.#due.add(item)
        else this.#due.delete(item)
      }
      this.#unread.delete(name)
    })
  }

  #tell(host: Node.Base): void {
    host.observe("items", { versions: [...this.#lineByItem.values()].flatMap(({ versions }) => versions) })
  }
}

const AGAIN_MILLIS = 500

const textOf = (shown: Collection.Shown<Uint8Array>): string =>
  shown._tag === "Value" ? Bytes.toHex(shown.value) : shown._tag

const nameOf = ({ id, isHead }: PastVersion<Uint8Array>): string => `${isHead ? "*" : ""}${id.slice(0, 12)}`
