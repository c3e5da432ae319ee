/** What a client's operations fail with (protocol.md §6), beside `StoreFailed` and `KeystoreFailed`. */
import * as Schema from "effect/Schema"

/** The client was closed, or its storage failed for good, while this waited. What had been answered is kept. */
export class Closed extends Schema.TaggedError<Closed>()("Closed", {}) {
  override get message() {
    return "This client is closed. What was saved is saved; open it again to go on."
  }
}

/** A value or a set of operations that no entry can hold. */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {
  what: Schema.Literals(["value", "collection", "key", "parents", "operations", "presence"]),
  size: Schema.Int,
  max: Schema.Int
}) {
  override get message() {
    return `Too large for one entry: ${this.what} of ${this.size}, at most ${this.max} fit. Nothing was saved. ` +
      "Split it, or store it as content."
  }
}

/** This device holds as many entries that no relay has as it may. */
export class OutboxFull extends Schema.TaggedError<OutboxFull>()("OutboxFull", { pending: Schema.Int }) {
  override get message() {
    return `${this.pending} entries wait on this device for a relay, and no more fit. This one was not saved; ` +
      "all before it are. Connect to a relay, then try again."
  }
}

/** This device may read the space, but not write in it. */
export class NotWriter extends Schema.TaggedError<NotWriter>()("NotWriter", {}) {
  override get message() {
    return "This device may not write in this space. Nothing was saved; an administrator can change its role."
  }
}

/** A collection's form and a value do not go together. */
export class FormFailed extends Schema.TaggedError<FormFailed>()("FormFailed", {
  /** `encode`: the form threw at a value to be written; `decode`: what is stored is no value of it; `content`: a file. */
  reason: Schema.Literals(["encode", "decode", "content"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const what = {
      encode:
        "The collection's form could not make bytes of this value. Nothing was saved; correct the value or the form.",
      decode:
        "What is stored under this key is not a value of the collection's form. It is kept as it is; look at its " +
        "bytes with `view`, or put another value.",
      content: "What is stored under this key is content, not a value. It is kept as it is; look at it with `view`."
    }[this.reason]
    return what
  }
}

/** There is nothing to decide about an item. */
export class NoConflict extends Schema.TaggedError<NoConflict>()("NoConflict", {}) {
  override get message() {
    return "This item is no conflict: it never was one, or another device has resolved it. Nothing was changed; " +
      "look at it again."
  }
}

/** No relay of this space is connected. */
export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", { detail: Schema.String }) {
  override get message() {
    return `No relay is connected (${this.detail}). What you wrote is saved on this device and goes out later.`
  }
}

/** No relay of this client has this key. */
export class UnknownRelay extends Schema.TaggedError<UnknownRelay>()("UnknownRelay", {}) {
  override get message() {
    return "This relay is not one of this space's relays. Nothing was changed; name one of them, or add this one."
  }
}

/** So many envelopes wait for keys, members or entries before them that no more are taken. */
export class QuarantineFull extends Schema.TaggedError<QuarantineFull>()("QuarantineFull", { waiting: Schema.Int }) {
  override get message() {
    return `${this.waiting} envelopes wait for keys, members or entries that have not come, and no more are taken. ` +
      "Nothing is lost: the relay keeps the others. Ask another device of the space to come online, or look at the quarantine."
  }
}

/** A relay that no longer answers on an open connection. */
export class RelaySilent extends Schema.TaggedError<RelaySilent>()("RelaySilent", { millis: Schema.Int }) {
  override get message() {
    return `The relay said nothing for ${this.millis} ms. The connection was given up and is made anew; ` +
      "what you wrote is kept on this device."
  }
}

/** A device that no longer answers on an open connection. */
export class PeerSilent extends Schema.TaggedError<PeerSilent>()("PeerSilent", { millis: Schema.Int }) {
  override get message() {
    return `The other device said nothing for ${this.millis} ms. The connection was given up; connect again when it is in ` +
      "reach. What came is kept, and what you wrote is."
  }
}

/** The device at the other end of a connection is not one that this device speaks with. */
export class PeerUnknown extends Schema.TaggedError<PeerUnknown>()("PeerUnknown", {
  reason: Schema.Literals(["stranger", "removed", "itself"])
}) {
  override get message() {
    const what = {
      stranger:
        "The other device is not known here as a member of the space. If it was let in by another one, get what " +
        "the relay or that device has first, then connect again.",
      removed:
        "The other device was removed from the space, so this one does not speak with it. To let it in again, pair it.",
      itself: "This device connected to itself. Give the address of another one."
    }[this.reason]
    return `${what} Nothing was sent to it, and what is here stays as it is: your data is safe.`
  }
}

/** The relay is in another epoch than this connection: it is made anew with that epoch's keys, once they are here. */
export class EpochMoved extends Schema.TaggedError<EpochMoved>()("EpochMoved", {
  epoch: Schema.Int,
  /** Whether this device has the keys. */
  ready: Schema.Boolean
}) {
  override get message() {
    const next = this.ready
      ? "The connection is made anew with them."
      : "This device does not have the new ones yet: keep it open, they come with the log."
    return `The space's keys changed (epoch ${this.epoch}). ${next} What you wrote is kept on this device.`
  }
}

/** A bug in this program ended a connection. */
export class Defect extends Schema.TaggedError<Defect>()("Defect", {}) {
  override get message() {
    return "A bug in this program ended the connection; the log says where. What you wrote is kept on this device, and the " +
      "connection is made anew. Please report it."
  }
}
