/**
 * `npm run demo`: a relay and two devices as separate processes on this machine; `npm run demo -- relays`: two relays and
 * three devices. Ends by itself: with status 0, or with the first step that failed.
 */
import { buildCommand } from "../process/command.ts"
import { Stage } from "../process/Stage.ts"
import * as relays from "./relays.ts"
import { seconds } from "./Telling.ts"
import * as two from "./two.ts"

interface Story {
  readonly title: string
  readonly story: (stage: Stage) => Promise<void>
}

const stories = new Map<string, Story>([["", two], ["relays", relays]])

const play = async ({ story, title }: Story): Promise<void> => {
  const stage = new Stage()
  const stop = () => {
    process.exitCode = 130
    void stage[Symbol.asyncDispose]()
  }
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
  try {
    console.log(`${title}\n`)
    await buildCommand()
    await story(stage)
    console.log(`\n${seconds()}  all went well`)
  } catch (error) {
    console.error(`\n${seconds()}  ✗ ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  } finally {
    await stage[Symbol.asyncDispose]()
    process.removeListener("SIGINT", stop)
    process.removeListener("SIGTERM", stop)
  }
}

const [name = ""] = process.argv.slice(2)
const chosen = stories.get(name)
if (chosen === undefined) {
  console.error(`There is no demo called ${name}. Run \`npm run demo\`, or \`npm run demo -- relays\`.`)
  process.exitCode = 2
} else await play(chosen)
