/**
 * What the command line says, as values: each is one line of `--json` (docs/reference/command-line.md lists them) and
 * is turned into words for people by `render.ts`. Field names are part of the interface: fields are added, never
 * renamed. Times are ISO 8601 in UTC with milliseconds; identifiers are their text forms.
 *
 * Secrets are in two of them on purpose, since they are there to be shown: `code` and `url` of a pairing code, and the
 * `recovery` key of a new space.
 */

/** A relay took up its work. `metrics` is the metrics page's URL, when it was asked for. */
export interface Listening {
  readonly type: "listening"
  readonly url: string
  /** What devices are given: the URL and the relay's key. */
  readonly address: string
  readonly metrics: string | null
  readonly data: string
  /** The URL of the relay whose standby it is; `null` when it serves devices itself. */
  readonly replicates: string | null
}

/** A relay, or a device that others connect to, ended in an orderly way: everything that it acknowledged is on disk. */
export interface Stopped {
  readonly type: "stopped"
  readonly what: "relay" | "device"
}

/** This device takes connections of others. `urls`: as other machines may reach it, when it listens on all addresses. */
export interface Serving {
  readonly type: "serving"
  readonly url: string
  readonly urls: ReadonlyArray<string>
  readonly device: string
  readonly label: string
  readonly space: string
}

/** Another device of the space is connected directly. */
export interface Met {
  readonly type: "met"
  readonly device: string
  readonly label: string
}

/** How many envelopes have moved over its connection so far. */
export interface Moved {
  readonly type: "moved"
  readonly device: string
  readonly label: string
  readonly received: number
  readonly sent: number
}

/** Its connection ended, after so many envelopes. */
export interface Left {
  readonly type: "left"
  readonly device: string
  readonly label: string
  readonly received: number
  readonly sent: number
}

/** Both have what the other had: `received` envelopes were missing here, `sent` there. A relay is no device (`null`). */
export interface Synced {
  readonly type: "synced"
  readonly url: string
  readonly device: string | null
  readonly label: string | null
  readonly received: number
  readonly sent: number
}

/** A device has a home space of its own. `stored`: its relay knows the space. */
export interface Initialized {
  readonly type: "initialized"
  readonly device: string
  readonly label: string
  readonly space: string
  readonly relay: string
  readonly home: string
  readonly stored: boolean
  /** The way back when every device is lost. Shown this once and kept nowhere: its owner writes it down. */
  readonly recovery: string
}

/** A pairing code is up. Show it to nobody but the new device. */
export interface CodeShown {
  readonly type: "code"
  readonly code: string
  readonly url: string
  /** Where the code is good; a device that is not set up yet needs it beside the code. */
  readonly relay: string
  readonly expires: string
}

/** One of the pictures that both sides show. */
export interface Picture {
  readonly symbol: string
  readonly name: string
}

/** A device asks to be let in. */
export interface PairRequest {
  readonly type: "request"
  readonly device: string
  readonly label: string
  readonly emoji: ReadonlyArray<Picture>
}

/** The command waits for a line on its input: `y` and Enter to agree, anything else or its end to decline. */
export interface Question {
  readonly type: "question"
  readonly question: string
}

/** The device was let in. */
export interface Paired {
  readonly type: "paired"
  readonly device: string
  readonly label: string
}

/** A joining device's progress. */
export interface Step {
  readonly type: "step"
  readonly step: number
  readonly of: number
  readonly name: string
  readonly detail: string
  readonly emoji: ReadonlyArray<Picture>
}

/** This device was let in. */
export interface Joined {
  readonly type: "joined"
  readonly device: string
  readonly label: string
  readonly space: string
  readonly relay: string
  readonly devices: ReadonlyArray<{ readonly device: string; readonly label: string }>
}

/** A value was saved on this device; `stored`, and the `position`, once a relay has it too. */
export interface Pushed {
  readonly type: "pushed"
  readonly id: string
  readonly hash: string
  readonly device: string
  readonly seq: number
  readonly index: number
  readonly collection: string
  readonly key: string
  readonly stored: boolean
  readonly position: number | null
}

/** A value's bytes: text when they are UTF-8, else in base64. */
export type Value = string | { readonly base64: string }

/**
 * One operation of an entry, in the order of the relay's log: the same lines on every device. `position` is null for what
 * is here, and where it stands there is not known, or it is not there yet: that comes last.
 */
export interface EntryLine {
  readonly type: "entry"
  readonly position: number | null
  readonly index: number
  readonly id: string
  readonly hash: string
  readonly device: string
  readonly seq: number
  readonly time: string
  readonly collection: string
  readonly key: string
  readonly action: "put" | "content" | "delete"
  /** `null` for what has no value. */
  readonly value: Value | null
}

/** An item of a collection, as this device shows it. `conflict`: it was changed at the same time elsewhere. */
export interface ItemEvent {
  readonly type: "item"
  readonly collection: string
  readonly key: string
  readonly action: "put" | "content" | "delete"
  /** `null` for what has no value. */
  readonly value: Value | null
  /** Who wrote the last version, and when. */
  readonly device: string
  readonly time: string
  readonly conflict: boolean
}

