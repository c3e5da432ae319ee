/**
 * What is on a disk: files by name over bodies of bytes, the changes that have not reached it for good, and which of
 * them a crash lets survive.
 *
 * A name and the body it stands for become durable apart from each other, as on a real file system: a renamed file can
 * come back under its old name, a new one can be gone although its bytes were synced.
 */
import type { Draws } from "./Seed.ts"

/** Bytes that grow. */
export class Body {
  private bytes: Uint8Array
  length: number

  constructor(bytes: Uint8Array = new Uint8Array(0), length: number = bytes.length) {
    this.bytes = bytes
    this.length = length
  }

  /** Writes at an offset; what lies between the end and the offset is zero. */
  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length, 64))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(bytes, offset)
    this.length = Math.max(this.length, end)
  }

  truncate(length: number): void {
    if (length >= this.length) return
    this.bytes.fill(0, length, this.length)
    this.length = length
  }

  read(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, Math.min(this.length, offset + length))
  }

  /** All of it as it is now; whoever keeps it copies it. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  flip(offset: number, bit: number): void {
    this.bytes[offset] = (this.bytes[offset] ?? 0) ^ (1 << bit)
  }

  copy(): Body {
    return new Body(this.bytes.slice(0, this.length))
  }
}

export class Image {
  readonly bodyByFile: Map<string, number>
  readonly bodies: Map<number, Body>

  constructor(bodyByFile: Map<string, number> = new Map(), bodies: Map<number, Body> = new Map()) {
    this.bodyByFile = bodyByFile
    this.bodies = bodies
  }

  body(id: number): Body {
    const known = this.bodies.get(id)
    if (known !== undefined) return known
    const body = new Body()
    this.bodies.set(id, body)
    return body
  }

  file(file: string): Body | undefined {
    const id = this.bodyByFile.get(file)
    return id === undefined ? undefined : this.body(id)
  }

  /** A copy of what has a name. */
  copy(): Image {
    const bodies = new Map<number, Body>()
    for (const id of this.bodyByFile.values()) bodies.set(id, this.body(id).copy())
    return new Image(new Map(this.bodyByFile), bodies)
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "write":
        return this.body(change.body).write(change.offset, change.bytes)
      case "truncate":
        return this.body(change.body).truncate(change.length)
      case "name":
        this.bodyByFile.set(change.file, change.body)
        if (change.before !== undefined) this.bodyByFile.delete(change.before)
        return
      case "unname":
        this.bodyByFile.delete(change.file)
    }
  }
}

/** A change that has not reached the disk for good. `promised`: a sync said that it had. */
export type Change =
  | {
    readonly kind: "write"
    readonly body: number
    readonly offset: number
    readonly bytes: Uint8Array
    promised: boolean
  }
  | { readonly kind: "truncate"; readonly body: number; readonly length: number; promised: boolean }
  /** A file gets a body, and loses the name that it had before. */
  | { readonly kind: "name"; readonly file: string; readonly body: number; readonly before?: string; promised: boolean }
  | { readonly kind: "unname"; readonly file: string; promised: boolean }

/** It is about which name stands for what, not about bytes. */
export const isNaming = (change: Change): boolean => change.kind === "name" || change.kind === "unname"

/** What survives a crash of what no sync has made durable. */
export type CrashLaw =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  /** As far as the disk came. */
  | { readonly kind: "prefix" }
  /** As far as the disk came, in the middle of a write: short, or in full length with zeros or rubbish at its end. */
  | { readonly kind: "torn" }
  /** Each by itself: the disk wrote them in an order of its own. */
  | { readonly kind: "scattered"; readonly keep: number }
  /** One of the above. */
  | { readonly kind: "any" }

/** Which changes survive, in order. */
export const survivors = (pending: ReadonlyArray<Change>, law: CrashLaw, draws: Draws): ReadonlyArray<Change> => {
  switch (law.kind) {
    case "all":
      return pending
    case "none":
      return []
    case "prefix":
      return pending.slice(0, draws.between(0, pending.length))
    case "torn": {
      const whole = pending.slice(0, draws.between(0, pending.length))
      const next = pending[whole.length]
      return next?.kind === "write" ? [...whole, tear(next, draws)] : whole
    }
    case "scattered":
      return pending.filter(() => draws.chance(law.keep))
    case "any":
      return survivors(pending, draws.pick(laws), draws)
  }
}

const laws: ReadonlyArray<CrashLaw> = [
  { kind: "all" },
  { kind: "none" },
  { kind: "prefix" },
  { kind: "torn" },
  { kind: "scattered", keep: 0.5 }
]

const tear = (change: Change & { readonly kind: "write" }, draws: Draws): Change => {
  const { bytes } = change
  const whole = draws.int(Math.max(1, bytes.length))
  const end = draws.pick(["short", "zeros", "rubbish"] as const)
  if (end === "short") return { ...change, bytes: bytes.slice(0, whole), promised: false }
  const torn = end === "zeros" ? new Uint8Array(bytes.length) : draws.bytes(bytes.length)
  torn.set(bytes.subarray(0, whole))
  return { ...change, bytes: torn, promised: false }
}
