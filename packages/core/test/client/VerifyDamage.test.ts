import { assert, layer } from "@effect/vitest"
import * as ChainLink from "@sotto/core/log/ChainLink"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Sealing from "@sotto/core/log/Sealing"
import * as Sotto from "@sotto/core/Sotto"
import type { Store, Write } from "@sotto/core/Store"
import { EnvelopeId, Seq, Signature } from "@sotto/schema/Id"
import { toText } from "@sotto/schema/Text"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { flipped, ordinalAt, positionAt, problemsOf, relayNumber, scene, there } from "../kit/verifyScene.ts"
import * as World from "../kit/World.ts"

type StoreService = Store["Service"]

const NOBODY = EnvelopeId.make(new Uint8Array(32).fill(7))

/** A snapshot whose parts are not there. */
const NO_SETS: Ledger.IdStateRow = { generation: 1, through: 0, ids: 9, kept: 1, refused: 1 }

/** What of a store is damaged. */
type Damage = (store: StoreService) => Effect.Effect<ReadonlyArray<Write>, unknown>

const writes = (...all: ReadonlyArray<Write>): Damage => () => Effect.succeed(all)

const entryAt = (store: StoreService, ordinal: number) => Effect.map(Ledger.entry.get(store, ordinalAt(ordinal)), there)

/** Changes one row. */
const changed = <K, A>(table: Ledger.Table<K, A>, key: K, change: (row: A) => A): Damage => (store) =>
  Effect.map(table.get(store, key), (row) => [table.put(key, change(there(row)))])

const idAt = (crypto: World.World["crypto"], store: StoreService, ordinal: number) =>
  Effect.map(entryAt(store, ordinal), ({ envelope }) => Sealing.envelopeId(crypto, envelope))

/** Kinds of what is found in a store that is damaged so; the store is as before afterwards. */
const foundAfter = Effect.fnUntraced(function*(b: World.DeviceHost, damage: Damage) {
  const copy = yield* b.copy
  yield* b.store.commit(yield* damage(b.store))
  const report = yield* b.run(Sotto.verify())
  yield* b.putBack(copy)
  assert.strictEqual(report.found, report.problems.length)
  return report
})

