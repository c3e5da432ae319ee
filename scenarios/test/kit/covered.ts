/** Scenarios of the catalogue that have a test of their own: the file, and a text that stands in it. */
export interface Covered {
  readonly scenario: string
  readonly file: string
  readonly title: string
}

const CORE = "packages/core/test"

const of = (scenario: string, file: string, title: string): Covered => ({ scenario, file: `${CORE}/${file}`, title })

export const COVERED: ReadonlyArray<Covered> = [
  of(
    "27 frames in pieces and together",
    "channel/Record.test.ts",
    "every message comes back, in order, whatever its size"
  ),
  of(
    "32 reordered messages",
    "channel/Record.test.ts",
    "refuses a replayed, a reordered and a dropped connection message"
  ),
  of("34, 35 flipped bits and cuts", "channel/Record.test.ts", "refuses any flipped bit and any cut"),
  of("36 replay of channel messages", "channel/Record.test.ts", "refuses a replayed, a reordered and a dropped"),
  of("38 new keys under load", "channel/Record.test.ts", "rekeys by bytes: the old key opens nothing after it"),
  of("39 changed KEM ciphertext", "channel/Handshake.test.ts", "any flipped bit of any message fails it"),
  of("41 no downgrade", "channel/Channel.test.ts", "no one can be brought to another form of the handshake"),
  of("44 another version by a middlebox", "channel/Channel.test.ts", "another version is named on both sides"),
  of("45 entropy in a handshake", "channel/Handshake.test.ts", "dead entropy is a failure, not a defect"),
  of("61 many small values in a loop", "client/Offline.test.ts", "puts a thousand pushes that meet into few entries"),
  of(
    "107 another identity in a relay's place",
    "client/Status.test.ts",
    "says that another relay answers in its place"
  ),
  of("121 a relay that keeps less", "client/Relays.test.ts", "that no longer keeps what a device missed leaves a gap"),
  of("122 a relay added later, one removed", "client/Relays.test.ts", "one that is added later is sent everything"),
  of("123 quorum of all", "client/Quorum.test.ts", "of all waits for the relay that is away"),
  of(
    "123 quorum of a majority",
    "client/Quorum.test.ts",
    "of a majority is met without one of three, and not without two"
  ),
  of("172 empty against full, equal sets", "reconcile/Conversation.test.ts", "works when one side is empty"),
  of("172 equal sets cost one message", "reconcile/Conversation.test.ts", "says Same in one byte when nothing differs"),
  of("173 random sets", "reconcile/Conversation.test.ts", "makes random pairs equal, and moves nothing twice"),
  of("175 bytes go by the difference", "reconcile/Conversation.test.ts", "bytes in proportion to the difference"),
  of("178 who only reads", "client/Peers.test.ts", "that only read give and take as the others do"),
  of("185 a cut at any message", "client/Peers.test.ts", "go on from where they were after a cut, at any message"),
  of("188 the same key by several", "client/Items.test.ts", "written at the same time, and merged, come to the same")
]
