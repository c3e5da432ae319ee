import { ChannelFailed, RelayKeyMismatch } from "@sotto/core/channel/ChannelError"
import { KeystoreFailed } from "@sotto/core/Keystore"
import { StoreFailed } from "@sotto/core/Store"
import { RelayUnreachable } from "@sotto/core/Transport"
import * as Diagnosis from "@sotto/runtime-node/cli/Diagnosis"
import type { Check } from "@sotto/runtime-node/cli/Event"
import { Limit } from "@sotto/schema/Limit"
import { QuotaExceeded, RateLimited, Unauthorized, UnknownRoute } from "@sotto/schema/RelayError"
import { assert, describe, it } from "vitest"

const results = (checks: ReadonlyArray<Check>) => checks.map(({ name, result }) => `${name} ${result}`)

const home = { directory: "/d", exists: true, mode: 0o40700, mine: true, writable: true }

describe("this device", () => {
  it("is found wanting by what the file system says", () => {
    assert.strictEqual(Diagnosis.home(home).result, "ok")
    assert.strictEqual(Diagnosis.home({ ...home, mode: null }).result, "ok")
    assert.include(Diagnosis.home({ ...home, mode: 0o40750 }).detail, "750")
    assert.strictEqual(Diagnosis.home({ ...home, mode: 0o40701 }).result, "failed")
    assert.include(Diagnosis.home({ ...home, exists: false }).next ?? "", "sotto init")
    assert.include(Diagnosis.home({ ...home, mine: false }).detail, "another user")
    assert.include(Diagnosis.home({ ...home, writable: false }).detail, "cannot be written")
  })

  it("names the key or the store, and skips the other", () => {
    assert.deepStrictEqual(results(Diagnosis.opened(undefined)), ["key ok", "store ok"])
    const key = new KeystoreFailed({ reason: "exposed", detail: "device.key" })
    assert.deepStrictEqual(results(Diagnosis.opened(key)), ["key failed", "store skipped"])
    const store = new StoreFailed({ reason: "locked", operation: "open", detail: "" })
    assert.deepStrictEqual(results(Diagnosis.opened(store)), ["key skipped", "store failed"])
  })
})

describe("the way to the relay", () => {
  const keys = { url: "ws://h/", expected: "rly_a", got: "rly_b" }

  it("names the step that failed and skips what is behind it", () => {
    assert.deepStrictEqual(results(Diagnosis.dialled(undefined)), ["relay-key ok", "handshake ok", "version ok"])
    assert.deepStrictEqual(results(Diagnosis.dialled(new RelayKeyMismatch(keys))), [
      "relay-key failed",
      "handshake skipped",
      "version skipped"
    ])
    assert.deepStrictEqual(results(Diagnosis.dialled(new ChannelFailed({ reason: "timeout", detail: "" }))), [
      "relay-key ok",
      "handshake failed",
      "version skipped"
    ])
    assert.deepStrictEqual(results(Diagnosis.dialled(new ChannelFailed({ reason: "version", detail: "" }))), [
      "relay-key ok",
      "handshake ok",
      "version failed"
    ])
    const unreachable = new RelayUnreachable({ url: "ws://h/", reason: "network", detail: "" })
    assert.strictEqual(Diagnosis.conclude(Diagnosis.dialled(unreachable)).cause, "handshake")
  })

  it("tells an unknown name from a port that does not answer", () => {
    const at = (facts: Parameters<typeof Diagnosis.reached>[2]) => results(Diagnosis.reached("h", 1, facts))
    assert.deepStrictEqual(at({ addresses: ["::1"], connected: 3 }), ["name ok", "port ok"])
    assert.deepStrictEqual(at({ addresses: "ENOTFOUND", connected: null }), ["name failed", "port skipped"])
    assert.deepStrictEqual(at({ addresses: ["::1"], connected: "ECONNREFUSED" }), ["name ok", "port failed"])
  })

  it("measures the clocks against what other devices accept", () => {
    const result = (millis: number) => Diagnosis.clock(millis).result
    assert.strictEqual(result(0), "ok")
    assert.strictEqual(result(-29_999), "ok")
    assert.strictEqual(result(30_000), "warning")
    assert.strictEqual(result(-Limit.clockAheadMillisMax + 1), "warning")
    assert.strictEqual(result(Limit.clockAheadMillisMax), "failed")
    assert.strictEqual(result(-Limit.clockAheadMillisMax), "failed")
    assert.include(Diagnosis.clock(60_000).detail, "60 s ahead of")
    assert.include(Diagnosis.clock(-60_000).detail, "60 s behind")
  })

  it("tells a relay that was reset from one that shuts this device out", () => {
    assert.strictEqual(Diagnosis.route(undefined, 3).result, "ok")
    assert.include(Diagnosis.route(new UnknownRoute({}), 3).detail, "was reset")
    assert.notInclude(Diagnosis.route(new UnknownRoute({}), 0).detail, "was reset")
    assert.strictEqual(Diagnosis.route(new Unauthorized({ detail: "read" }), 3).name, "access")
    assert.strictEqual(Diagnosis.route(new RateLimited({ scope: "x", retryAfterMillis: 1 }), 3).result, "failed")
  })

  it("warns before the quota is used up", () => {
    const result = (usedBytes: number) => Diagnosis.quota({ usedBytes, quotaBytes: 100 }).result
    assert.deepStrictEqual([0, 89, 90, 99, 100, 101].map(result), [
      "ok",
      "ok",
      "warning",
      "warning",
      "failed",
      "failed"
    ])
  })
})

describe("what this device has noted", () => {
  it("names the quota when that is what entries wait for", () => {
    const refused = new QuotaExceeded({ usedBytes: 1, quotaBytes: 1 })
    assert.strictEqual(Diagnosis.outbox(0, null).result, "ok")
    assert.strictEqual(Diagnosis.outbox(2, null).result, "warning")
    assert.deepInclude(Diagnosis.outbox(2, { tag: refused._tag, message: refused.message }), {
      name: "quota",
      result: "failed"
    })
  })

  it("tells what heals from what does not", () => {
    const gap = { reason: "gap", waiting: true }, tag = { reason: "tag", waiting: false }
    assert.strictEqual(Diagnosis.quarantine([]).result, "ok")
    assert.include(Diagnosis.quarantine([gap, gap]).detail, "(gap)")
    assert.include(Diagnosis.quarantine([gap, tag]).detail, "(tag)")
  })

  it("calls nothing healthy after a failure, and names the first", () => {
    const [a, b, c] = [Diagnosis.ok("a", ""), Diagnosis.failed("b", "x"), Diagnosis.failed("c", "y")]
    assert.deepInclude(Diagnosis.conclude([a]), { healthy: true, cause: null })
    assert.deepInclude(Diagnosis.conclude([a, Diagnosis.warning("w", "")]), {
      healthy: true,
      message: "It works; 1 to look at."
    })
    assert.deepInclude(Diagnosis.conclude([a, b, c]), { healthy: false, cause: "b" })
  })
})
