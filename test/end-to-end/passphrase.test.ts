/** A passphrase before the device's key: given wrongly, in a file that cannot be used, or not at all. */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import type { Launch } from "../process/Child.ts"
import { expectCode, linesOf, Stage, text, valuesOf } from "../process/Stage.ts"

const PASSPHRASE = "correct horse battery staple"

describe("a passphrase", () => {
  it("that is missing, wrong, or in a file that cannot be used opens nothing, changes nothing and is never shown", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = stage.home("laptop")
    const file = stage.place.at("passphrase")
    const inFile: Launch = { env: { SOTTO_PASSPHRASE_FILE: file } }
    const init = ["init", "--relay", relay.address, "--name", "Laptop"]

    // A file that is not there, or empty, is no reason for a key without a passphrase, nor with an empty one.
    const refusal = async (launch: Launch, args: ReadonlyArray<string> = ["push", "lost?"]) => {
      const ended = expectCode(await stage.run(laptop, args, launch), 1)
      const [error] = linesOf(ended, "error")
      assert.strictEqual(text(error, "tag"), "KeystoreFailed")
      assert.notInclude(JSON.stringify(ended), PASSPHRASE)
      return text(error, "message")
    }
    assert.include(await refusal(inFile, init), "unreadable")
    fs.writeFileSync(file, "\n", { mode: 0o600 })
    assert.include(await refusal(inFile, init), "passphraseNeeded")
    assert.isFalse(fs.existsSync(path.join(laptop, "device.key")))

    fs.writeFileSync(file, `${PASSPHRASE}\n`, { mode: 0o600 })
    expectCode(await stage.run(laptop, init, inFile), 0)
    expectCode(await stage.run(laptop, ["push", "kept"], inFile), 0)
    const key = path.join(laptop, "device.key")
    const before = fs.readFileSync(key)
    assert.notInclude(before.toString(), PASSPHRASE)

    assert.include(await refusal({}), "passphraseNeeded")
    assert.include(await refusal({ env: { SOTTO_PASSPHRASE: `${PASSPHRASE}!` } }), "passphraseWrong")
    fs.chmodSync(file, 0o644)
    assert.include(await refusal(inFile), "exposed")
    fs.rmSync(file)
    fs.mkdirSync(file)
    assert.include(await refusal(inFile), "unreadable")
    // The same of the key file itself.
    const elsewhere = stage.place.at("elsewhere")
    fs.mkdirSync(elsewhere)
    assert.include(await refusal({ env: { SOTTO_KEY_FILE: elsewhere, SOTTO_PASSPHRASE: PASSPHRASE } }), "unreadable")

    assert.deepStrictEqual(fs.readFileSync(key), before)
    const pulled = await stage.run(laptop, ["pull"], { env: { SOTTO_PASSPHRASE: PASSPHRASE } })
    assert.deepStrictEqual(valuesOf(linesOf(expectCode(pulled, 0), "entry")), ["kept"])
  })
})
