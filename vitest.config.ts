/**
 * One Vitest project per kind of test, so that each npm script runs its own. Sources are picked through the
 * `@sotto/source` condition: nothing is built before a test.
 */
import { defineConfig } from "vitest/config"

const conditions = ["@sotto/source"]

const project = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, include: [...include] }
})

/** One module graph for all files of a worker: loading it again for each would take longer than the tests. */
const shared = (name: string, include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, include: [...include], isolate: false }
})

/** Real processes, sockets and browsers, with long limits; a browser wants the machine for itself. */
const processes = (name: string, include: ReadonlyArray<string>, fileParallelism: boolean) => ({
  extends: true as const,
  test: {
    name,
    include: [...include],
    globalSetup: ["test/process/command.ts"],
    fileParallelism,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    testTimeout: 30_000,
    maxWorkers: "100%",
    projects: [
      shared("unit", ["packages/*/test/**/*.test.ts"]),
      project("simulator", ["simulation/test/**/*.test.ts"]),
      project("simulation", ["scenarios/test/**/*.test.ts"]),
      project("interop", ["test/interop/**/*.test.ts"]),
      project("tidy", ["test/tidy/**/*.test.ts"]),
      processes(
        "e2e",
        ["test/end-to-end/**/*.test.ts", "test/process/**/*.test.ts", "test/example/**/*.test.ts"],
        true
      ),
      processes("browser", ["test/browser/**/*.test.ts"], false)
    ]
  }
})
