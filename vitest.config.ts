/**
 * One Vitest project per kind of test, so that each npm script runs its own. Sources are picked through the
 * `@sotto/source` condition: nothing is built before a test.
 */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const conditions = ["@sotto/source"]

/** Files that take long, the longest first: one that is begun last would run alone. */
const LONG = [
  "end-to-end/relays",
  "end-to-end/peers",
  "process/relayKilled",
  "end-to-end/pairing.",
  "end-to-end/sync",
  "end-to-end/refusal",
  "end-to-end/wrongClock",
  "process/deviceKilled",
  "browser/core",
  "example/example",
  "end-to-end/items",
  "end-to-end/hostileNetwork",
  "process/simulator",
  "process/standby",
  "browser/viewer",
  "process/storeKilled",
  "scenarios/test/mutants",
  "scenarios/test/sync",
  "scenarios/test/members",
  "scenarios/test/determinism",
  "scenarios/test/pairing",
  "scenarios/test/byzantine",
  "scenarios/test/peers",
  "mutant/Runner",
  "test/Simulation"
]

class LongFirst extends BaseSequencer {
  override sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((part) => moduleId.includes(`${part}`))
      return at < 0 ? LONG.length : at
    }
    return Promise.resolve(files.toSorted((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1)))
  }
}

/** One module graph for all files of a worker: loading it again for each would take longer than many tests. */
const shared = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, include: [...include], isolate: false }
})

/**
 * Modules as Node itself loads them: a call into a module that Vite has rewritten goes through a getter, which counts where
 * there are hundreds of seeds. One graph of them for all files of a worker, which is warm after the first.
 */
const native = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: {
    ...shared(name, include).test,
    // Room for the garbage of two seeds: a collection copies the world that is alive.
    execArgv: ["--max-semi-space-size=64", ...conditions.map((condition) => `--conditions=${condition}`)],
    experimental: { viteModuleRunner: false, nodeLoader: false }
  }
})

/**
 * Processes and sockets of their own. Such tests wait a third of their time, for disks and for limits of seconds: half as
 * many again as there are processors keep those busy. The limits are long, for a machine that has others to serve.
 */
const processes = {
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testTimeout: 240_000,
  hookTimeout: 240_000
}

/** Beside the processes that they start; what is compiled for one run is there for the next. */
const endToEnd = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: {
    ...native(name, include).test,
    ...processes,
    globalSetup: ["test/process/command.ts"],
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL(".tmp/compile-cache", import.meta.url)) }
  }
})

/** Browsers beside the processes of other tests: nothing here is measured by the clock. */
const browsers = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, include: [...include], ...processes }
})

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    testTimeout: 30_000,
    maxWorkers: "100%",
    sequence: { sequencer: LongFirst },
    projects: [
      shared("unit", ["packages/*/test/**/*.test.ts"]),
      shared("simulator", ["simulation/test/**/*.test.ts"]),
      native("simulation", ["scenarios/test/**/*.test.ts"]),
      shared("interop", ["test/interop/**/*.test.ts"]),
      shared("tidy", ["test/tidy/**/*.test.ts"]),
      endToEnd("e2e", ["test/end-to-end/**/*.test.ts", "test/process/**/*.test.ts", "test/example/**/*.test.ts"]),
      browsers("browser", ["test/browser/**/*.test.ts"])
    ]
  }
})
