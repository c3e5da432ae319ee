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
  collectionBytesMax: 128,
  keyBytesMax: 512,
  parentsMax: 64,
  opsMax: 4096,
  /** Smallest padded plaintext. */
  paddingBytesMin: 256,
  /** How far ahead of the receiver's clock an entry may be. */
  clockAheadMillisMax: 600_000,
  labelBytesMax: 64,
  // Space
  membersMax: 1024,
  recoveryBytes: 32,
  // Messages
  /** One message of a channel, before it is cut into records. An envelope always fits, with room for its frame. */
  messageBytesMax: 1024 * 1024,
  /** A control (RPC) message. */
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
  handshakeStepMillis: 10_000,
  handshakeTotalMillis: 30_000,
  rekeyBytes: 1024 * 1024 * 1024,
  rekeyMillis: 3_600_000,
  keepAliveMillis: 30_000,
  // Relay, all defaults
  pageEnvelopesMax: 1000,
  pageBytesMax: 768 * 1024,
  routeBytesMax: 100 * 1024 * 1024,
  messagesPerSecond: 50,
  messagesBurst: 600,
  routeMessagesPerSecond: 500,
  connectsPerMinute: 60,
  unauthenticatedPerAddressMax: 20,
  sessionsMax: 10_000,
  routesPerSessionMax: 64,
  pushEnvelopesMax: 1000,
  streamCreditBytes: 2 * 1024 * 1024,
  outboundBytesMax: 4 * 1024 * 1024,
  presenceBytesMax: 16 * 1024,
  retentionMillis: 7 * 86_400_000,
  pruneGraceMillis: 30 * 86_400_000,
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
  routesOpenedPerHour: 60,
  pushesInFlightMax: 256,
  pushBytesInFlightMax: 8 * 1024 * 1024,
  pushBytesInFlightTotalMax: 256 * 1024 * 1024,
  sweepMillis: 30_000,
  goAwayMillis: 5000,
  mailboxesMax: 10_000,
  // Mailbox and pairing
  mailboxSides: 2,
  mailboxMessagesMax: 32,
  mailboxBytesMax: 64 * 1024,
  mailboxMillisMax: 3_600_000,
  mailboxClaimsPerTenMinutes: 10,
  mailboxClaimsPerMinuteTotal: 600,
  pairingMillis: 600_000,
  pairingFailuresMax: 3,
  approvalMillis: 120_000,
  relayUrlBytesMax: 512,
  /** A relay address or a ticket, as text. */
  ticketBytesMax: 1024,
  // Client
  reconnectMillisMin: 1000,
  reconnectMillisMax: 30_000,
  reconnectJitterMillis: 5000,
  pollMillis: 300_000,
  pollMillisMax: 3_600_000,
  suspendFlushMillis: 500,
  wakeGraceMillis: 10_000,
  flushMillis: 5,
  outboxEntriesMax: 100_000,
  quarantineEntriesMax: 10_000,
  // Passwords (protocol.md §3)
  passwordMemoryKibMin: 19 * 1024,
  passwordMemoryKibMax: 256 * 1024,
  passwordIterationsMin: 2,
  passwordIterationsMax: 10,
  passwordParallelism: 1
} as const
