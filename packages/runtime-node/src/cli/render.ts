/**
 * Events as text for people and as lines of JSON. Pure: the time zone is the only thing that it takes from the machine.
 *
 * Labels and values come from other devices: what would steer a terminal (control characters, marks that turn the
 * direction of writing) is shown, not obeyed.
 */
import type {
  Added,
  Check,
  CheckResult,
  CodeShown,
  ConflictLine,
  DeviceLine,
  EntryLine,
  Event,
  ItemEvent,
  Picture,
  ProblemLine,
  RelayEvent,
  RelayLine,
  StatusLine,
  Value,
  Verified,
  Version
} from "./Event.ts"

export interface Style {
  readonly color: boolean
  /** The rows of a text's QR code; undefined where none is drawn. */
  readonly qr: ((text: string) => ReadonlyArray<string>) | undefined
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const
type Ink = keyof typeof CODES

const paint = (style: Style, ink: Ink, text: string): string =>
  style.color ? `\u001b[${CODES[ink]}m${text}\u001b[0m` : text

const STEERING = /(?![\n\t])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Text that came from elsewhere, safe to show. */
const shown = (text: string): string =>
  text.replace(STEERING, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

const line = (text: string): string => shown(text).replace(/[\n\t]+/g, " ")

const quoted = (label: string): string => `"${line(label)}"`

/** As few symbols of an identifier as tell devices apart. */
const short = (id: string): string => id.slice(0, 12)

const clock = (iso: string): string =>
  new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(Date.parse(iso))

const minute = (iso: string): string => {
  const parts = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" })
  return parts.format(Date.parse(iso))
}

const pictures = (emoji: ReadonlyArray<Picture>): string =>
  emoji.map(({ name, symbol }) => `${symbol} ${name}`).join("   ")

const valueText = (value: Value): string => typeof value === "string" ? shown(value) : `base64:${value.base64}`

/** Explicit colours: a code that is drawn in the terminal's own is inverted on half of them. */
const qrOf = (style: Style, url: string): ReadonlyArray<string> =>
  (style.qr?.(url) ?? []).map((row) => style.color ? `\u001b[97;40m${row}\u001b[0m` : row)

const codeText = (style: Style, event: CodeShown): string =>
  [
    `${paint(style, "bold", "Step 1 of 3")}  On the new device run:`,
    `  sotto join ${paint(style, "bold", event.code)} --relay '${event.relay}'`,
    style.qr !== undefined ? "or scan:" : "or give it this link:",
    ...qrOf(style, event.url),
    `  ${event.url}`,
    `The code works once, until ${clock(event.expires)}. Show it to nobody else.`
  ].join("\n")

/** What a version says. */
const saidText = (style: Style, { action, value }: Pick<Version, "action" | "value">): string =>
  action === "put" && value !== null
    ? valueText(value)
    : paint(style, "dim", action === "delete" ? "(deleted)" : "(content)")

const nameText = ({ collection, key }: { readonly collection: string; readonly key: string }): string =>
  [collection, key].filter((part) => part !== "").map(line).join("/")

const itemText = (style: Style, event: ItemEvent): string =>
  `${paint(style, "bold", nameText(event))}  ${saidText(style, event)}` +
  (event.conflict ? `  ${paint(style, "yellow", "(in conflict: `sotto conflicts`)")}` : "")

const versionText = (style: Style, version: Version): string =>
  `${paint(style, "dim", `${version.id}  ${minute(version.time)}  ${short(version.device)}`)}  ${
    saidText(style, version)
  }`

const conflictText = (style: Style, event: ConflictLine): string =>
  [
    `${paint(style, "bold", nameText(event))}  ${event.versions.length} versions; the first is shown here:`,
    ...event.versions.map((version) => `  ${versionText(style, version)}`)
  ].join("\n")

const entryText = (style: Style, event: EntryLine): string => {
  const item = nameText(event)
  const what = saidText(style, event)
  const head = `${String(event.position ?? "–").padStart(6)}  ${minute(event.time)}  ${short(event.device)}`
  return `${paint(style, "dim", head)}  ${item === "" ? "" : `${paint(style, "bold", item)}  `}${what}`
}

const STATES: Record<StatusLine["state"], readonly [Ink, string]> = {
  synced: ["green", "all safe"],
  pending: ["yellow", "sending"],
  connecting: ["yellow", "connecting"],
  offline: ["yellow", "offline"],
  failed: ["red", "needs you"]
}

const plural = (noun: string): string => noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`

const counted = (count: number, noun: string): string => `${count} ${count === 1 ? noun : plural(noun)}`

/** What moved between this device and another side. */
const movedText = ({ received, sent }: { readonly received: number; readonly sent: number }): string =>
  received + sent === 0 ? "nothing new" : `${received} received, ${sent} sent`

const safetyText = (event: StatusLine): string => {
  if (event.pending > 0) return `${counted(event.pending, "change")} saved on this device, not yet at a relay`
  return event.state === "synced" ? "everything of this device is stored at a relay" : "nothing of this device waits"
}

const relayText = (relay: RelayLine): string => {
  const progress = `${relay.phase}, has ${relay.head}, received ${relay.received}`
  const retry = relay.retry === null ? "" : `; next try at ${clock(relay.retry)}`
  const failure = relay.failure === null ? "" : `\n         ${line(relay.failure.message)}`
  return `relay    ${relay.relay.split("#")[0]}  ${progress}${retry}${failure}`
}

const relayEventText = (style: Style, event: RelayEvent): string => {
  const [url = "", key = ""] = event.relay.split("#")
  const waits = event.pending === 0 ? "has everything of this device" : `lacks ${counted(event.pending, "entry")}`
  const retry = event.retry === null ? "" : `; next try at ${clock(event.retry)}`
  const trouble = [
    ...event.failure === null ? [] : [`    ${line(event.failure.message)}`],
    ...event.misbehaved === null
      ? []
      : [`    caught: ${event.misbehaved}; \`sotto relays trust ${short(key)}\` goes on with it`],
    ...event.gapped
      ? ["    not all of its log came from it: entries expired, were pruned, or are withheld"]
      : []
  ]
  const ink = event.phase === "live" ? "green" : event.phase === "stopped" ? "red" : "yellow"
  const head = `${paint(style, "bold", line(url))}  ${short(key)}  ${paint(style, ink, event.phase)}`
  return [`${head}  ${waits}; received ${event.received} of ${event.head}${retry}`, ...trouble].join("\n")
}

