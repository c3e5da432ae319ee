/**
 * Spans and log lines of one process, as rows of the trace.
 *
 * 1. Ids of spans count; nothing of the machine is in them.
 * 2. The spans that are open tell where a process waits (Stall.ts).
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Recorder } from "./Trace.ts"

/** Longer texts are cut in the trace. */
const TEXT_MAX = 2_000

/** Tracer and logger of one process, and its open spans. */
export interface Telemetry {
  readonly tracer: Tracer.Tracer
  readonly logger: Logger.Logger<unknown, void>
  /** In order of their beginning. */
  readonly openSpans: ReadonlySet<Tracer.Span>
}

/** `number` tells the processes of a run apart: it is in the ids of their spans. */
export const make = (options: {
  readonly recorder: Recorder
  readonly node: string
  readonly number: number
}): Telemetry => {
  const openSpans = new Set<Tracer.Span>()
  const { node, recorder } = options
  let count = 0
  const tracer = Tracer.make({
    span: (span) => new VirtualSpan(span, { node, recorder, openSpans, id: options.number * 2 ** 32 + ++count })
  })
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    const texts = (Array.isArray(message) ? message : [message]).map(describe)
    if (cause.reasons.length > 0) texts.push(failure(cause))
    recorder.note(node, "log", { level: logLevel, message: cut(texts.join(" ")) })
  })
  return { tracer, logger, openSpans }
}

/** What a cause says in one line, without stacks, which name files of this machine. */
export const failure = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  return cut(describe(Cause.squash(cause)))
}

const describe = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value instanceof Error) return `${value.name}: ${value.message}`
  try {
    return JSON.stringify(value, (_key, inner: unknown) => typeof inner === "bigint" ? `${inner}n` : inner) ??
      String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

const cut = (text: string): string => text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`

type SpanOptions = Parameters<Tracer.Tracer["span"]>[0]

interface Setting {
  readonly node: string
  readonly recorder: Recorder
  readonly openSpans: Set<Tracer.Span>
  readonly id: number
}

class VirtualSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly annotations: Context.Context<never>
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  readonly sampled: boolean
  readonly kind: Tracer.SpanKind
  status: Tracer.SpanStatus
  private readonly setting: Setting
  private readonly row: number

  constructor(options: SpanOptions, setting: Setting) {
    this.setting = setting
    this.name = options.name
    this.parent = options.parent
    this.annotations = options.annotations
    this.links = options.links
    this.sampled = options.sampled
    this.kind = options.kind
    this.status = { _tag: "Started", startTime: options.startTime }
    this.spanId = setting.id.toString(16).padStart(16, "0")
    this.traceId = Option.getOrUndefined(options.parent)?.traceId ?? setting.id.toString(16).padStart(32, "0")
    setting.openSpans.add(this)
    const payload = { name: this.name, id: this.spanId, parent: Option.getOrUndefined(options.parent)?.spanId ?? null }
    this.row = setting.recorder.note(setting.node, "span.start", payload)
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (this.status._tag === "Ended") return
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    const { node, openSpans, recorder } = this.setting
    openSpans.delete(this)
    const error = exit._tag === "Failure" ? failure(exit.cause) : null
    const said = this.attributes.size === 0 ? {} : { attributes: cut(describe(Object.fromEntries(this.attributes))) }
    recorder.note(node, "span.end", { name: this.name, id: this.spanId, error, ...said }, this.row)
  }

  attribute(key: string, value: unknown): void {
    if (this.status._tag === "Started") this.attributes.set(key, value)
  }

  event(name: string): void {
    if (this.status._tag === "Ended") return
    this.setting.recorder.note(this.setting.node, "span.event", { name: cut(name), id: this.spanId }, this.row)
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    if (this.status._tag === "Started") { for (const link of links) this.links.push(link) }
  }
}
