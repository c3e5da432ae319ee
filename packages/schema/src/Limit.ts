/**
 * Every number of the protocol that bounds something, once (protocol.md §6, §7, §8). Bytes, milliseconds and counts;
 * names end in their unit. A relay may be configured below or above those marked "default"; the others are part of the
 * protocol and the same everywhere.
 */
export const Limit = {
  // Envelope and entry
  /** An envelope, header and tag included. */
  envelopeBytesMax: 1024 * 1024 - 4096,
  /** A value inside an entry; larger ones are content. */
  inlineValueBytesMax: 64 * 1024,
  /** The name of a collection, UTF-8. */
  collectionBytesMax: 128,
  /** The key of an item, UTF-8. */
  keyBytesMax: 512,
  /** Heads that one operation supersedes. */
  parentsMax: 64,
  /** Operations of one entry. */
  opsMax: 4096,
  /** Smallest padded plaintext. */
  paddingBytesMin: 256,
  /** How far ahead of the receiver's clock an entry may be. */
  clockAheadMillisMax: 600_000,
  /** What people call a device, UTF-8. */
  labelBytesMax: 64,
  // Space
  /** Members of a space, and operations of its membership log in a welcome. */
  membersMax: 1024,
  // Messages
  /** One message of a channel, before it is cut into records. An envelope always fits, with room for its frame. */
  messageBytesMax: 1024 * 1024,
  /** A message of the control plane. */
  controlBytesMax: 256 * 1024,
  /** A record of the channel: Noise allows 65,535 bytes. */
  recordBytesMax: 65_535,
  /** One message of a connection (a WebSocket message): four full records with their lengths. */
  carrierBytesMax: 4 * 65_537,
  /** Calls of the control plane that one connection may have open. */
  controlCallsMax: 64,
  /** Values inside each other in a wire type; a schema that goes deeper is refused when its codec is made. */
  decodeDepthMax: 16,
  // Channel
  /** From one message of a handshake to the next. */
  handshakeStepMillis: 10_000,
  /** A whole handshake. */
  handshakeTotalMillis: 30_000,
  /** What one key of a channel seals before the next. */
  rekeyBytes: 1024 * 1024 * 1024,
  /** How old a key of a channel may be when it seals. */
  rekeyMillis: 3_600_000,
  /** A quiet connection is asked for a sign of life after this. */
  keepAliveMillis: 30_000,
  // Relay, all defaults
  /** Envelopes of one page. */
  pageEnvelopesMax: 1000,
  /** Bytes of envelopes of one page; a single larger envelope is a page of its own. */
  pageBytesMax: 768 * 1024,
  /** What a relay keeps for one route. */
  routeBytesMax: 100 * 1024 * 1024,
  /** Messages of one connection, in the long run. */
  messagesPerSecond: 50,
  /** Messages of one connection, at once. */
  messagesBurst: 600,
  /** Messages to one route, over all connections. */
  routeMessagesPerSecond: 500,
  /** New connections from one address. */
  connectsPerMinute: 60,
  /** Open connections from one address that proved nothing yet. */
  unauthenticatedPerAddressMax: 20,
  /** Open connections of a relay. */
  sessionsMax: 10_000,
  /** Routes attached on one connection. */
  routesPerSessionMax: 64,
  /** Envelopes of one push. */
  pushEnvelopesMax: 1000,
  /** What a subscriber lets a relay send ahead. */
  streamCreditBytes: 2 * 1024 * 1024,
  /** What may wait in a relay for one connection. */
  outboundBytesMax: 4 * 1024 * 1024,
  /** An ephemeral envelope. */
  presenceBytesMax: 16 * 1024,
  /** How long a transit route keeps what nobody acknowledged. */
  retentionMillis: 7 * 86_400_000,
  /** From a prune to the deletion, on a durable route. */
  pruneGraceMillis: 30 * 86_400_000,
  /** Tags that acknowledge on one route. */
  ackTagsMax: 1024,
  /** How long a tag that acknowledges nothing still holds deletion back. */
  ackActiveMillis: 7 * 86_400_000,
  /** How long the id of a deleted envelope is still known, so that pushing it again changes nothing. */
  knownMillis: 30 * 86_400_000,
  /** Ended epochs of a route whose readers may still fetch what was written before their end. */
  pastEpochsMax: 64,
  /** From an open channel to the first proof of anything. */
  unauthenticatedMillis: 5000,
  /** A connection that takes nothing of what waits for it for so long is closed. */
  stallMillis: 60_000,
  /** New routes from one address. */
  routesOpenedPerHour: 60,
  /** Pushes of one connection that wait for the store, and reconciliations that wait for an answer. */
  pushesInFlightMax: 256,
  /** Their bytes. */
  pushBytesInFlightMax: 8 * 1024 * 1024,
  /** Bytes of all of those, over all connections. */
  pushBytesInFlightTotalMax: 256 * 1024 * 1024,
  /** How often a relay looks for what is to be deleted. */
  sweepMillis: 30_000,
  /** When a client that was told to go may come back. */
  goAwayMillis: 5000,
  /** Open mailboxes of a relay. */
  mailboxesMax: 10_000,
  // Mailbox and pairing
  /** Sides of a mailbox. */
  mailboxSides: 2,
  /** Messages in a mailbox, both directions together. */
  mailboxMessagesMax: 32,
  /** Their bytes. */
  mailboxBytesMax: 64 * 1024,
  /** Life of a mailbox. */
  mailboxMillisMax: 3_600_000,
  /** Tries to join a mailbox from one address. */
  mailboxClaimsPerTenMinutes: 10,
  /** Tries to join a mailbox, from anywhere. */
  mailboxClaimsPerMinuteTotal: 600,
  /** Life of a pairing code or ticket. */
  pairingMillis: 600_000,
  /** Failed confirmations after which a side burns its code. */
  pairingFailuresMax: 3,
  /** How long a person may take to approve. */
  approvalMillis: 120_000,
  /** The URL of a relay. */
  relayUrlBytesMax: 512,
  /** A relay address or a ticket, as text. */
  ticketBytesMax: 1024,
  // Client
  /** Devices that one takes direct connections from at once. */
  peersMax: 64,
  /** First wait before connecting again; it doubles. */
  reconnectMillisMin: 1000,
  /** Longest wait before connecting again. */
  reconnectMillisMax: 30_000,
  /** Random addition to each wait. */
  reconnectJitterMillis: 5000,
  /** What a platform gives before it suspends an app. */
  suspendFlushMillis: 500,
  /** Writes within this become one entry. */
  flushMillis: 5,
  /** Entries that wait to be sent. */
  outboxEntriesMax: 100_000,
  /** Entries that are kept though they failed a check. */
  quarantineEntriesMax: 10_000,
  /** Bytes of those that may still be accepted, all together. */
  quarantineBytesMax: 256 * 1024 * 1024,
  // Reconciliation
  /** One of its messages: it goes into a message of the channel, with room for its frame. */
  reconcileBytesMax: 1024 * 1024 - 4096,
  /** Cells that a replica keeps: they show differences of up to seven tenths of their number. */
  reconcileCellsMax: 262_144,
  /** Requests of one reconciliation, after which either side ends it. */
  reconcileMessagesMax: 1024,
  /** Ids that one reconciliation finds on either side before it ends, to be begun again. */
  reconcileDifferencesMax: 1_000_000,
  /** From when a device has read a relay's log until it first compares itself with it; as much again is drawn. */
  reconcileFirstMillis: 300_000,
  /** From one such comparison to the next. */
  reconcileEveryMillis: 21_600_000,
  /** Memory of a relay for the sets of ids that it compares, over all routes. */
  reconcileSetBytesMax: 256 * 1024 * 1024,
  /** From so many ids on, a relay saves such a set, to open it again after a start. */
  reconcileSavedIdsMin: 8192,
  // Passwords
  /** Argon2id memory, least. */
  passwordMemoryKibMin: 19 * 1024,
  /** Argon2id memory, most that a reader accepts. */
  passwordMemoryKibMax: 256 * 1024,
  /** Argon2id passes, least. */
  passwordIterationsMin: 2,
  /** Argon2id passes, most that a reader accepts. */
  passwordIterationsMax: 10,
  /** Argon2id lanes. */
  passwordParallelism: 1
} as const
