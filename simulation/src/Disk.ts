/**
 * The disk of one node. It outlives the node's processes.
 *
 * 1. What a sync answered for survives every crash, unless a fault destroys it; then the disk says so (`losses`).
 * 2. Bytes become durable by `sync` of their file, names (of new, renamed and removed files) by `syncDirectory`.
 * 3. A dead process reads nothing and changes nothing.
 * 4. What a crash leaves depends on the seed, the node, the number of the crash and what was pending; on nothing else.
 *
 * Operations happen at once; `Files.ts` makes Effects of them, which take their time.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Owner } from "./Connection.ts"
import { type Change, type CrashLaw, Image, isNaming, survivors } from "./DiskImage.ts"
import { drawLatency, type Latency, type Streams } from "./Link.ts"
import { type Seed, source } from "./Seed.ts"
import * as Slab from "./Slab.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"

/** `full`: no space (a part may be written); `corrupt`: what is there makes no sense; `unavailable`: anything else. */
export class DiskFailed extends Schema.TaggedError<DiskFailed>()("DiskFailed", {
  reason: Schema.Literals(["full", "corrupt", "unavailable"]),
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The disk failed in ${this.operation} (${this.reason}: ${this.detail}).`
  }
}

export type DiskReason = DiskFailed["reason"]

export type DiskKind = "append" | "write" | "read" | "truncate" | "rename" | "remove" | "sync" | "syncDirectory"

/** An operation, before and after it happens. `k` counts those of its kind, `n` all of them, both from 0. */
export interface DiskOperation {
  readonly kind: DiskKind
  readonly k: number
  readonly n: number
  readonly phase: "before" | "after"
  readonly file: string
  readonly bytes: number
}

export interface DiskLaw {
  /** How long an operation takes; one after the other. What is not named takes no time. */
  readonly latency: { readonly [kind in DiskKind]?: Latency }
  /** Chance that a read fails. */
  readonly readError: number
  /** Chance that a read answers less than was asked for. */
  readonly shortRead: number
  /** Chance that a write lands somewhere else. */
  readonly misdirected: number
  /** 0: no limit. */
  readonly quotaBytes: number
}

/** Something durable that a fault destroyed. */
export interface Loss {
  readonly kind: "lie" | "rot" | "misdirected" | "restore" | "eviction"
  readonly tMicros: number
  readonly file: string
}

export interface DiskOptions {
  readonly timeline: Timeline
  readonly seed: Seed
  readonly recorder: Recorder
  readonly node: string
  readonly law?: Partial<DiskLaw>
}

/** Kinds of rows. */
const ROW = {
  append: "disk.append",
  write: "disk.write",
  read: "disk.read",
  truncate: "disk.truncate",
  rename: "disk.rename",
  remove: "disk.remove",
  sync: "disk.sync",
  syncDirectory: "disk.syncDirectory"
} as const

const sound: DiskLaw = { latency: {}, readError: 0, shortRead: 0, misdirected: 0, quotaBytes: 0 }

type Answer<A> = Result.Result<A, DiskFailed>

interface Step {
  readonly kind: DiskKind
  readonly file: string
  readonly bytes: number
}

export class Disk {
  readonly node: string
  readonly timeline: Timeline
  law: DiskLaw
  private readonly recorder: Recorder
  private readonly streams: Streams
  /** What a process sees. */
  private live = new Image()
  /** What is there for good. */
  private durable = new Image()
  private pending: Array<Change> = []
  private lost: ReadonlyArray<Loss> = []
  private hooks: ReadonlyArray<(operation: DiskOperation) => DiskReason | void> = []
  private readonly counts = new Map<string, number>()
  private operations = 0
  private bodies = 0
  /** What all files take. */
  usedBytes = 0
  private lies = 0
  private crashes = 0
  private rots = 0
  private turns = 0
  private busyUntilMicros = 0

  constructor(options: DiskOptions) {
    this.node = options.node
    this.timeline = options.timeline
    this.recorder = options.recorder
    this.streams = source(options.seed)
    this.law = { ...sound, ...options.law }
  }

  /** What faults destroyed of what a sync had answered for. Empty: a program that loses something is wrong. */
  get losses(): ReadonlyArray<Loss> {
    return this.lost
  }

  /** The names of the files, in order. */
  list(owner: Owner): ReadonlyArray<string> {
    return owner.alive() ? [...this.live.bodyByFile.keys()].toSorted() : []
  }

  /** How long a file is; undefined when there is none. */
  sizeOf(owner: Owner, file: string): number | undefined {
    return owner.alive() ? this.live.file(file)?.length : undefined
  }

  /** Writes at the end, answers where. Makes the file when there is none. */
  append(owner: Owner, file: string, bytes: Uint8Array): Answer<number> {
    return this.perform(owner, { kind: "append", file, bytes: bytes.length }, () => {
      const offset = this.live.file(file)?.length ?? 0
      return Result.map(this.put(file, offset, bytes, "append"), () => offset)
    })
  }

  write(owner: Owner, file: string, offset: number, bytes: Uint8Array): Answer<void> {
    return this.perform(
      owner,
      { kind: "write", file, bytes: bytes.length },
      () => this.put(file, offset, bytes, "write")
    )
  }

  /** At most `length` bytes from an offset; less at the end, and less when the disk feels like it (never nothing). */
  read(owner: Owner, file: string, offset: number, length: number): Answer<Uint8Array> {
    return this.perform(owner, { kind: "read", file, bytes: length }, (k) => {
      const body = this.live.file(file)
      if (body === undefined) return failed("unavailable", "read", `there is no ${file}`)
      if (this.law.readError === 0 && this.law.shortRead === 0) return Result.succeed(body.read(offset, length))
      const draws = this.streams(`disk/${this.node}/read`, k)
      if (draws.chance(this.law.readError)) return failed("unavailable", "read", "a read error")
      const bytes = body.read(offset, length)
      return Result.succeed(
        draws.chance(this.law.shortRead) && bytes.length > 1
          ? bytes.slice(0, draws.between(1, bytes.length - 1))
          : bytes
      )
    })
  }

  truncate(owner: Owner, file: string, length: number): Answer<void> {
    return this.perform(owner, { kind: "truncate", file, bytes: length }, () => {
      const body = this.live.bodyByFile.get(file)
      const before = this.live.file(file)?.length ?? 0
      if (body === undefined || before <= length) return Result.void
      this.usedBytes -= before - length
      this.change({ kind: "truncate", body, length, promised: false })
      return Result.void
    })
  }

  /** Another name, in place of what had it. */
  rename(owner: Owner, file: string, to: string): Answer<void> {
    return this.perform(owner, { kind: "rename", file, bytes: 0 }, () => {
      const body = this.live.bodyByFile.get(file)
      if (body === undefined) return failed("unavailable", "rename", `there is no ${file}`)
      if (to === file) return Result.void
      this.usedBytes -= this.live.file(to)?.length ?? 0
      this.change({ kind: "name", file: to, body, before: file, promised: false })
      return Result.void
    })
  }

  remove(owner: Owner, file: string): Answer<void> {
    return this.perform(owner, { kind: "remove", file, bytes: 0 }, () => {
      const body = this.live.file(file)
      if (body === undefined) return Result.void
      this.usedBytes -= body.length
      this.change({ kind: "unname", file, promised: false })
      return Result.void
    })
  }

  /** Makes the bytes of a file durable. */
  sync(owner: Owner, file: string): Answer<void> {
    return this.perform(owner, { kind: "sync", file, bytes: 0 }, () => {
      const id = this.live.bodyByFile.get(file)
      if (id === undefined) return failed("unavailable", "sync", `there is no ${file}`)
      this.settle((change) => (change.kind === "write" || change.kind === "truncate") && change.body === id)
      return Result.void
    })
  }

  /** Makes all names durable. */
  syncDirectory(owner: Owner): Answer<void> {
    return this.perform(owner, { kind: "syncDirectory", file: "", bytes: 0 }, () => {
      this.settle(isNaming)
      return Result.void
    })
  }

  /** Takes a turn: after how many microseconds an operation that begins now is done. */
  turnMicros(kind: DiskKind): number {
    const latency = this.law.latency[kind]
    const turn = this.turns++
    if (latency === undefined) return 0
    const now = this.timeline.nowMicros()
    const takes = drawLatency(latency, this.streams(`disk/${this.node}/latency`, turn))
    if (takes === 0) return 0
    this.busyUntilMicros = Math.max(this.busyUntilMicros, now) + takes
    return this.busyUntilMicros - now
  }

  /** Is called before and after each operation: may kill the process there; before it, may let the operation fail. */
  onOperation(hook: (operation: DiskOperation) => DiskReason | void): () => void {
    this.hooks = [...this.hooks, hook]
    return () => {
      this.hooks = this.hooks.filter((other) => other !== hook)
    }
  }

  /** The machine lost its power: of what is not durable, a law says what survives. Its processes are dead by now. */
  crash(law: CrashLaw): void {
    const draws = this.streams(`disk/${this.node}/crash`, this.crashes++)
    const kept = survivors(this.pending, law, draws)
    const isKept = new Set(kept)
    for (const change of this.pending) {
      if (change.promised && !isKept.has(change)) {
        this.lose("lie", "file" in change ? change.file : this.nameOf(change.body))
      }
    }
    for (const change of kept) this.durable.apply(change)
    this.recorder.note(this.node, "disk.crash", { law: law.kind, pending: this.pending.length, kept: kept.length })
    this.reload(this.durable.copy())
  }

  /** From now on a sync answers and does nothing, until the answer is called. */
  lie(): () => void {
    this.lies++
    let done = false
    return () => {
      if (!done) this.lies--
      done = true
    }
  }

  /** Flips a bit of a file (of any, when none is named), for good. False when there is nothing to flip. */
  rot(file?: string): boolean {
    const draws = this.streams(`disk/${this.node}/rot`, this.rots++)
    const names = [...this.durable.bodyByFile.keys()].toSorted().filter((name) =>
      (file === undefined || name === file) && (this.durable.file(name)?.length ?? 0) > 0
    )
    if (names.length === 0) return false
    const name = draws.pick(names)
    const id = this.durable.bodyByFile.get(name) ?? -1
    const offset = draws.int(this.durable.body(id).length)
    const bit = draws.int(8)
    this.durable.body(id).flip(offset, bit)
    if (offset < this.live.body(id).length) this.live.body(id).flip(offset, bit)
    this.lose("rot", name)
    return true
  }

  /** Everything that is on it, as a process would see it: for looking at it from outside, now and not later. */
  contents(): ReadonlyArray<{ readonly file: string; readonly bytes: Uint8Array }> {
    return [...this.live.bodyByFile.keys()].toSorted().map((file) => ({
      file,
      bytes: this.live.file(file)?.view() ?? new Uint8Array(0)
    }))
  }

  /** What is durable now, to be put back later. */
  snapshot(): Image {
    return this.durable.copy()
  }

  /** An old backup is put back in place of everything. Its processes are dead by now. */
  restore(image: Image): void {
    this.lose("restore", "")
    this.reload(image.copy())
  }

  /** Everything is gone. Its processes are dead by now. */
  evict(): void {
    if (this.durable.bodyByFile.size > 0) this.lose("eviction", "")
    this.reload(new Image())
  }

  private perform<A>(owner: Owner, step: Step, run: (k: number) => Answer<A>): Answer<A> {
    const { bytes, file, kind } = step
    if (!owner.alive()) return dead(kind)
    const k = this.counts.get(kind) ?? 0
    const n = this.operations++
    this.counts.set(kind, k + 1)
    const reason = this.tellHooks({ ...step, k, n, phase: "before" })
    if (!owner.alive()) return dead(kind)
    if (kind !== "read") this.recorder.note(this.node, ROW[kind], { file, bytes })
    if (reason !== undefined) return failed(reason, kind, `failed at ${kind} ${k}`)
    const answer = run(k)
    this.tellHooks({ ...step, k, n, phase: "after" })
    return owner.alive() ? answer : dead(kind)
  }

  private tellHooks(operation: DiskOperation): DiskReason | undefined {
    let reason: DiskReason | undefined
    for (const hook of this.hooks) reason = hook(operation) ?? reason
    return reason
  }

  /** Writes what fits; misdirected, it lands somewhere else. */
  private put(file: string, offset: number, bytes: Uint8Array, kind: "append" | "write"): Answer<void> {
    const id = this.live.bodyByFile.get(file) ?? this.create(file)
    const body = this.live.body(id)
    const growth = Math.max(0, offset + bytes.length - body.length)
    const room = this.law.quotaBytes === 0 ? growth : Math.max(0, this.law.quotaBytes - this.usedBytes)
    const fits = growth <= room
    const written = fits ? Slab.copy(bytes) : bytes.slice(0, Math.max(0, bytes.length - (growth - room)))
    if (written.length > 0) {
      const target = this.aim(file, id, offset)
      const before = body.length
      this.change({ kind: "write", ...target, bytes: written, promised: false })
      this.usedBytes += body.length - before
    }
    return fits ? Result.void : failed("full", kind, `no more than ${this.law.quotaBytes} bytes`)
  }

  private aim(file: string, body: number, offset: number): { readonly body: number; readonly offset: number } {
    if (this.law.misdirected === 0) return { body, offset }
    const draws = this.streams(`disk/${this.node}/aim`, this.operations)
    if (!draws.chance(this.law.misdirected)) return { body, offset }
    this.lose("misdirected", file)
    return { body, offset: draws.int(offset + 1) }
  }

  private create(file: string): number {
    const body = this.bodies++
    this.change({ kind: "name", file, body, promised: false })
    return body
  }

  private change(change: Change): void {
    this.live.apply(change)
    this.pending.push(change)
  }

  private settle(isMeant: (change: Change) => boolean): void {
    if (this.lies > 0) {
      for (const change of this.pending) change.promised ||= isMeant(change)
      return
    }
    const left: Array<Change> = []
    for (const change of this.pending) {
      if (isMeant(change)) this.durable.apply(change)
      else left.push(change)
    }
    this.pending = left
  }

  private reload(durable: Image): void {
    this.durable = durable
    this.live = durable.copy()
    this.pending = []
    this.usedBytes = 0
    for (const file of durable.bodyByFile.keys()) this.usedBytes += durable.file(file)?.length ?? 0
  }

  private nameOf(body: number): string {
    for (const [file, id] of this.live.bodyByFile) {
      if (id === body) return file
    }
    return ""
  }

  private lose(kind: Loss["kind"], file: string): void {
    this.lost = [...this.lost, { kind, tMicros: this.timeline.nowMicros(), file }]
    this.recorder.note(this.node, "disk.loss", { kind, file })
  }
}

const failed = (reason: DiskReason, operation: string, detail: string): Result.Result<never, DiskFailed> =>
  Result.fail(new DiskFailed({ reason, operation, detail }))

const dead = (operation: string) => failed("unavailable", operation, "the process is dead")