/** What came of a relay that is to have everything. */
const filledText = (style: Style, event: Pick<Added, "relay" | "pending" | "complete">, done: string): string => {
  const url = line(event.relay.split("#")[0] ?? "")
  return event.complete
    ? `${paint(style, "green", "✓")} ${url} ${done}, and has everything that this device has`
    : `${paint(style, "yellow", "!")} ${url} ${done}; ${counted(event.pending, "entry")} to be sent, while commands run`
}

const statusText = (style: Style, event: StatusLine): string => {
  const [ink, words] = STATES[event.state]
  return [
    `${quoted(event.label)}  ${paint(style, ink, words)}  ${safetyText(event)}`,
    ...event.relays.map(relayText),
    ...event.quarantined === 0
      ? []
      : [`aside    ${counted(event.quarantined, "envelope")} set aside; \`sotto doctor\` says why`],
    ...event.failure === null ? [] : [`problem  ${line(event.failure.message)}`]
  ].join("\n")
}

const deviceText = (style: Style, event: DeviceLine): string => {
  const notes = [event.own ? "this device" : "", event.removed ? "removed" : ""].filter((note) => note !== "")
  const label = quoted(event.label).padEnd(24)
  return `${paint(style, "bold", label)}  ${event.role.padEnd(6)}  since ${minute(event.created)}  ${
    short(event.device)
  }${notes.length === 0 ? "" : `  (${notes.join(", ")})`}`
}

const problemText = (style: Style, event: ProblemLine): string =>
  `${paint(style, "red", "✗")} ${event.kind.padEnd(9)}  ${line(event.where)}: ${line(event.detail)}`

const verifiedText = (style: Style, event: Verified): string => {
  const looked = [
    counted(event.entries, "entry"),
    counted(event.chains, "chain"),
    counted(event.signatures, "signature"),
    `${counted(event.positions, "position")} of ${counted(event.relays, "relay")}`
  ].join(", ")
  const aside = [
    ...event.unsent === 0 ? [] : [`${event.unsent} to be sent`],
    ...event.waiting + event.refused === 0 ? [] : [`${event.waiting + event.refused} set aside`],
    ...event.gaps === 0 ? [] : [`${counted(event.gaps, "gap")} that relays had left`]
  ]
  return [
    event.sound
      ? paint(style, "green", "✓ All agrees.")
      : paint(style, "red", `✗ ${counted(event.problems, "problem")}.`),
    `  Looked at ${looked}${aside.length === 0 ? "" : `; ${aside.join(", ")}`}.`
  ].join("\n")
}

const MARKS: Record<CheckResult, readonly [Ink, string]> = {
  ok: ["green", "✓"],
  warning: ["yellow", "!"],
  failed: ["red", "✗"],
  skipped: ["dim", "-"]
}

const checkText = (style: Style, event: Check): string => {
  const [ink, mark] = MARKS[event.result]
  const next = event.next === null ? "" : `\n    ${line(event.next)}`
  return `${paint(style, ink, mark)} ${event.name.padEnd(12)}  ${line(event.detail)}${next}`
}

