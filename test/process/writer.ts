/** A program that writes as fast as it may and says each value once it is acknowledged: to be killed. */
import { openSotto } from "@sotto/runtime-node/open"

const [dir = "", name = ""] = process.argv.slice(2)
const sotto = await openSotto({ dir })
for (let n = 0;; n++) {
  const value = `${name} ${n}`
  await sotto.push(value)
  process.stdout.write(`${JSON.stringify({ type: "saved", value })}\n`)
}
