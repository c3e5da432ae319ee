/**
 * What the simulator gives a process of Sotto, as the platforms do for a real one (`runtime-node`).
 */
import { type Crypto, EntropyUnavailable } from "@sotto/core/Crypto"
import * as Keystore from "@sotto/core/Keystore"
import * as Secret from "@sotto/core/Secret"
import { Store, StoreFailed } from "@sotto/core/Store"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import type * as Node from "@sotto/simulation/Node"
import * as Seed from "@sotto/simulation/Seed"
import * as Workload from "@sotto/simulation/Workload"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as SimCrypto from "../adapter/SimCrypto.ts"
import * as SimStore from "../adapter/SimStore.ts"
import * as SimTransport from "../adapter/SimTransport.ts"
import * as Hanging from "./Hanging.ts"

/** All sealings of a run. */
const seals = Workload.model(() => new SimCrypto.SealRecord())

/** The tier of cryptography that the scenario names. */
export const tierOf = (knobs: Node.Base["knobs"]): SimCrypto.Tier => knobs["crypto"] === "real" ? "real" : "fake"

/** Cryptography of this process: its randomness is its own, and each reuse of a nonce is told. */
export const crypto = (host: Node.Base): Effect.Effect<Crypto["Service"], never, SecureRandom> =>
  Effect.gen(function*() {
    const { randomBytes } = yield* SecureRandom
    const seed = (yield* randomBytes(8)).reduce((all, byte) => (all << 8n) | BigInt(byte), 0n)
    const draws = Seed.draws(seed, "crypto")
    const record = seals.of(host.facts)
    return SimCrypto.make({
      tier: tierOf(host.knobs),
      node: host.name,
      record,
      onReuse: ({ before, cipher }) => host.observe("nonceReuse", { cipher, before }),
      random: (length) => {
        if (!host.attempt("random")) throw new EntropyUnavailable()
        return draws.bytes(length)
      }
    })
  })

/** The device's key: the platform keeps it apart from the disk, and nothing that happens to the disk touches it. */
export const keystore = (host: Node.Base, crypto: Crypto["Service"]): Keystore.Keystore["Service"] =>
  Keystore.fromKey(crypto, Secret.make(keyOf(host.name)))

/** A node's device key. */
export const keyOf = (node: string): Uint8Array => Seed.draws(0n, `device key of ${node}`).bytes(Keystore.KEY_BYTES)

/** The network, whose every dial a fault may refuse. */
export const transport = (host: Node.Base): Transport["Service"] => {
  const inner = SimTransport.make(host.network)
  return Transport.of({
    connect: (address) =>
      Effect.suspend(() =>
        host.attempt("connect")
          ? inner.connect(address)
          : Effect.fail(new RelayUnreachable({ url: address.url, reason: "network", detail: "as the fault wants" }))
      )
  })
}

/** The store, whose every commit a fault may refuse: before it is done, or after, when it stays; or take for ever. */
export const store = (host: Node.Base): Effect.Effect<Store["Service"], StoreFailed> =>
  Effect.map(SimStore.open(host.files), ({ commit, get, getMany, scan }) => {
    const failed = Effect.fail(
      new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the fault wants" })
    )
    return Store.of({
      get,
      getMany,
      scan,
      commit: (writes) =>
        Effect.suspend(() => {
          if (Hanging.isHanging(host)) return Effect.never
          if (!host.attempt("commit")) return failed
          return Effect.andThen(commit(writes), Effect.suspend(() => host.attempt("committed") ? Effect.void : failed))
        })
    })
  })
