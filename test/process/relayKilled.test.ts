/**
 * A relay that is killed again and again while devices write: what it acknowledged is there afterwards, at the position
 * that it named, and its log is one unbroken chain (protocol.md §2, §6).
 */
import type { SottoHandle } from "@sotto/core/Face"
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import * as Bytes from "@sotto/schema/Bytes"
import * as Proof from "@sotto/schema/Proof"
import * as crypto from "node:crypto"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as pause } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { type RunningRelay, Stage } from "./Stage.ts"

const KILLS = 50

/** Writes until told to stop; notes what the relay acknowledged, and where. */
class Writer {
  readonly acknowledged = new Map<string, number>()
  readonly #sotto: SottoHandle
  readonly #end = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  readonly running: Promise<void>

  constructor(sotto: SottoHandle, name: string) {
    this.#sotto = sotto
    this.running = this.#write(name)
  }

  async #write(name: string): Promise<void> {
    for (let n = 0; !this.#end.signal.aborted; n++) {
      const receipt = await this.#sotto.push(`${name} ${n} ${"x".repeat(n % 500)}`, { collection: name })
      this.#last = receipt.stored().then((position) => this.acknowledged.set(Bytes.toHex(receipt.id), position))
      await pause(2)
    }
  }

  /** No more; all that was written is acknowledged. */
  async stop(): Promise<void> {
    this.#end.abort()
    await this.running
    await this.#sotto.settled()
    await this.#last
  }
}

interface Row {
  readonly position: number
  readonly id: string
}

/** The log as it lies in the relay's file, with the chain that its head names. */
const readLog = (
  relay: RunningRelay
): { readonly rows: ReadonlyArray<Row>; readonly chain: string; readonly head: number } => {
  const database = new DatabaseSync(path.join(relay.data, "sotto.db"), { readOnly: true })
  try {
    const rows = database.prepare("SELECT position, lower(hex(id)) AS id FROM envelope ORDER BY position").all()
    const head = database.prepare("SELECT position, lower(hex(chain)) AS chain FROM head").all()
    assert.lengthOf(head, 1)
    return {
      rows: rows.map((row) => ({ position: Number(row["position"]), id: String(row["id"]) })),
      chain: String(head[0]?.["chain"]),
      head: Number(head[0]?.["position"])
    }
  } finally {
    database.close()
  }
}

const chainOf = (rows: ReadonlyArray<Row>): string => {
  let chain: Uint8Array = new Uint8Array(32)
  for (const { id } of rows) {
    chain = crypto.createHash("sha256").update(Proof.chainLink(chain, Buffer.from(id, "hex"))).digest()
  }
  return Buffer.from(chain).toString("hex")
}

describe("a relay that is killed under load", () => {
  it(`keeps all that it acknowledged, ${KILLS} times`, async () => {
    await using stage = new Stage()
    let relay = await stage.relay()
    await using laptop = await openSotto({ dir: stage.home("laptop"), relay: relay.address, label: "Laptop" })
    const offered = Promise.withResolvers<string>()
    const hosting = laptop.pair({ onCode: ({ url }) => offered.resolve(url), approve: () => true })
    await joinSotto({ dir: stage.home("phone"), from: { url: await offered.promise }, label: "Phone" })
    await hosting
    await using phone = await openSotto({ dir: stage.home("phone") })

    const writers = [new Writer(laptop, "laptop"), new Writer(phone, "phone")]
    const acknowledged = () => writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0)
    for (let kill = 1; kill <= KILLS; kill++) {
      const before = acknowledged()
      while (acknowledged() < before + 5) await pause(5)
      await pause(Math.random() * 30)
      const ended = await relay.child.stop("SIGKILL")
      assert.strictEqual(ended.signal, "SIGKILL")
      relay = await stage.relay({ port: relay.port, data: relay.data })
      await Promise.all([laptop.wake(), phone.wake()])
    }
    for (const writer of writers) await writer.stop()
    await Promise.all([laptop.settled(), phone.settled()])
    await relay.child.stop("SIGTERM")

    const { chain, head, rows } = readLog(relay)
    assert.deepStrictEqual(rows.map(({ position }) => position), rows.map((_, i) => i + 1))
    assert.strictEqual(head, rows.length)
    assert.strictEqual(chain, chainOf(rows))
    const positionById = new Map(rows.map(({ id, position }) => [id, position]))
    assert.strictEqual(positionById.size, rows.length)
    assert.isAtLeast(acknowledged(), KILLS * 5)
    for (const writer of writers) {
      for (const [id, position] of writer.acknowledged) assert.strictEqual(positionById.get(id), position, id)
    }
    assert.deepStrictEqual(await laptop.evidence(), [])
    assert.deepStrictEqual(await phone.quarantine(), [])
    assert.strictEqual(stage.children.running, 0)
  })
})