/** One item that was asked for. */
export interface ValueEvent {
  readonly type: "value"
  readonly collection: string
  readonly key: string
  readonly action: "put" | "content" | "delete"
  readonly value: Value | null
  readonly device: string
  readonly time: string
  readonly conflict: boolean
}

/** A version of an item. */
export interface Version {
  readonly id: string
  readonly device: string
  readonly time: string
  readonly action: "put" | "content" | "delete"
  readonly value: Value | null
}

/** A version in an item's history. `head`: nothing supersedes it. `parents`: what it superseded. */
export interface VersionLine {
  readonly type: "version"
  readonly collection: string
  readonly key: string
  readonly id: string
  readonly device: string
  readonly time: string
  readonly action: "put" | "content" | "delete"
  readonly value: Value | null
  readonly head: boolean
  readonly parents: ReadonlyArray<string>
}

/** An item for a person to decide about. The first version is the one that this device shows. */
export interface ConflictLine {
  readonly type: "conflict"
  readonly collection: string
  readonly key: string
  readonly reason: string
  readonly versions: ReadonlyArray<Version>
}

/** How far one relay is, as this device sees it. */
export interface RelayLine {
  readonly relay: string
  readonly phase: string
  readonly pending: number
  readonly received: number
  readonly head: number
  readonly retry: string | null
  readonly failure: { readonly tag: string; readonly message: string; readonly retrying: boolean } | null
}

/** Is my work safe, and if not, why not. */
export interface StatusLine {
  readonly type: "status"
  readonly state: "offline" | "connecting" | "pending" | "synced" | "failed"
  readonly device: string
  readonly label: string
  readonly space: string
  readonly pending: number
  readonly quarantined: number
  readonly relays: ReadonlyArray<RelayLine>
  readonly failure: { readonly tag: string; readonly message: string; readonly retrying: boolean } | null
}

/** One of the space's relays, on this device. `misbehaved`: what it was caught with. `gapped`: entries did not come from it. */
export interface RelayEvent {
  readonly type: "relay"
  readonly relay: string
  readonly phase: string
  readonly pending: number
  readonly received: number
  readonly head: number
  readonly retry: string | null
  readonly failure: { readonly tag: string; readonly message: string; readonly retrying: boolean } | null
  readonly misbehaved: string | null
  readonly gapped: boolean
}

/** The space has another relay on this device. `complete`: the relay has everything that this device has. */
export interface Added {
  readonly type: "added"
  readonly relay: string
  readonly pending: number
  readonly complete: boolean
}

/** This device forgot a relay. `left`: how many the space still has here. */
export interface Removed {
  readonly type: "removed"
  readonly relay: string
  readonly left: number
}

/** A relay that was caught is used again. */
export interface Trusted {
  readonly type: "trusted"
  readonly relay: string
  readonly pending: number
  readonly complete: boolean
}

export interface DeviceLine {
  readonly type: "device"
  readonly device: string
  readonly label: string
  readonly role: string
  readonly created: string
  readonly own: boolean
  readonly removed: boolean
}

export type CheckResult = "ok" | "warning" | "failed" | "skipped"

/** One step of `sotto doctor`. `next` says what to do about it. */
export interface Check {
  readonly type: "check"
  readonly name: string
  readonly result: CheckResult
  readonly detail: string
  readonly next: string | null
}

/** What the checks come to. `cause` is the name of the first one that failed. */
export interface Diagnosis {
  readonly type: "diagnosis"
  readonly healthy: boolean
  readonly cause: string | null
  readonly message: string
}

/** Something that `sotto verify` found. `where`: which entry, chain, relay or row. `next` says what to do about it. */
export interface ProblemLine {
  readonly type: "problem"
  readonly kind: string
  readonly where: string
  readonly detail: string
  readonly next: string
}

/** What `sotto verify` looked at. `problems` counts all; the first thousand were told. */
export interface Verified {
  readonly type: "verified"
  readonly sound: boolean
  readonly problems: number
  readonly entries: number
  readonly chains: number
  readonly signatures: number
  readonly relays: number
  readonly positions: number
  readonly unsent: number
  readonly waiting: number
  readonly refused: number
  readonly gaps: number
}

/** Something that a person should know, while the command goes on. */
export interface Notice {
  readonly type: "notice"
  readonly message: string
}

/** Why the command failed. `number` is there for what has a stable number (docs/reference/errors.md). */
export interface Failed {
  readonly type: "error"
  readonly tag: string
  readonly number?: number
  readonly message: string
}

export type Event =
  | Listening
  | Stopped
  | Serving
  | Met
  | Moved
  | Left
  | Synced
  | Initialized
  | CodeShown
  | PairRequest
  | Question
  | Paired
  | Step
  | Joined
  | Pushed
  | EntryLine
  | ItemEvent
  | ValueEvent
  | VersionLine
  | ConflictLine
  | StatusLine
  | DeviceLine
  | RelayEvent
  | Added
  | Removed
  | Trusted
  | Check
  | Diagnosis
  | ProblemLine
  | Verified
  | Notice
  | Failed
