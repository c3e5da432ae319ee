/**
 * A set that devices add to and remove from at the same time; an add wins over a remove that did not know of it (an
 * observed-remove set without tombstones: Bieniusa et al., 2012, "An optimized conflict-free replicated set"). Each add has
 * a number of its device's own; the set also says how far it knows each device's numbers. So what one side lacks was
 * removed there if the side knows its number, and is new to it if not.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedBytes, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FoldOptions, joining, type Strategy } from "./Strategy.ts"

/** The `count`th add of a device; in `seen`, all up to it. */
const Dot = Schema.Struct({ device: DeviceId, count: uint() })
type Dot = typeof Dot.Type

/** An element, and the adds that made it one. */
const Member = Schema.Struct({
  element: boundedBytes(Limit.inlineValueBytesMax),
  dots: boundedArray(Dot, Limit.membersMax)
})
type Member = typeof Member.Type

/** `seen` and `dots` ascending by device, `members` by element. */
const Members = Schema.Struct({
  seen: boundedArray(Dot, Limit.membersMax),
  members: boundedArray(Member, Limit.inlineValueBytesMax)
})
type Members = typeof Members.Type

const codec = Codec.make(Members, "AddWinsSet")

const compareDots = (a: Dot, b: Dot): number => Bytes.compare(a.device, b.device) || a.count - b.count
const compareMembers = (a: Member, b: Member): number => Bytes.compare(a.element, b.element)

const isAscending = <A>(all: ReadonlyArray<A>, compare: (a: A, b: A) => number): boolean =>
  all.every((one, at) => {
    const before = all[at - 1]
    return before === undefined || compare(before, one) < 0
  })

/** How far a set knows each device's adds. */
type Seen = ReadonlyMap<string, number>

const seenOf = ({ seen }: Members): Seen => new Map(seen.map(({ count, device }) => [Bytes.toHex(device), count]))

const knows = (seen: Seen, { count, device }: Dot): boolean => count <= (seen.get(Bytes.toHex(device)) ?? 0)

const decode = (bytes: Uint8Array): Members | undefined => {
  const set = Result.getOrUndefined(codec.decode(bytes))
  if (set === undefined || !isAscending(set.members, compareMembers)) return undefined
  if (!isAscending(set.seen, (a, b) => Bytes.compare(a.device, b.device))) return undefined
  const seen = seenOf(set)
  const isWhole = ({ dots }: Member) =>
    dots.length > 0 && isAscending(dots, compareDots) && dots.every((dot) => dot.count > 0 && knows(seen, dot))
  return set.members.every(isWhole) ? set : undefined
}

/** The bytes of a set; undefined when more devices added to it than a space has members. */
const encode = (set: Members): Uint8Array | undefined => {
  const isTooLarge = set.seen.length > Limit.membersMax ||
    set.members.some(({ dots }) => dots.length > Limit.membersMax)
  return isTooLarge ? undefined : codec.encode(set)
}

/** Dots of one side that the other has too, or does not know yet. */
const kept = (dots: ReadonlyArray<Dot>, others: ReadonlyArray<Dot>, seen: Seen): ReadonlyArray<Dot> =>
  dots.filter((dot) => !knows(seen, dot) || others.some((other) => compareDots(dot, other) === 0))

const joinDots = (a: ReadonlyArray<Dot>, b: ReadonlyArray<Dot>): ReadonlyArray<Dot> => {
  const all = [...a, ...b].sort(compareDots)
  return all.filter((dot, at) => {
    const before = all[at - 1]
    return before === undefined || compareDots(before, dot) !== 0
  })
}

const joinSeen = (a: Members, b: Members): ReadonlyArray<Dot> => {
  const byDevice = new Map<string, Dot>()
  for (const dot of [...a.seen, ...b.seen]) {
    const device = Bytes.toHex(dot.device)
    if (dot.count > (byDevice.get(device)?.count ?? -1)) byDevice.set(device, dot)
  }
  return [...byDevice.values()].sort(compareDots)
}

const join = (a: Members, b: Members): Members => {
  const [seenByA, seenByB] = [seenOf(a), seenOf(b)]
  const dotsOf = ({ members }: Members) =>
    new Map(members.map(({ dots, element }) => [Bytes.toHex(element), { dots, element }]))
  const [byA, byB] = [dotsOf(a), dotsOf(b)]
  const members: Array<Member> = []
  for (const [hex, { element }] of new Map([...byA, ...byB])) {
    const [ofA, ofB] = [byA.get(hex)?.dots ?? [], byB.get(hex)?.dots ?? []]
    const dots = joinDots(kept(ofA, ofB, seenByB), kept(ofB, ofA, seenByA))
    if (dots.length > 0) members.push({ element, dots })
  }
  return { seen: joinSeen(a, b), members: members.sort(compareMembers) }
}

/** Merges sets. */
export const addWinsSet = ({ onDelete = "conflict" }: FoldOptions = {}): Strategy =>
  joining({ name: "add-wins set", decode, encode, join, onDelete })

/** A set without elements that nobody added to. */
export const empty: Uint8Array = codec.encode({ seen: [], members: [] })

/** The elements of a set, ascending by their bytes; undefined for bytes that are none. */
export const elements = (value: Uint8Array): ReadonlyArray<Uint8Array> | undefined =>
  decode(value)?.members.map(({ element }) => element)

/** A set after this device added an element; undefined for bytes that are no set, and for one that no set holds. */
export const add = (value: Uint8Array, device: DeviceId, element: Uint8Array): Uint8Array | undefined => {
  const set = decode(value)
  if (set === undefined || element.length > Limit.inlineValueBytesMax) return undefined
  const dot = { device, count: (seenOf(set).get(Bytes.toHex(device)) ?? 0) + 1 }
  if (!Number.isSafeInteger(dot.count)) return undefined
  const others = without(set, element)
  const seen = joinSeen(set, { seen: [dot], members: [] })
  return encode({ seen, members: [...others, { element, dots: [dot] }].sort(compareMembers) })
}

/** A set after this device removed an element, as it knows it; undefined for bytes that are no set. */
export const remove = (value: Uint8Array, element: Uint8Array): Uint8Array | undefined => {
  const set = decode(value)
  return set === undefined ? undefined : encode({ seen: set.seen, members: without(set, element) })
}

const without = ({ members }: Members, element: Uint8Array): ReadonlyArray<Member> =>
  members.filter((member) => !Bytes.equals(member.element, element))
