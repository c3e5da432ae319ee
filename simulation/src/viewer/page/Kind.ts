/**
 * What kinds of rows there are, by what a person wants to tell apart. A kind that nobody knows is read by its name, and
 * is an event in the worst case: nothing is hidden because it is new.
 */
export type Family =
  | "message"
  | "drop"
  | "connection"
  | "disk"
  | "life"
  | "death"
  | "fault"
  | "state"
  | "code"
  | "violation"
  | "event"

/** In the order in which they are drawn: what covers others comes last. */
export const families: ReadonlyArray<Family> = [
  "message",
  "drop",
  "connection",
  "disk",
  "fault",
  "life",
  "death",
  "state",
  "code",
  "violation",
  "event"
]

const known: { readonly [kind: string]: Family } = {
  send: "message",
  recv: "message",
  inject: "message",
  duplicate: "message",
  drop: "drop",
  withhold: "drop",
  dial: "connection",
  accept: "connection",
  open: "connection",
  close: "connection",
  closed: "connection",
  reset: "connection",
  unreachable: "connection",
  boot: "life",
  restart: "life",
  resume: "life",
  ready: "life",
  crash: "death",
  exit: "death",
  stop: "death",
  pause: "event",
  partition: "fault",
  heal: "fault",
  clog: "fault",
  unclog: "fault",
  probe: "state",
  mark: "state",
  apply: "state",
  answer: "state",
  violation: "violation"
}

const patterns: ReadonlyArray<readonly [RegExp, Family]> = [
  [/violat/, "violation"],
  [/^(disk|store|file)\b/, "disk"],
  [/^(fault|byzantine|lift|partition|clog|skew|jump|offline|phase)\b/, "fault"],
  [/^(span|log|trap|call|stall)\b/, "code"],
  [/^(probe|state|mark|observe|fact|workload|command)\b/, "state"],
  [/^(net|socket|connection)\b/, "connection"]
]

export const familyOf = (kind: string): Family => {
  const exact = Object.hasOwn(known, kind) ? known[kind] : undefined
  if (exact !== undefined) return exact
  const lower = kind.toLowerCase()
  return patterns.find(([pattern]) => pattern.test(lower))?.[1] ?? "event"
}

/** Rows of these kinds end what a node does until `upAgain`. */
export const isDown = (kind: string): boolean => kind === "crash" || kind === "exit"
export const isUpAgain = (kind: string): boolean => kind === "boot" || kind === "restart"
