import { assert, describe, it } from "@effect/vitest"
import * as RelayOptions from "@sotto/core/relay/RelayOptions"
import { Limit } from "@sotto/schema/Limit"
import type { Retention } from "@sotto/schema/Relay"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const DAY = 86_400_000
const made = (settings?: RelayOptions.RelaySettings) => Result.getOrThrow(RelayOptions.make(settings))
const refusal = (settings: RelayOptions.RelaySettings) =>
  Result.getOrThrow(Result.flip(RelayOptions.make(settings))).setting

describe("RelayOptions", () => {
  it("has every default from Limit, under the same name", () => {
    const { limits } = made()
    const all = new Map<string, unknown>(Object.entries(Limit))
    for (const [name, value] of Object.entries(limits)) assert.strictEqual(value, all.get(name), name)
    assert.strictEqual(made().retention.defaultMillis, Limit.retentionMillis)
    assert.strictEqual(made({ limits: { routeBytesMax: 7 } }).limits.routeBytesMax, 7)
  })

  it("refuses what it can't run with, and names it", () => {
    assert.strictEqual(refusal({ limits: { sessionsMax: 0 } }), "sessionsMax")
    assert.strictEqual(refusal({ limits: { sessionsMax: 1.5 } }), "sessionsMax")
    assert.strictEqual(refusal({ limits: { messagesPerSecond: Number.NaN } }), "messagesPerSecond")
    assert.strictEqual(refusal({ limits: { envelopeBytesMax: Limit.envelopeBytesMax + 1 } }), "envelopeBytesMax")
    assert.strictEqual(refusal({ limits: { pageBytesMax: Limit.pageBytesMax + 1 } }), "pageBytesMax")
    const unknown = { ...RelayOptions.LIMITS, sessionMax: 5 }
    assert.strictEqual(refusal({ limits: unknown }), "sessionMax")
    assert.strictEqual(refusal({ retention: { kinds: [] } }), "retention.kinds")
    assert.strictEqual(refusal({ retention: { defaultMillis: 0 } }), "retention.defaultMillis")
    assert.strictEqual(refusal({ retention: { millisMax: DAY } }), "retention.millisMax")
    assert.strictEqual(refusal({ admission: { _tag: "token", tokens: [] } }), "admission")
    assert.strictEqual(refusal({ software: "x".repeat(65) }), "software")
    assert.strictEqual(made({ admission: { _tag: "token", tokens: [Redacted.make("t")] } }).admission._tag, "token")
  })

  it("grants retention within its bounds", () => {
    const ttl = (millis: number): Retention => ({ _tag: "Transit", ttl: { _tag: "Millis", millis } })
    const never: Retention = { _tag: "Transit", ttl: { _tag: "Never" } }
    const usual: Retention = { _tag: "Transit", ttl: { _tag: "Default" } }
    const free = made()
    for (const wanted of [usual, never, ttl(1), ttl(9e12), { _tag: "Vault" } as const, { _tag: "Durable" } as const]) {
      assert.deepStrictEqual(RelayOptions.grant(free, wanted), wanted)
    }
    const bounded = made({ retention: { kinds: ["Transit"], defaultMillis: DAY, millisMax: 2 * DAY } })
    assert.deepStrictEqual(RelayOptions.grant(bounded, usual), usual)
    assert.deepStrictEqual(RelayOptions.grant(bounded, ttl(5)), ttl(5))
    assert.deepStrictEqual(RelayOptions.grant(bounded, ttl(3 * DAY)), ttl(2 * DAY))
    assert.deepStrictEqual(RelayOptions.grant(bounded, never), ttl(2 * DAY))
    assert.isUndefined(RelayOptions.grant(bounded, { _tag: "Vault" }))
    assert.isUndefined(RelayOptions.grant(bounded, { _tag: "Durable" }))

    const at = (retention: Retention) => RelayOptions.expiresMillis(bounded, retention, 1000)
    assert.deepStrictEqual([at(usual), at(ttl(5)), at(never), at({ _tag: "Vault" }), at({ _tag: "Durable" })], [
      1000 + DAY,
      1005,
      undefined,
      undefined,
      undefined
    ])
  })
})
