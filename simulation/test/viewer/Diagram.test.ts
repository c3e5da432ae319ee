/** The pure parts of the drawing: messages, bands, axes, frames, the grid and levels of detail. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Fault } from "../../src/Fault.ts"
import * as Axis from "../../src/viewer/page/Axis.ts"
import * as Band from "../../src/viewer/page/Band.ts"
import * as Detail from "../../src/viewer/page/Detail.ts"
import * as Frame from "../../src/viewer/page/Frame.ts"
import * as Grid from "../../src/viewer/page/Grid.ts"
import { lanesOf, untrusted } from "../../src/viewer/page/Lane.ts"
import * as Message from "../../src/viewer/page/Message.ts"
import type { Run } from "../../src/viewer/page/Run.ts"
import { sampleReport } from "../kit/sampleReport.ts"
import { type Line, runOf, sampleRun } from "../kit/sampleRun.ts"

const messagesIn = (run: Run) => Message.messagesOf(run, lanesOf(run))

/** Messages in words. */
const told = (run: Run) => {
  const lanes = lanesOf(run)
  const messages = messagesIn(run)
  return Array.from({ length: messages.size }, (_, i) => {
    const fate = ["arrived", "dropped", "open"][messages.fate[i] ?? 0]
    const name = (lane: number | undefined) => lanes.lanes[lane ?? 0]?.node
    const type = messages.types[messages.type[i] ?? 0]
    return `${name(messages.from[i])} ${messages.sent[i]} > ${name(messages.to[i])} ${messages.end[i]}: ${type} ${fate}`
  })
}

describe("lanes", () => {
  it("are the nodes of the scenario in its order, behind whoever else speaks", () => {
    const run = runOf([[0, "relay", "boot"], [0, "world", "phase"], [0, "client-2", "boot"]])
    assert.deepStrictEqual(lanesOf(run).lanes.map(({ node }) => node), [
      "world",
      "client-1",
      "client-2",
      "client-3",
      "relay"
    ])
    assert.deepStrictEqual([...lanesOf(run).byNode], [4, 0, 2])
    assert.strictEqual(untrusted(run, lanesOf(run)), "relay")
  })
})

describe("messages", () => {
  it("are what another node caused, drops, and what nobody took", () => {
    const run = runOf([
      [0, "client-1", "send", { to: "relay", type: "push" }],
      [1, "client-1", "send", { to: "relay", type: "push" }],
      [2, "relay", "recv", { from: "client-1", type: "push" }, 0],
      [3, "relay", "drop", { reason: "held" }, 1],
      [4, "client-2", "send", { to: "relay", bytes: 3 }],
      [5, "client-1", "dial", { address: "relay:1" }],
      [6, "relay", "accept", {}, 5]
    ])
    assert.deepStrictEqual(told(run), [
      "client-1 0 > relay 2: push arrived",
      "client-1 1 > relay 3: push dropped",
      "client-2 4 > relay 4: message open",
      "client-1 5 > relay 6: accept arrived"
    ])
  })

  it("lost and sent again are both", () => {
    const run = runOf([
      [0, "client-1", "send", { to: "relay" }],
      [0, "relay", "drop", { reason: "loss, sent again" }, 0],
      [9, "relay", "recv", { from: "client-1" }, 0]
    ])
    assert.deepStrictEqual(told(run), [
      "client-1 0 > relay 1: message dropped",
      "client-1 0 > relay 2: message arrived"
    ])
  })

  it("are not what a fault does that was aimed at another node", () => {
    assert.deepStrictEqual(
      told(runOf([[0, "client-1", "log"], [0, "relay", "fault", {}, 0], [0, "relay", "crash", {}, 0]])),
      []
    )
  })

  it("do not come from the world", () => {
    assert.deepStrictEqual(told(runOf([[0, "world", "fault"], [0, "relay", "crash", {}, 0]])), [])
  })

  it("end no earlier than they began, and come in that order", () => {
    const run = sampleRun(2_000)
    const messages = messagesIn(run)
    assert.isAbove(messages.size, 500)
    for (let i = 0; i < messages.size; i++) {
      assert.isAtMost(messages.sent[i] ?? 0, messages.end[i] ?? 0)
      assert.isAtLeast(Message.wayMicros(run, messages, i), 0)
      if (i > 0) assert.isAtMost(messages.end[i - 1] ?? 0, messages.end[i] ?? 0)
    }
  })
})

