/**
 * An ordered set of texts in nodes that are read one by one: a B+ tree. Nodes are whatever keeps them, sealed or not; only
 * the way from the root is ever needed, and a change gives the nodes that are another one afterwards.
 *
 * 1. Texts are in the order of `Item.compareKeys`, in leaves of the same depth.
 * 2. A branch knows of each child a text that is not behind any of the child's, and behind all of those before it.
 * 3. No node is empty, and none holds more than `NODE_MAX`.
 */
import * as Codec from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedText, uint } from "@sotto/schema/Wire"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compareKeys } from "../Item.ts"

/** Texts of a leaf, or the children of a branch with what each begins with. */
export interface Node {
  readonly texts: ReadonlyArray<string>
  /** Null for a leaf. */
  readonly children: ReadonlyArray<number> | null
}

/** Texts of a node. */
export const NODE_MAX = 64
/** One with fewer joins its neighbour, if both fit. */
const NODE_MIN = 16

/** How nodes are read. */
export type Read<E> = (id: number) => Effect.Effect<Node, E>

// -- reading -----------------------------------------------------------------------------------------------------------

/** A stretch of the order. Both are to stay true once they are: `isBehind` from some text on, `isBefore` up to some text. */
export interface Stretch {
  readonly isBefore: (text: string) => boolean
  readonly isBehind: (text: string) => boolean
  readonly reverse: boolean
  readonly limit: number
}

/** Texts of a stretch, in their order, or from its end. */
export const select = Effect.fnUntraced(
  function*<E>(read: Read<E>, root: number, stretch: Stretch): Effect.fn.Return<ReadonlyArray<string>, E> {
    const found: Array<string> = []
    // Nodes that are still to be looked at, the next one last.
    const open = root === 0 ? [] : [root]
    for (let id = open.pop(); id !== undefined && found.length < stretch.limit; id = open.pop()) {
      const { children, texts } = yield* read(id)
      const first = firstIndex(texts, (text) => !stretch.isBefore(text))
      const end = firstIndex(texts, stretch.isBehind)
      if (children === null) {
        const inside = texts.slice(first, Math.max(first, end))
        const room = stretch.limit - found.length
        found.push(...(stretch.reverse ? inside.reverse() : inside).slice(0, room))
        continue
      }
      // The child before may reach into the stretch.
      const inside = children.slice(Math.max(0, first - 1), end)
      open.push(...(stretch.reverse ? inside : inside.reverse()))
    }
    return found
  }
)

/** The first place from which on `isThere` holds. */
const firstIndex = (texts: ReadonlyArray<string>, isThere: (text: string) => boolean): number => {
  let [low, high] = [0, texts.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isThere(texts[middle] ?? "")) high = middle
    else low = middle + 1
  }
  return low
}

// -- changing ----------------------------------------------------------------------------------------------------------

/** What a change comes to. */
export interface Changed {
  /** 0 when nothing is left. */
  readonly root: number
  /** The last number that was given. */
  readonly nodes: number
  /** Nodes that are another one now; undefined for those that are gone. */
  readonly nodeById: ReadonlyMap<number, Node | undefined>
}

/** Puts in the texts that are `true`, and takes out those that are `false`. */
export const change = Effect.fnUntraced(function*<E>(
  read: Read<E>,
  { nodes, root }: { readonly root: number; readonly nodes: number },
  isInByText: ReadonlyMap<string, boolean>
): Effect.fn.Return<Changed, E> {
  const edit = new Edit(read, nodes)
  const changes = [...isInByText].sort(([a], [b]) => compareKeys(a, b))
  let top = changes.length === 0 && root !== 0 ? [{ first: "", id: root }] : yield* edit.node(root, changes)
  while (top.length > 1) top = edit.place([], { texts: top.map(firstOf), children: top.map(idOf) })
  return { root: yield* edit.lowest(top[0]?.id ?? 0), nodes: edit.nodes, nodeById: edit.nodeById }
})

type Change = readonly [text: string, isIn: boolean]

interface Child {
  readonly first: string
  readonly id: number
}

const firstOf = ({ first }: Child): string => first
const idOf = ({ id }: Child): number => id

const EMPTY: Node = { texts: [], children: null }

/** A change under way. */
class Edit<E> {
  readonly nodeById = new Map<number, Node | undefined>()
  nodes: number
  readonly #stored: Read<E>

  constructor(stored: Read<E>, nodes: number) {
    this.#stored = stored
    this.nodes = nodes
  }

