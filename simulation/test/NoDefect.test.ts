/** Programs that die, and what is left behind by those that stop. */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import * as NoDefect from "../src/invariant/NoDefect.ts"
import * as Node from "../src/Node.ts"
import { tiny } from "./kit/tiny.ts"

const encode = (text: string) => new TextEncoder().encode(text)

const crashOf = (node: string) =>
  ({ kind: "crash", node, atMicros: 1_000_000, downMicros: 1_000, disk: { kind: "none" }, notice: "reset" }) as const

describe("no defect", () => {
  const run = (
    program: (host: Node.Host) => Effect.Effect<unknown, unknown>,
    scheduled: Parameters<typeof tiny>[0]["scheduled"] = []
  ) => tiny({ invariants: [NoDefect.make()], scheduled, nodes: { peer: Node.make({ program }) } }).violations

  const ready = (host: Node.Host) => Effect.sync(() => host.ready(undefined))

  it("is silent about programs that come to their end, and about those that are crashed", () => {
    assert.deepStrictEqual(run(ready), [])
    assert.deepStrictEqual(run((host) => Effect.andThen(ready(host), Effect.never), [crashOf("peer")]), [])
  })

  it("names a defect, and an error that nobody handles", () => {
    assert.include(
      run((host) => Effect.andThen(ready(host), Effect.die(new Error("oh"))))[0]?.message,
      "defect: Error: oh"
    )
    assert.include(run((host) => Effect.andThen(ready(host), Effect.fail("oh")))[0]?.message, "nobody handles: oh")
  })

  it("names a fiber that dies unseen, when asked to", () => {
    const forget = (host: Node.Host) =>
      Effect.gen(function*() {
        host.ready(undefined)
        yield* Effect.forkDetach(Effect.andThen(Effect.sleep("1 second"), Effect.die("unseen")))
        return yield* Effect.never
      })
    assert.deepStrictEqual(run(forget), [])
    const nodes = { peer: Node.make({ program: forget }) }
    const [violation] = tiny({ invariants: [NoDefect.make({ fibers: true })], nodes }).violations
    assert.strictEqual(violation?.message, "a fiber dies of a defect: unseen")
    const fine = {
      peer: Node.make({ program: (host: Node.Host) => Effect.andThen(ready(host), Effect.sleep("1 second")) })
    }
    assert.isTrue(tiny({ invariants: [NoDefect.make({ fibers: true })], nodes: fine }).ok)
  })

  it("lets programs fail of a fault that they may fail of", () => {
    const append = (host: Node.Host) =>
      Effect.gen(function*() {
        host.ready(undefined)
        yield* Effect.sleep("1 second")
        yield* host.files.append("file", encode("x"))
        return yield* Effect.never
      })
    const point = { at: "disk", operation: "append", phase: "before", k: 0 } as const
    assert.deepStrictEqual(run(append, [{ kind: "error", node: "peer", point, reason: "unavailable" }]), [])
  })

  it("names what a program still has when it was stopped", () => {
    const leave = (host: Node.Host) =>
      Effect.gen(function*() {
        host.ready(undefined)
        yield* Effect.forkDetach(Effect.withSpan(Effect.never, "forgotten"))
        return yield* Effect.never
      })
    assert.include(run(leave)[0]?.message, "was stopped, and still had span forgotten")
  })
})