describe("bands", () => {
  const standing = (lines: ReadonlyArray<Line>) => {
    const run = runOf(lines, { simulatedMicros: 100 })
    return Band.standstills(run, lanesOf(run)).map(({ from, kind, to }) => `${kind} ${from}-${to}`)
  }

  it("of what is down last from the end of a process to its next start", () => {
    assert.deepStrictEqual(standing([[1, "relay", "crash"], [2, "relay", "exit"], [5, "relay", "boot"]]), ["down 1-5"])
    assert.deepStrictEqual(standing([[1, "relay", "exit"]]), ["down 1-100"])
  })

  it("of what stands still last until it goes on, or dies", () => {
    assert.deepStrictEqual(standing([[1, "relay", "pause"], [4, "relay", "resume"]]), ["paused 1-4"])
    assert.deepStrictEqual(
      standing([[1, "relay", "pause"], [2, "relay", "crash"], [4, "relay", "resume"], [6, "relay", "boot"]]),
      ["paused 1-2", "down 2-6"]
    )
  })

  const bandsOf = (faults: ReadonlyArray<Fault>, lines: ReadonlyArray<Line>) => {
    const { scenario } = sampleReport({ rows: 1 })
    const run = runOf(lines, { scenario: { ...scenario, faults }, simulatedMicros: 1_000 })
    return Band.faultBands(run, lanesOf(run))
  }

  it("of faults count from the beginning of the safety phase, and end with the run", () => {
    const faults: ReadonlyArray<Fault> = [{ kind: "offline", node: "client-1", atMicros: 50, durationMicros: 5_000 }]
    const [band] = bandsOf(faults, [[200, "world", "phase", { phase: "safety" }]])
    assert.deepInclude(band, { from: 250, to: 1_000, track: 0, lanes: [1] })
  })

  it("of faults are where their rows say, by number or by kind", () => {
    const faults: ReadonlyArray<Fault> = [
      { kind: "jump", node: "client-1", atMicros: 50, micros: 7 },
      {
        kind: "crashAt",
        node: "relay",
        point: { at: "send", k: 2 },
        downMicros: 30,
        disk: { kind: "none" },
        notice: "reset"
      },
      { kind: "error", node: "client-2", point: { at: "connect", k: 9 }, reason: "unavailable" }
    ]
    const bands = bandsOf(faults, [[60, "world", "fault", { fault: 0 }], [70, "client-1", "crash"], [
      80,
      "relay",
      "crash"
    ]])
    assert.deepStrictEqual(bands.map(({ fault, from, row, to }) => [fault.kind, from, to, row]), [
      ["jump", 60, 60, 0],
      ["crashAt", 80, 110, 2]
    ])
  })

  it("of cuts are on the lanes that a fault is about, or on all nodes, and where rows say so", () => {
    const { scenario } = sampleReport({ rows: 1 })
    const faults: ReadonlyArray<Fault> = [
      { kind: "offline", node: "relay", atMicros: 10, durationMicros: 20 },
      { kind: "clog", between: { shape: "everywhere" }, atMicros: 40, durationMicros: 5 }
    ]
    const run = runOf([[0, "world", "x"], [60, "client-2", "clog"], [70, "client-2", "unclog"], [
      80,
      "client-1",
      "clog"
    ]], {
      scenario: { ...scenario, faults },
      simulatedMicros: 100
    })
    const lanes = lanesOf(run)
    const cuts = Band.cutsOf(run, lanes, Band.faultBands(run, lanes))
    assert.deepStrictEqual(cuts.map(({ from, how, lane, to }) => `${lanes.lanes[lane]?.node} ${how} ${from}-${to}`), [
      "relay partition 10-30",
      "client-1 clog 40-45",
      "client-2 clog 40-45",
      "client-3 clog 40-45",
      "relay clog 40-45",
      "client-2 clog 60-70",
      "client-1 clog 80-100"
    ])
  })

  it("of faults end where they were lifted", () => {
    const faults: ReadonlyArray<Fault> = [{ kind: "pause", node: "relay", atMicros: 10, durationMicros: 800 }]
    const [band] = bandsOf(faults, [[10, "relay", "fault", { fault: 0 }], [60, "relay", "fault.end", { fault: 0 }]])
    assert.deepInclude(band, { from: 10, to: 60 })
  })

  it("that overlap lie in different tracks, in every scenario", () => {
    const fault = fc.record({ atMicros: fc.nat(500), durationMicros: fc.nat(200) })
    fc.assert(fc.property(fc.array(fault, { maxLength: 20 }), (drafts) => {
      const faults = drafts.map((draft): Fault => ({ kind: "pause", node: "relay", ...draft }))
      const bands = bandsOf(faults, [[1_000, "relay", "boot"]])
      assert.lengthOf(bands, drafts.length)
      for (const one of bands) {
        const clash = bands.some((other) =>
          other !== one && other.track === one.track && other.from <= one.to && one.from <= other.to
        )
        assert.isFalse(clash)
      }
    }))
  })
})

