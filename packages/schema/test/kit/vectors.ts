/** Each vector file: what goes in, and how the code of today turns it into bytes or text. See vectors/README.md. */
import * as Sotto from "@sotto/schema"
import * as Result from "effect/Result"
import * as Fixture from "./fixtures.ts"
import { wireTypes } from "./wireTypes.ts"

export interface Vector {
  readonly name: string
  /** A value, with each byte string as `{ "hex": … }`. */
  readonly value: unknown
  /** Its only form: hex of the bytes, or the text itself. */
  readonly form: string
}

/** A file and how to make its forms from its values, and its values from its forms. */
export interface VectorFile {
  readonly file: string
  readonly about: string
  readonly values: Readonly<Record<string, unknown>>
  readonly toForm: (value: unknown) => string
  readonly fromForm: (form: string) => unknown
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A value as JSON. */
export const show = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return { hex: Sotto.Bytes.toHex(value) }
  if (Array.isArray(value)) return value.map(show)
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, show(part)])) : value
}

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))

/** A value from its JSON. */
export const revive = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(revive)
  if (!isRecord(json)) return json
  const names = Object.keys(json)
  return names.length === 1 && typeof json["hex"] === "string"
    ? bytesOf(json["hex"])
    : Object.fromEntries(Object.entries(json).map(([name, part]) => [name, revive(part)]))
}

const ofType = (file: string, type: string, about: string, values: VectorFile["values"]): VectorFile => {
  const codec = wireTypes.find(({ name }) => name === type)?.codec
  if (codec === undefined) throw new Error(`no wire type ${type}`)
  return {
    file,
    about,
    values,
    toForm: (value) => Sotto.Bytes.toHex(codec.encode(value)),
    fromForm: (form) => Result.getOrThrow(codec.decode(bytesOf(form)))
  }
}

/** The part of a value, which must be bytes, a text or a number: these files have fixed shapes. */
const bytesAt = (value: unknown, name: string): Uint8Array => {
  const part = isRecord(value) ? value[name] : undefined
  if (part instanceof Uint8Array) return part
  throw new TypeError(`${name} is not bytes`)
}
const textAt = (value: unknown, name: string): string => {
  const part = isRecord(value) ? value[name] : undefined
  if (typeof part === "string") return part
  throw new TypeError(`${name} is not text`)
}
const numberAt = (value: unknown, name: string): number => {
  const part = isRecord(value) ? value[name] : undefined
  if (typeof part === "number") return part
  throw new TypeError(`${name} is not a number`)
}

const kinds: ReadonlyArray<Sotto.Text.Kind> = [
  "DeviceId",
  "SpaceId",
  "RouteId",
  "EnvelopeId",
  "RelayKey",
  "MailboxId",
  "Lane",
  "AckTag",
  "EntryHash"
]
const kindOf = (value: unknown): Sotto.Text.Kind => {
  const found = kinds.find((kind) => kind === textAt(value, "kind"))
  if (found === undefined) throw new TypeError("no kind of identifier")
  return found
}
const idText = (kind: Sotto.Text.Kind, bytes: Uint8Array): string => {
  const { Id, Text } = Sotto
  switch (kind) {
    case "DeviceId":
      return Text.toText(kind, Id.DeviceId.make(bytes))
    case "SpaceId":
      return Text.toText(kind, Id.SpaceId.make(bytes))
    case "RouteId":
      return Text.toText(kind, Id.RouteId.make(bytes))
    case "EnvelopeId":
      return Text.toText(kind, Id.EnvelopeId.make(bytes))
    case "RelayKey":
      return Text.toText(kind, Id.RelayKey.make(bytes))
    case "MailboxId":
      return Text.toText(kind, Id.MailboxId.make(bytes))
    case "Lane":
      return Text.toText(kind, Id.Lane.make(bytes))
    case "AckTag":
      return Text.toText(kind, Id.AckTag.make(bytes))
    case "EntryHash":
      return Text.toText(kind, Id.EntryHash.make(bytes))
  }
}
const sizes: Readonly<Record<Sotto.Text.Kind, number>> = {
  DeviceId: 32,
  SpaceId: 32,
  RouteId: 32,
  EnvelopeId: 32,
  RelayKey: 32,
  MailboxId: 16,
  Lane: 8,
  AckTag: 16,
  EntryHash: 32
}
const idValues = Object.fromEntries(kinds.flatMap((kind) => [
  [`${kind}, zero`, { kind, bytes: new Uint8Array(sizes[kind]) }],
  [`${kind}, all ones`, { kind, bytes: new Uint8Array(sizes[kind]).fill(0xff) }],
  [`${kind}, a pattern`, { kind, bytes: Fixture.pattern(sizes[kind], 100) }]
]))
const ids: VectorFile = {
  file: "id.json",
  about: "Identifiers as text: prefix, bytes and CRC-24 in Crockford's base32.",
  values: idValues,
  toForm: (value) => idText(kindOf(value), bytesAt(value, "bytes")),
  fromForm: (form) => {
    for (const kind of kinds) {
      const bytes = Sotto.Text.fromText(kind, form)
      if (Result.isSuccess(bytes)) return { kind, bytes: bytes.success }
    }
    throw new Error("no identifier")
  }
}