layer(World.CryptoLive)("a store that is looked through", (it) => {
  it.effect("names every way in which it is damaged", () =>
    Effect.gen(function*() {
      const { b, world: { crypto } } = yield* scene
      const own = yield* idAt(crypto, b.store, 7)
      const other = yield* idAt(crypto, b.store, 3)
      const [chain] = (yield* Ledger.chain.scan(b.store, { limit: 10 })).filter(({ row }) => {
        const read = ChainLink.decode(row)
        return Result.isSuccess(read) && read.success.head?.seq === 4
      })
      const { key: chainKey, row: chainRow } = there(chain)
      const damages: ReadonlyArray<readonly [what: string, damage: Damage, ...kinds: ReadonlyArray<string>]> = [
        [
          "an entry that does not read",
          (store) =>
            Effect.map(
              entryAt(store, 4),
              (row) => [{ ...Ledger.entry.put(ordinalAt(4), row), value: Uint8Array.of(1) }]
            ),
          "row",
          "chain",
          "index"
        ],
        ["a row under a key that is none", writes({ key: Uint8Array.of(6, 1), value: Uint8Array.of(1) }), "row"],
        [
          "an entry with a bit that is not its own",
          changed(Ledger.entry, ordinalAt(4), (row) => ({
            ...row,
            envelope: flipped(row.envelope, 100)
          })),
          "entry",
          "chain",
          "index"
        ],
        ["an entry that is gone", writes(Ledger.entry.remove(ordinalAt(4))), "chain", "index"],
        ["the last entry of a chain that is gone", writes(Ledger.entry.remove(ordinalAt(7))), "chain", "index"],
        [
          "the entry that closes a batch gone",
          writes(Ledger.entry.remove(ordinalAt(6))),
          "signature",
          "chain",
          "index"
        ],
        [
          "two entries in each other's place",
          Effect.fnUntraced(function*(store) {
            const [four, five] = [yield* entryAt(store, 4), yield* entryAt(store, 5)]
            return [Ledger.entry.put(ordinalAt(4), five), Ledger.entry.put(ordinalAt(5), four)]
          }),
          "chain",
          "index"
        ],
        [
          "the same entry twice",
          Effect.fnUntraced(function*(store) {
            return [Ledger.entry.put(ordinalAt(5), yield* entryAt(store, 4))]
          }),
          "chain",
          "index"
        ],
        [
          "a name that leads nowhere",
          writes(Ledger.known.put(NOBODY, { _tag: "Accepted", ordinal: ordinalAt(99) })),
          "index"
        ],
        [
          "a name that leads to another",
          writes(Ledger.known.put(NOBODY, { _tag: "Accepted", ordinal: ordinalAt(4) })),
          "index"
        ],
        ["an entry without its name", writes(Ledger.known.remove(other)), "index"],
        ["an entry that is said to wait", writes(Ledger.known.put(other, { _tag: "Waiting" })), "index"],
        ["an envelope that is said to be refused", writes(Ledger.known.put(NOBODY, { _tag: "Refused" })), "index"],
        [
          "an envelope that is set aside and not known",
          writes(Ledger.refused.put(NOBODY, {
            reason: "tag",
            relay: relayNumber(1),
            position: positionAt(1),
            sinceMillis: 0,
            sizeBytes: 3,
            envelope: Uint8Array.of(1, 2, 3)
          })),
          "index"
        ],
        ["a chain without its row", writes(Ledger.chain.remove(chainKey)), "chain"],
        ["a chain whose row went back", (_) => {
          const read = ChainLink.decode(chainRow)
          if (Result.isFailure(read)) return Effect.die("a chain that does not read")
          const recent = read.success.recent.slice(0, 2)
          const head = { seq: Seq.make(2), hash: there(recent[1]) }
          return Effect.succeed([Ledger.chain.put(chainKey, ChainLink.encode({ ...read.success, recent, head }))])
        }, "chain"],
        ["a chain's row that does not read", writes(Ledger.chain.put(chainKey, Uint8Array.of(9))), "row"],
        [
          "a chain that the log has nothing of",
          writes(Ledger.chain.put(
            { ...chainKey, device: b.identity().id },
            chainRow
          )),
          "row"
        ],
        [
          "another one noted at a position",
          changed(Ledger.placed, { relay: relayNumber(1), position: positionAt(3) }, (row) => ({
            ...row,
            id: NOBODY
          })),
          "log",
          "index"
        ],
        [
          "another running chain at a position",
          changed(Ledger.placed, { relay: relayNumber(2), position: positionAt(2) }, (row) => ({
            ...row,
            chain: new Uint8Array(32)
          })),
          "log"
        ],
        [
          "a cursor that went back",
          changed(Ledger.mark, relayNumber(1), (mark) => ({ ...mark, cursor: positionAt(5) })),
          "log"
        ],
        [
          "a running chain that is not the one at its cursor",
          changed(Ledger.mark, relayNumber(1), (mark) => ({
            ...mark,
            chain: new Uint8Array(32)
          })),
          "log"
        ],
        [
          "a head that the relay did not sign",
          changed(Ledger.mark, relayNumber(1), (mark) => ({
            ...mark,
            head: mark.head === null ? null : {
              ...mark.head,
              body: { ...mark.head.body, chain: flipped(mark.head.body.chain, 0) }
            }
          })),
          "log"
        ],
        [
          "an outbox without what is to be sent",
          writes(Ledger.outbox.remove({ relay: relayNumber(2), ordinal: ordinalAt(7) })),
          "unsent"
        ],
        [
          "an outbox with what is there",
          writes(Ledger.outbox.put({ relay: relayNumber(1), ordinal: ordinalAt(7) }, own)),
          "unsent"
        ],
        [
          "an outbox of a relay that is not in use",
          writes(Ledger.outbox.put({ relay: relayNumber(9), ordinal: ordinalAt(7) }, own)),
          "index"
        ],
        [
          "an outbox with another name",
          writes(Ledger.outbox.put({ relay: relayNumber(2), ordinal: ordinalAt(7) }, other)),
          "index"
        ],
        [
          "an outbox with nothing behind it",
          writes(Ledger.outbox.put({ relay: relayNumber(2), ordinal: ordinalAt(90) }, own)),
          "index"
        ],
        ["an own entry without its places", writes(Ledger.place.remove(ordinalAt(7))), "unsent", "index"],
        [
          "an entry at another position than it stands at",
          writes(Ledger.place.put(ordinalAt(7), [
            { relay: relayNumber(1), position: positionAt(1) }
          ])),
          "index"
        ],
        ["places of nothing", writes(Ledger.place.put(ordinalAt(90), [])), "index"],
        [
          "an entry that says another relay brought it",
          changed(Ledger.entry, ordinalAt(3), (row) => ({
            ...row,
            position: positionAt(1)
          })),
          "index"
        ],
        [
          "a last ordinal that went back",
          changed(Ledger.meta, "", (meta) => ({ ...meta, ordinal: ordinalAt(6) })),
          "counter"
        ],
        [
          "a clock that went back",
          changed(Ledger.meta, "", (meta) => ({ ...meta, hlc: { millis: 0, counter: 0 } })),
          "counter"
        ],
        [
          "a last relay number that went back",
          changed(Ledger.meta, "", (meta) => ({ ...meta, relays: relayNumber(1) })),
          "counter"
        ],
        ["a relay without its mark", writes(Ledger.mark.remove(relayNumber(2))), "index"],
        ["a mark without its relay", writes(Ledger.relay.remove(relayNumber(2))), "index"],
        [
          "a relay that is there twice",
          Effect.fnUntraced(function*(store) {
            const row = there(yield* Ledger.relay.get(store, relayNumber(1)))
            const mark = there(yield* Ledger.mark.get(store, relayNumber(1)))
            return [Ledger.relay.put(relayNumber(2), row), Ledger.mark.put(relayNumber(2), mark)]
          }),
          "index"
        ],
        [
          "a relay that was caught with nothing",
          changed(Ledger.relay, relayNumber(1), (row) => ({ ...row, misbehaved: 1 })),
          "index"
        ],
        [
          "a head that is kept and was not signed",
          (store) =>
            Effect.map(Ledger.mark.get(store, relayNumber(1)), (mark) => {
              const head = there(there(mark).head ?? undefined)
              const signature = Signature.make(flipped(head.signature, 0))
              return [Ledger.witness.put(relayNumber(1), [head, { ...head, signature }])]
            }),
          "log"
        ],
        [
          "a head that is kept of another relay",
          (store) =>
            Effect.map(Ledger.mark.get(store, relayNumber(1)), (mark) => [
              Ledger.witness.put(relayNumber(2), [there(there(mark).head ?? undefined)])
            ]),
          "log"
        ],
        ["heads that are kept of no relay", writes(Ledger.witness.put(relayNumber(9), [])), "index"],
        ["sets of ids that do not read", writes(Ledger.idState.put("", NO_SETS)), "snapshot"],
        ["evidence that does not read", writes(Ledger.evidence.put(1, Uint8Array.of(1))), "row", "counter"]
      ]
      const wrong: Array<string> = []
      for (const [what, damage, ...kinds] of damages) {
        const report = yield* Effect.orDie(foundAfter(b, damage))
        const found = new Set<string>(report.problems.map(({ kind }) => kind))
        const missed = kinds.filter((kind) => !found.has(kind))
        if (missed.length > 0 || report.found === 0) {
          wrong.push(`${what}: no ${missed.join()} in\n  ${problemsOf(report).join("\n  ")}`)
        }
      }
      assert.deepStrictEqual(wrong, [])
    }))

  it.effect("says which row it is, and what is wrong with it", () =>
    Effect.gen(function*() {
      const { b, hosts, world: { crypto } } = yield* scene
      const [first, second] = hosts.map(({ url }) => url)
      const told = (damage: Damage) => Effect.map(Effect.orDie(foundAfter(b, damage)), problemsOf)
      const own = `entry 7 (${toText("EnvelopeId", yield* idAt(crypto, b.store, 7))})`
      const other = `entry 4 (${toText("EnvelopeId", yield* idAt(crypto, b.store, 4))})`
      assert.deepStrictEqual(
        yield* told(writes(Ledger.outbox.remove({ relay: relayNumber(2), ordinal: ordinalAt(7) }))),
        [`unsent: ${own}: to ${second}: it is not there, and not to be sent`]
      )
      assert.deepStrictEqual(
        yield* told(writes(Ledger.known.remove(yield* idAt(crypto, b.store, 4)))),
        [`index: ${other}: its name leads to no row`]
      )
      assert.deepStrictEqual(
        yield* told(changed(Ledger.mark, relayNumber(1), (mark) => ({ ...mark, cursor: positionAt(6) }))),
        [`log: ${first}, position 7: it was received up to 6 only`]
      )
    }))
})