describe("the axis", () => {
  const times = fc.array(fc.nat(3_000_000), { minLength: 1, maxLength: 50 }).map((all) =>
    [...all].sort((a, b) => a - b)
  )
  const scale = fc.constantFrom(...Axis.scales)

  it("never goes back, and leads from a time to a place and back, in every trace", () => {
    fc.assert(fc.property(times, scale, (times, scale) => {
      const run = runOf(times.map((micros): Line => [micros, "relay", "x"]))
      const axis = Axis.axisOf(run, scale)
      let last = 0
      for (let at = 0; at < run.size; at++) {
        assert.isAtLeast(axis.place[at] ?? -1, last)
        last = axis.place[at] ?? 0
        assert.approximately(axis.timeOfPlace(last), times[at] ?? 0, 1e-3)
        assert.approximately(axis.timeOfPlace(axis.placeOfTime(times[at] ?? 0)), times[at] ?? 0, 1e-3)
      }
      assert.isAtMost(last, axis.length)
    }))
  })

  it("has round marks that are far enough apart", () => {
    const run = sampleRun()
    for (const scale of Axis.scales) {
      const axis = Axis.axisOf(run, scale)
      const marks = Axis.ticks(axis, { from: 0, to: axis.length }, { width: 900, apart: 96 })
      assert.isAbove(marks.length, 2)
      marks.forEach(({ micros, place }, i) => {
        assert.strictEqual(micros % 100_000, 0)
        if (i > 0) assert.isAtLeast((place - (marks[i - 1]?.place ?? 0)) / axis.length * 900, 95.9)
      })
    }
  })

  it("names times as people do", () => {
    const told = [
      0,
      7,
      1_500,
      20_000,
      1_204_000,
      200_000_000,
      3_600_000_000,
      180_000_000_000,
      187_200_000_000,
      -60_000_000
    ]
    assert.deepStrictEqual(told.map(Axis.duration), [
      "0 s",
      "7 µs",
      "1.5 ms",
      "20 ms",
      "1.204 s",
      "3 min 20 s",
      "1 h",
      "2 d 2 h",
      "2 d 4 h",
      "−60 s"
    ])
    assert.strictEqual(Axis.moment(12_000_345), "12.000345")
  })
})

describe("the frame", () => {
  const frame = fc.record({
    from: fc.double({ min: -50, max: 150, noNaN: true }),
    size: fc.double({ min: 0.1, max: 300, noNaN: true })
  })
    .map(({ from, size }) => Frame.clamp({ from, to: from + size }, 100))

  it("stays within the run, whatever is done to it", () => {
    fc.assert(
      fc.property(
        frame,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (frame, factor, at) => {
          const { from: low, to: high } = Frame.whole(100)
          for (
            const next of [
              Frame.zoom(frame, factor, at, 100),
              Frame.move(frame, at - 50, 100),
              Frame.follow(frame, at, 100)
            ]
          ) {
            assert.isAtLeast(next.from, low - 1e-9)
            assert.isAtMost(next.to, high + 1e-9)
            assert.isAbove(next.to, next.from)
          }
          const followed = Frame.follow(frame, at, 100)
          assert.isTrue(followed.from - 1e-9 <= at && at <= followed.to + 1e-9)
        }
      )
    )
  })

  it("keeps what is under the pointer where it is", () => {
    const frame = { from: 20, to: 60 }
    const closer = Frame.zoom(frame, 0.5, 30, 100)
    assert.deepStrictEqual(closer, { from: 25, to: 45 })
  })
})