const labelValues = Object.fromEntries([
  ...Object.values(Sotto.Purpose.Purpose).map((purpose) => [purpose, { suite: 1, purpose, fields: [] }] as const),
  ["two fields", { suite: 1, purpose: "sign/entry", fields: [Fixture.pattern(32, 101), Fixture.pattern(3, 102)] }],
  ["an empty field", { suite: 2, purpose: "enc", fields: [new Uint8Array(0)] }],
  ["a field of 256 bytes", { suite: 1, purpose: "enc", fields: [Fixture.pattern(256, 103)] }]
])
const labels: VectorFile = {
  file: "label.json",
  about: "L(purpose): what every derivation, hash and signature input begins with, and its fields.",
  values: labelValues,
  toForm: (value) => {
    const purpose = Object.values(Sotto.Purpose.Purpose).find((known) => known === textAt(value, "purpose"))
    const fields = isRecord(value) && Array.isArray(value["fields"]) ? value["fields"] : []
    if (purpose === undefined) throw new TypeError("no purpose")
    const suite = numberAt(value, "suite") === 1 ? 1 : 2
    return Sotto.Bytes.toHex(
      Sotto.Purpose.label(suite, purpose, ...fields.filter((field) => field instanceof Uint8Array))
    )
  },
  fromForm: (form) => {
    const bytes = bytesOf(form)
    const end = bytes.indexOf(0, 8)
    const fields: Array<Uint8Array> = []
    for (let at = end + 1; at < bytes.length;) {
      const length = (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
      fields.push(bytes.slice(at + 2, at + 2 + length))
      at += 2 + length
    }
    return { suite: bytes[7], purpose: String.fromCharCode(...bytes.subarray(8, end)), fields }
  }
}

const envelopes: VectorFile = {
  file: "envelope.json",
  about: "The envelope's layout. Nonce, commitment and sealed bytes are patterns: nothing here opens.",
  values: Object.fromEntries(
    Object.entries(Fixture.envelopes).map(([name, { sealedBytes, ...header }]) => [name, {
      header,
      nonce: Fixture.pattern(24, 93),
      commitment: Fixture.pattern(32, 94),
      sealed: Fixture.pattern(sealedBytes, 95)
    }])
  ),
  toForm: (value) => {
    const header = isRecord(value) ? value["header"] : undefined
    const { Envelope, Id } = Sotto
    const encoded = Envelope.encodeHeader(Envelope.Header.make({
      suite: numberAt(header, "suite") === 1 ? 1 : 2,
      kind: Envelope.Kind.literals.find((kind) => kind === numberAt(header, "kind")) ?? 1,
      epoch: Id.Epoch.make(numberAt(header, "epoch")),
      lane: Id.Lane.make(bytesAt(header, "lane"))
    }))
    const bytes = Envelope.assemble(
      encoded,
      bytesAt(value, "nonce"),
      bytesAt(value, "commitment"),
      bytesAt(value, "sealed")
    )
    return Sotto.Bytes.toHex(bytes)
  },
  fromForm: (form) => {
    const { commitment, header, nonce, sealed } = Result.getOrThrow(Sotto.Envelope.parse(bytesOf(form)))
    return { header, nonce, commitment, sealed }
  }
}

const refusals: VectorFile = {
  file: "relay-error.json",
  about: "Each error of a relay as it stands in a Refused frame.",
  values: Object.fromEntries(Sotto.RelayError.REFUSALS.map((row) => [row.tag, {
    _tag: row.tag,
    ...("detail" in row && { [row.detail]: row.tag === "MailboxUnavailable" ? "expired" : "why" }),
    ...("a" in row && { [row.a]: 1500 }),
    ...("b" in row && { [row.b]: 1000 })
  }])),
  toForm: (value) => {
    const row = Sotto.RelayError.REFUSALS.find(({ tag }) => tag === textAt(value, "_tag"))
    if (row === undefined) throw new TypeError("no error")
    const refusal = {
      number: row.number,
      detail: "detail" in row ? textAt(value, row.detail) : "",
      a: "a" in row ? numberAt(value, row.a) : 0,
      b: "b" in row ? numberAt(value, row.b) : 0
    }
    const error = Result.getOrThrow(Sotto.RelayError.fromRefusal(refusal))
    return Sotto.Bytes.toHex(Sotto.Frame.refusalCodec.encode(Sotto.RelayError.toRefusal(error)))
  },
  fromForm: (form) => {
    const refusal = Result.getOrThrow(Sotto.Frame.refusalCodec.decode(bytesOf(form)))
    const error = Result.getOrThrow(Sotto.RelayError.fromRefusal(refusal))
    return Object.fromEntries(Object.entries(error).filter(([name]) => name !== "number"))
  }
}

const addresses: VectorFile = {
  file: "relay-address.json",
  about: "A relay's address as text.",
  values: {
    "name": Fixture.relayAddress,
    "address and port": { ...Fixture.relayAddress, url: "ws://127.0.0.1:8080/" },
    "IPv6 and path": { ...Fixture.relayAddress, url: "wss://[2001:db8::7]:8443/sotto/v1" }
  },
  toForm: (value) =>
    Sotto.Ticket.relayAddressToText({
      url: textAt(value, "url"),
      key: Sotto.Id.RelayKey.make(bytesAt(value, "key"))
    }),
  fromForm: (form) => Result.getOrThrow(Sotto.Ticket.relayAddressFromText(form))
}

const tickets: VectorFile = {
  file: "pairing-ticket.json",
  about: "A pairing ticket as a URL.",
  values: Object.fromEntries(
    Object.entries(addresses.values).map(([name, relay], i) => [name, {
      relay,
      mailbox: Fixture.pattern(16, 104),
      expiresMillis: i * 1_700_000_000_000,
      secret: Fixture.pattern(32, 105)
    }])
  ),
  toForm: (value) => {
    const relay = isRecord(value) ? value["relay"] : undefined
    return Sotto.Ticket.pairingTicketToText({
      relay: { url: textAt(relay, "url"), key: Sotto.Id.RelayKey.make(bytesAt(relay, "key")) },
      mailbox: Sotto.Id.MailboxId.make(bytesAt(value, "mailbox")),
      expiresMillis: numberAt(value, "expiresMillis"),
      secret: bytesAt(value, "secret")
    })
  },
  fromForm: (form) => Result.getOrThrow(Sotto.Ticket.pairingTicketFromText(form))
}

const codes: VectorFile = {
  file: "pairing-code.json",
  about: "Pairing codes: mailbox (35 bits), secret (40 bits) and what people type.",
  values: Object.fromEntries(
    [new Uint8Array(10), new Uint8Array(10).fill(0xff), Fixture.pattern(10, 106), Fixture.pattern(10, 107)]
      .map((random, i) => [`code ${i + 1}`, Sotto.PairingCode.make(random)])
  ),
  toForm: (value) => Sotto.PairingCode.format({ mailbox: bytesAt(value, "mailbox"), secret: bytesAt(value, "secret") }),
  fromForm: (form) => Result.getOrThrow(Sotto.PairingCode.parse(form))
}

const F = Fixture
export const vectorFiles: ReadonlyArray<VectorFile> = [
  labels,
  ids,
  ofType("certificate-body.json", "Device.CertificateBody", "What a certificate says.", { laptop: F.certificateBody }),
  ofType("certificate.json", "Device.Certificate", "A certificate. The signature is a pattern.", {
    laptop: F.certificate
  }),
  ofType("genesis-body.json", "Space.GenesisBody", "What a genesis says.", { "a space": F.genesisBody }),
  ofType("genesis.json", "Space.Genesis", "A genesis. The signatures are patterns.", { "a space": F.genesis }),
  ofType("member-op-body.json", "Space.MemberOpBody", "What membership operations say.", F.memberOpBodies),
  ofType("member-op.json", "Space.MemberOp", "Membership operations. The signatures are patterns.", F.memberOps),
  ofType("head-body.json", "Head.HeadBody", "What a head says.", {
    "a log": F.headBody,
    "an empty log": F.emptyHead.body
  }),
  ofType("head.json", "Head.Head", "Heads. The signatures are patterns.", {
    "a log": F.head,
    "an empty log": F.emptyHead
  }),
  ofType("content-ref.json", "Content.ContentRef", "References to content.", {
    "no preview": F.contentRef,
    "with preview": { ...F.contentRef, preview: F.pattern(65, 110) }
  }),
  ofType("unsigned-entry.json", "Entry.UnsignedEntry", "Entries without their signature.", F.unsignedEntries),
  ofType("entry.json", "Entry.Entry", "Entries. The signatures are patterns.", F.entries),
  envelopes,
  ofType("client-frame.json", "Frame.ClientFrame", "What a client sends on the data plane.", F.clientFrames),
  ofType("relay-frame.json", "Frame.RelayFrame", "What a relay sends on the data plane.", F.relayFrames),
  ofType("peer-frame.json", "Peer.PeerFrame", "What two devices send each other directly.", F.peerFrames),
  ofType(
    "standby-request.json",
    "Standby.StandbyRequest",
    "What a standby asks of the relay that it follows.",
    F.standbyRequests
  ),
  ofType("standby-answer.json", "Standby.StandbyAnswer", "What a standby is answered.", F.standbyAnswers),
  refusals,
  ofType("relay-keys.json", "Relay.RelayKeys", "A relay's public keys.", {
    "a relay": { signing: F.pattern(32, 111), x25519: F.pattern(32, 112), mlKem: F.pattern(1184, 113) }
  }),
  ofType("mailbox-message.json", "Pairing.MailboxMessage", "Outer messages of pairing.", F.mailboxMessages),
  ofType("pairing-message.json", "Pairing.PairingMessage", "Inner messages of pairing.", F.pairingMessages),
  addresses,
  tickets,
  codes
]
