import * as CrashItems from "@sotto/scenarios/simulation/CrashItems"
import * as CrashPairing from "@sotto/scenarios/simulation/CrashPairing"
import * as CrashPoints from "@sotto/scenarios/simulation/CrashPoints"
import * as CrashReconcile from "@sotto/scenarios/simulation/CrashReconcile"
import type { Report } from "@sotto/simulation/Report"
import { assert, describe, it } from "vitest"

/** Every place was reached, nothing broke at any, and the first run, in which nobody dies there, did `marks`. */
const check = (reports: ReadonlyArray<Report>, atLeast: number, marks: ReadonlyArray<string>): void => {
  const [first, ...others] = reports
  assert.isAtLeast(others.length, atLeast)
  assert.includeMembers(Object.keys(first?.marks ?? {}), [...marks])
  for (const { rows, scenario: { faults }, violations } of reports) {
    const death = faults.find((fault) => fault.kind === "crashAt")
    const place = JSON.stringify(death)
    assert.deepStrictEqual(violations, [], place)
    assert.isTrue(death === undefined || rows.some(({ kind, node }) => kind === "crash" && node === death.node), place)
  }
}

describe("wherever a process dies", { timeout: 300_000 }, () => {
  it("one push and one pull lose nothing that was answered", () => check(CrashPoints.runAll(), 150, []))

  it("items that are written, merged and taken back are those of a device that did not die", () =>
    check(CrashItems.runAll(), 50, ["Retracted", "MemberRemoved"]))

  it("pairing leads to both having each other, by this code or the next", () =>
    check(CrashPairing.runAll(), 80, ["let a device in", "came in"]))

  it("a device and a relay that compare come to have what both had", () =>
    check(CrashReconcile.runAtRelay(), 40, ["Reconciled"]))

  it("two devices that compare come to have what both had", () =>
    check(CrashReconcile.runBetweenDevices(), 15, ["PeerReconciled"]))
})
