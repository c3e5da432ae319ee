/**
 * The first statement of a space (protocol.md §3): who created it, under which suite and policy, and the recovery key.
 * The space's id is its hash, so a space names itself and nobody can put another history under the same name.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Signature, type SigningKey, SpaceId } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import { type Genesis, type GenesisBody, genesisBodyCodec, genesisCodec, type SpacePolicy } from "@sotto/schema/Space"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"
import { type DeviceIdentity, sign, verifyCertificate } from "../Device.ts"

type CryptoService = Crypto["Service"]

/** A genesis that is not what it says. */
export class GenesisRefused extends Schema.TaggedError<GenesisRefused>()("GenesisRefused", {
  reason: Schema.Literals(["codec", "suite", "certificate", "signature"])
}) {
  override get message() {
    return `The beginning of this space does not verify (${this.reason}). Nothing was joined and nothing was changed; ` +
      "ask whoever invited you for a new invitation."
  }
}

const signedBytes = (crypto: CryptoService, body: GenesisBody): Uint8Array =>
  label(body.suite, Purpose.signGenesis, crypto.sha256(genesisBodyCodec.encode(body)))

/** The space's id: the hash of its genesis with the signature. */
const spaceIdOf = (crypto: CryptoService, genesis: Genesis): SpaceId =>
  SpaceId.make(crypto.sha256(label(genesis.body.suite, Purpose.spaceId, genesisCodec.encode(genesis))))

/**
 * A new space's genesis, signed by its creator. `random` (32 bytes) makes it unique; `recovery` is the public key that
 * `Keys.makeRecovery(…).signing(random)` gives.
 */
export const create = (options: {
  readonly crypto: CryptoService
  readonly creator: DeviceIdentity
  readonly policy: SpacePolicy
  readonly recovery: SigningKey
  readonly random: Uint8Array
}): { readonly genesis: Genesis; readonly spaceId: SpaceId; readonly bytes: Uint8Array } => {
  const { creator, crypto, policy, random, recovery } = options
  const body: GenesisBody = {
    suite: creator.certificate.body.suite,
    creator: creator.certificate,
    recovery,
    policy,
    random: Bytes.plain(random).slice()
  }
  const genesis = { body, signature: sign(crypto, creator, signedBytes(crypto, body)) }
  return { genesis, spaceId: spaceIdOf(crypto, genesis), bytes: genesisCodec.encode(genesis) }
}

/** The id of the space that a genesis begins, when it is what it says. Compare it with the id that was expected. */
export const verify = (crypto: CryptoService, genesis: Genesis): Result.Result<SpaceId, GenesisRefused> => {
  const { body, signature } = genesis
  const creator = body.creator.body
  if (body.suite !== creator.suite) return Result.fail(new GenesisRefused({ reason: "suite" }))
  if (!verifyCertificate(crypto, body.creator)) return Result.fail(new GenesisRefused({ reason: "certificate" }))
  return crypto.signature.verify(creator.signing, signedBytes(crypto, body), Signature.make(signature))
    ? Result.succeed(spaceIdOf(crypto, genesis))
    : Result.fail(new GenesisRefused({ reason: "signature" }))
}

/** A genesis from its bytes, checked. */
export const decode = (
  crypto: CryptoService,
  bytes: Uint8Array
): Result.Result<{ readonly genesis: Genesis; readonly spaceId: SpaceId }, GenesisRefused> => {
  const decoded = genesisCodec.decode(bytes)
  if (Result.isFailure(decoded)) return Result.fail(new GenesisRefused({ reason: "codec" }))
  const genesis = decoded.success
  return Result.map(verify(crypto, genesis), (spaceId) => ({ genesis, spaceId }))
}