  #read(id: number): Effect.Effect<Node, E> {
    const node = this.nodeById.get(id)
    return node === undefined ? this.#stored(id) : Effect.succeed(node)
  }

  /** What a node, 0 for none, becomes: none, itself, or several. */
  node(id: number, changes: ReadonlyArray<Change>): Effect.Effect<ReadonlyArray<Child>, E> {
    return Effect.flatMap(id === 0 ? Effect.succeed(EMPTY) : this.#read(id), (node) => {
      if (node.children !== null) return this.#branch(id, node.texts, node.children, changes)
      const texts = merged(node.texts, changes)
      if (texts !== undefined) return Effect.succeed(this.place(id === 0 ? [] : [id], { texts, children: null }))
      return Effect.succeed(id === 0 ? [] : [{ first: node.texts[0] ?? "", id }])
    })
  }

  #branch(
    id: number,
    texts: ReadonlyArray<string>,
    ids: ReadonlyArray<number>,
    changes: ReadonlyArray<Change>
  ): Effect.Effect<ReadonlyArray<Child>, E> {
    return Effect.gen({ self: this }, function*() {
      const after: Array<Child> = []
      let from = 0
      for (const [at, child] of ids.entries()) {
        const next = texts[at + 1]
        const to = next === undefined ? changes.length : placeIn(changes, next, from)
        const before = { first: texts[at] ?? "", id: child }
        const became = to === from ? [before] : yield* this.node(child, changes.slice(from, to))
        from = to
        for (const one of became) yield* this.#append(after, one)
      }
      const isSame = after.length === ids.length &&
        after.every((child, at) => child.id === ids[at] && child.first === texts[at])
      if (isSame) return [{ first: texts[0] ?? "", id }]
      return this.place([id], { texts: after.map(firstOf), children: after.map(idOf) })
    })
  }

  /** Puts a node behind others, or into the last of them. */
  #append(children: Array<Child>, child: Child): Effect.Effect<void, E> {
    return Effect.map(this.#joined(children.at(-1), child), (joined) => {
      if (joined === undefined) children.push(child)
      else children.splice(-1, 1, joined)
    })
  }

  /** Whether this change made a node small. */
  #isSmall({ id }: Child): boolean {
    return (this.nodeById.get(id)?.texts.length ?? NODE_MAX) < NODE_MIN
  }

  /** Two neighbours as one, when one of them has become small, and both fit. */
  #joined(left: Child | undefined, right: Child): Effect.Effect<Child | undefined, E> {
    return Effect.gen({ self: this }, function*() {
      if (left === undefined || !(this.#isSmall(left) || this.#isSmall(right))) return undefined
      const [a, b] = [yield* this.#read(left.id), yield* this.#read(right.id)]
      if (a.texts.length + b.texts.length > NODE_MAX) return undefined
      const children = a.children === null || b.children === null ? null : [...a.children, ...b.children]
      this.nodeById.set(right.id, undefined)
      return this.place([left.id], { texts: [...a.texts, ...b.texts], children })[0]
    })
  }

  /** Puts what is to be a node into as many as it takes, the first of them under a number that there is. */
  place([id]: ReadonlyArray<number>, { children, texts }: Node): ReadonlyArray<Child> {
    if (id !== undefined && texts.length === 0) this.nodeById.set(id, undefined)
    const count = Math.ceil(texts.length / NODE_MAX)
    return Array.from({ length: count }, (_, part) => {
      const [from, to] = [part, part + 1].map((at) => Math.round(at * texts.length / count))
      const node = { texts: texts.slice(from, to), children: children === null ? null : children.slice(from, to) }
      const number = part === 0 && id !== undefined ? id : ++this.nodes
      this.nodeById.set(number, node)
      return { first: node.texts[0] ?? "", id: number }
    })
  }

  /** The first node, from here downwards, that is no way to a single other one. */
  lowest(id: number): Effect.Effect<number, E> {
    return Effect.gen({ self: this }, function*() {
      let top = id
      while (top !== 0) {
        const { children } = yield* this.#read(top)
        const [only] = children ?? []
        if (only === undefined || children?.length !== 1) return top
        this.nodeById.set(top, undefined)
        top = only
      }
      return top
    })
  }
}

/** The place of the first change, not before `low`, that is not before `text`. */
const placeIn = (changes: ReadonlyArray<Change>, text: string, low: number): number => {
  let at = low
  while (at < changes.length && compareKeys(changes[at]?.[0] ?? "", text) < 0) at++
  return at
}

/** Texts after some changes; undefined when they are the same. */
const merged = (texts: ReadonlyArray<string>, changes: ReadonlyArray<Change>): ReadonlyArray<string> | undefined => {
  const out: Array<string> = []
  let at = 0
  let isAnother = false
  for (const [text, isIn] of changes) {
    const to = at + firstIndex(texts.slice(at), (other) => compareKeys(other, text) >= 0)
    for (; at < to; at++) out.push(texts[at] ?? "")
    const isThere = texts[at] === text
    if (isThere) at++
    if (isIn) out.push(text)
    isAnother ||= isThere !== isIn
  }
  return isAnother ? [...out, ...texts.slice(at)] : undefined
}

// -- bytes -------------------------------------------------------------------------------------------------------------

/** What all texts of a node begin with stands once. */
const text = boundedText(Limit.collectionBytesMax + Limit.keyBytesMax + 256)

const nodeCodec = Codec.make(
  Schema.Struct({
    common: text,
    rests: boundedArray(text, NODE_MAX),
    children: Schema.NullOr(boundedArray(uint(), NODE_MAX))
  }),
  "ItemNodeRow"
)

/** A node as bytes. */
export const encode = ({ children, texts }: Node): Uint8Array => {
  const common = commonOf(texts[0] ?? "", texts.at(-1) ?? "")
  return nodeCodec.encode({ common, rests: texts.map((one) => one.slice(common.length)), children })
}

/** A node from bytes; undefined when they are none. */
export const decode = (bytes: Uint8Array): Node | undefined => {
  const decoded = nodeCodec.decode(bytes)
  if (Result.isFailure(decoded)) return undefined
  const { children, common, rests } = decoded.success
  return { texts: rests.map((rest) => common + rest), children }
}

/** What two texts begin with, cut so that both parts are well-formed. What stands between them begins with it, too. */
const commonOf = (first: string, last: string): string => {
  let length = 0
  while (length < first.length && first.charCodeAt(length) === last.charCodeAt(length)) length++
  const unit = length === 0 ? 0 : first.charCodeAt(length - 1)
  return first.slice(0, unit >= 0xd800 && unit <= 0xdbff ? length - 1 : length)
}