type ByType = { readonly [E in Event as E["type"]]: E }
type EventOf<T extends keyof ByType = keyof ByType> = { [P in T]: ByType[P] & { readonly type: P } }[T]

const TEXT: { readonly [T in keyof ByType]: (event: EventOf<T>, style: Style) => string } = {
  listening: ({ address, data, metrics, replicates, url }, style) =>
    [
      ...replicates === null
        ? ["The relay is ready. Give your devices this address:", `  ${paint(style, "bold", address)}`]
        : [
          `This is a standby of the relay at ${paint(style, "bold", replicates)}; it serves no devices.`,
          `Health at ${url.replace(/^ws/, "http")}health`
        ],
      `Data in ${data}${metrics === null ? "" : `, metrics at ${metrics}`}. Ctrl+C stops it.`
    ].join("\n"),
  stopped: ({ what }) => `The ${what} has stopped. All that it acknowledged is on disk.`,
  serving: ({ label, urls }, style) =>
    [
      `${quoted(label)} is ready. On another device of yours run:`,
      ...urls.map((url) => `  sotto sync ${paint(style, "bold", url)}`),
      "Ctrl+C stops it."
    ].join("\n"),
  met: ({ label }, style) => `${paint(style, "green", "●")} ${quoted(label)} is connected`,
  moved: (event) => `  ${quoted(event.label)}  ${movedText(event)} so far`,
  left: (event, style) => `${paint(style, "dim", "○")} ${quoted(event.label)} has left: ${movedText(event)}`,
  synced: (event, style) =>
    `${paint(style, "green", "✓")} in sync with ${event.label === null ? event.url : quoted(event.label)}: ` +
    movedText(event),
  initialized: ({ home, label, recovery, stored }, style) =>
    [
      `${quoted(label)} is set up in ${home}` +
      (stored ? "." : ", but its relay was not reached yet; that is tried again with the next command."),
      "Write this recovery key down and keep it apart. It is shown this once:",
      `  ${paint(style, "bold", recovery)}`,
      "Next: `sotto pair` lets another device in; `sotto push TEXT` writes."
    ].join("\n"),
  code: (event, style) => codeText(style, event),
  request: ({ emoji, label }, style) =>
    `${paint(style, "bold", "Step 2 of 3")}  ${quoted(label)} wants to join. Both screens show:\n  ${pictures(emoji)}`,
  question: ({ question }) => `${question} [y/N]`,
  paired: ({ label }, style) =>
    `${paint(style, "bold", "Step 3 of 3")}  ${paint(style, "green", "✓")} ${quoted(label)} is in.`,
  step: ({ detail, emoji, of, step }, style) =>
    `${paint(style, "bold", `Step ${step} of ${of}`)}  ${line(detail)}` +
    (emoji.length === 0 ? "" : `\n  ${pictures(emoji)}`),
  joined: ({ device, devices, label }, style) =>
    `${paint(style, "green", "✓")} ${quoted(label)} is in, with ${
      devices.filter((other) => other.device !== device).map((other) => quoted(other.label)).join(", ")
    }. \`sotto pull\` shows what is there.`,
  pushed: ({ position, stored }, style) =>
    stored
      ? `${paint(style, "green", "✓")} stored at the relay, position ${position}`
      : `${paint(style, "yellow", "!")} saved on this device; it goes out when a relay is in reach`,
  entry: (event, style) => entryText(style, event),
  item: (event, style) => itemText(style, event),
  value: (event, style) => saidText(style, event),
  version: (event, style) => `${versionText(style, event)}${event.head ? "" : paint(style, "dim", "  (superseded)")}`,
  conflict: (event, style) => conflictText(style, event),
  status: (event, style) => statusText(style, event),
  device: (event, style) => deviceText(style, event),
  relay: (event, style) => relayEventText(style, event),
  added: (event, style) => filledText(style, event, "is one of the space's relays"),
  removed: ({ left, relay }) =>
    `This device does not use ${line(relay.split("#")[0] ?? "")} any more; ${counted(left, "relay")} left. What it ` +
    "keeps stays there, and other devices go on with it until they remove it.",
  trusted: (event, style) => filledText(style, event, "is used again"),
  check: (event, style) => checkText(style, event),
  diagnosis: ({ healthy, message }, style) => `\n${paint(style, healthy ? "green" : "red", line(message))}`,
  problem: (event, style) => problemText(style, event),
  verified: (event, style) => verifiedText(style, event),
  notice: ({ message }, style) => paint(style, "dim", line(message)),
  error: ({ message, number, tag }, style) =>
    `${paint(style, "red", tag)}${number === undefined ? "" : ` (${number})`}: ${line(message)}`
}

/** An event as people read it. */
export const toText = <T extends keyof ByType>(event: EventOf<T>, style: Style): string =>
  TEXT[event.type](event, style)

/** An event as one line of JSON. */
export const toJson = (event: Event): string => JSON.stringify(event)
