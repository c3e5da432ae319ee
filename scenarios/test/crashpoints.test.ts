import * as CrashPairing from "@sotto/scenarios/simulation/CrashPairing"
import * as CrashPoints from "@sotto/scenarios/simulation/CrashPoints"
import * as CrashReconcile from "@sotto/scenarios/simulation/CrashReconcile"
import type { Report } from "@sotto/simulation/Report"
import { assert, describe, it } from "vitest"

const deaths = ({ scenario }: Report) => scenario.faults.filter(({ kind }) => kind === "crashAt")

/** Every place was reached, nothing broke at any, and the first run, in which nobody dies, did `marks`. */
const check = (reports: ReadonlyArray<Report>, atLeast: number, marks: ReadonlyArray<string>): void => {
  const [calm, ...others] = reports
  assert.isAtLeast(others.length, atLeast)
  assert.includeMembers(Object.keys(calm?.marks ?? {}), [...marks])
  for (const report of reports) {
    const place = JSON.stringify(deaths(report))
    assert.deepStrictEqual(report.violations, [], place)
    assert.lengthOf(report.rows.filter(({ kind }) => kind === "crash"), deaths(report).length, place)
  }
}

describe("wherever a process dies", { timeout: 300_000 }, () => {
  it("one push and one pull lose nothing that was answered", () => check(CrashPoints.runAll(), 150, []))

  it("pairing leads to both having each other, by this code or the next", () =>
    check(CrashPairing.runAll(), 80, ["let a device in", "came in"]))

  it("a device and a relay that compare come to have what both had", () =>
    check(CrashReconcile.runAtRelay(), 40, ["Reconciled"]))

  it("two devices that compare come to have what both had", () =>
    check(CrashReconcile.runBetweenDevices(), 15, ["PeerReconciled"]))
})
