/**
 * What crosses the network says no more than it was declared to say: it parses as a message of the protocol, with the
 * declared fields and no others, and the sizes of what is sealed fall into the declared steps.
 */
import type { Crossing } from "../Connection.ts"
import * as Invariant from "../Invariant.ts"

/** A message as whoever sits on the wire can read it. */
export interface Readable {
  readonly type: string
  readonly fields: ReadonlyArray<string>
  /** Sizes of what can not be read. */
  readonly sealedBytes: ReadonlyArray<number>
}

export interface Options {
  /** Undefined: no message of the protocol. */
  readonly read: (crossing: Crossing) => Readable | undefined
  /** The fields of each type of message. */
  readonly declared: { readonly [type: string]: ReadonlyArray<string> }
  /** Whether a size is one of the steps: all are. */
  readonly isPadded?: (sizeBytes: number) => boolean
  /** Only what crosses to or from these nodes. */
  readonly near?: (node: string) => boolean
}

export const make = (options: Options): Invariant.Invariant => {
  const isPadded = options.isPadded ?? (() => true)
  const near = options.near ?? (() => true)
  return Invariant.make("metadata budget", (world) => ({
    onCrossing: (crossing) => {
      if (!near(crossing.from) && !near(crossing.to)) return
      const complaint = complain(options.read(crossing), options.declared, isPadded)
      if (complaint !== undefined) world.violated(`${complaint} goes to ${crossing.to}`, crossing.from)
    }
  }))
}

const complain = (
  readable: Readable | undefined,
  declared: Options["declared"],
  isPadded: (sizeBytes: number) => boolean
): string | undefined => {
  if (readable === undefined) return "something that is no message of the protocol"
  const { fields, sealedBytes, type } = readable
  if (!Object.hasOwn(declared, type)) return `a message of a type that was not declared (${type})`
  const extra = fields.find((field) => declared[type]?.includes(field) !== true)
  if (extra !== undefined) return `a field that was not declared (${extra} of ${type})`
  const odd = sealedBytes.find((size) => !isPadded(size))
  return odd === undefined ? undefined : `something sealed of a telling size (${odd} bytes in ${type})`
}