describe("the grid", () => {
  it("puts each lane below the last and finds it again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 80 }),
        fc.nat(9),
        fc.integer({ min: 100, max: 1_200 }),
        (narrow, tracks, room) => {
          const grid = Grid.gridOf(narrow, tracks, room)
          narrow.forEach((_, lane) => assert.strictEqual(Grid.laneAt(grid, Grid.laneY(grid, lane)), lane))
          const last = grid.lanes[narrow.length - 1]
          assert.isAtMost((last?.top ?? 0) + (last?.height ?? 0), grid.height + 1e-6)
          assert.isUndefined(Grid.laneAt(grid, Grid.RULER - 1))
        }
      )
    )
  })
})

describe("levels of detail", () => {
  const sceneOf = (run: Run, frame?: Frame.Frame, mask?: Uint8Array): Detail.Scene => {
    const axis = Axis.axisOf(run, "even")
    const lanes = lanesOf(run)
    return {
      run,
      axis,
      frame: frame ?? Frame.whole(axis.length),
      width: 900,
      mask,
      laneByNode: lanes.byNode,
      lanes: lanes.lanes.length
    }
  }
  const large = sampleRun(60_000)
  const messages = messagesIn(large)

  it("draw a bounded number of things, near and far", () => {
    const { length } = Axis.axisOf(large, "even")
    for (const share of [1, 0.5, 0.1, 0.01, 0.001, 0.0001]) {
      const scene = sceneOf(large, { from: length * 0.4, to: length * (0.4 + share * 0.6) })
      const { dense, lines } = Detail.lines(scene, messages)
      assert.isAtMost(lines.length, dense ? Detail.LINES_DENSE_MAX : Detail.LINES_MAX)
      assert.isAtMost(Detail.marks(scene)?.length ?? 0, Detail.MARKS_MAX)
      assert.strictEqual(Detail.bars(scene).counts.length, 300 * scene.lanes)
    }
  })

  it("count every row in a bar, and every message in a line", () => {
    const scene = sceneOf(large)
    assert.strictEqual(Detail.bars(scene).counts.reduce((sum, count) => sum + count, 0), large.size)
    const { dense, lines } = Detail.lines(scene, messages)
    assert.isTrue(dense)
    assert.strictEqual(lines.reduce((sum, { count }) => sum + count, 0), messages.size)
  })

  it("are marks and single lines where there is room", () => {
    const scene = sceneOf(sampleRun())
    assert.lengthOf(Detail.marks(scene) ?? [], scene.run.size)
    assert.isFalse(Detail.lines(scene, messagesIn(scene.run)).dense)
  })

  it("leave out what the mask does", () => {
    const run = sampleRun()
    const mask = new Uint8Array(run.size)
    mask[3] = mask[8] = 1
    const scene = sceneOf(run, undefined, mask)
    assert.deepStrictEqual(Detail.marks(scene), [3, 8])
    assert.strictEqual(Detail.bars(scene).counts.reduce((sum, count) => sum + count, 0), 2)
    assert.deepStrictEqual(Detail.lines(scene, messagesIn(run)).lines, [])
  })

  it("find the row under a pointer, on its lane only", () => {
    const run = runOf([[1_000, "client-1", "x"], [500_000, "relay", "x"], [1_000_000, "client-1", "x"]])
    const scene = sceneOf(run)
    const lane = lanesOf(run).byName.get("client-1") ?? 0
    const at = Detail.x(scene, scene.axis.place[2] ?? 0)
    assert.strictEqual(Detail.pick(scene, lane, at + 3, 8), 2)
    assert.isUndefined(Detail.pick(scene, lane, at - 30, 8))
    assert.isUndefined(Detail.pick(scene, lane + 1, at, 8))
  })
})
