/**
 * What users write is nowhere where it can be read by others: not on the wire, not on the disks of untrusted nodes, not
 * in logs, spans and errors.
 *
 * It is found by canaries (`Workload.Situation.canary`) in any form that `Canary.ts` knows. Whatever a program says by
 * `host.observe` is for the simulator's eyes, and not looked at.
 */
import * as Canary from "../Canary.ts"
import * as Invariant from "../Invariant.ts"
import type * as Trace from "../Trace.ts"

export type Place = "wire" | "disks" | "logs" | "errors"

export interface Options {
  /** Where to look: everywhere. */
  readonly at?: ReadonlyArray<Place>
  /** Texts to search for besides canaries: ASCII, 6 characters at least. */
  readonly secrets?: ReadonlyArray<string>
}

const SPOKEN: ReadonlySet<string> = new Set(["log", "span.start", "span.end", "span.event"])

export const make = (options: Options = {}): Invariant.Invariant => {
  const scanner = Canary.scanner(options.secrets)
  const looksAt = (place: Place): boolean => options.at?.includes(place) ?? true
  return Invariant.make("no plaintext", (world) => {
    const report = (kind: Place, found: Canary.Found | undefined, where: string, node: string): void => {
      if (found !== undefined) world.violated(`what a user wrote can be read ${where} (${found.form})`, node, { kind })
    }
    const lookAtDisks = (): void => {
      for (const node of world.nodes) {
        if (node.trust === "trusted") continue
        for (const { bytes, file } of node.files()) {
          report("disks", scanner.bytes(bytes), `on its disk, in ${file}`, node.name)
        }
      }
    }
    return {
      ...(looksAt("wire")
        ? { onCrossing: ({ bytes, from, to }) => report("wire", scanner.bytes(bytes), `on the wire to ${to}`, from) }
        : {}),
      ...(looksAt("logs")
        ? {
          onRow: (row) => {
            if (SPOKEN.has(row.kind)) report("logs", inRow(scanner, row), `in a ${row.kind}`, row.node)
          }
        }
        : {}),
      ...(looksAt("errors")
        ? {
          onExit: ({ message, node }) => report("errors", scanner.text(message), "in what it died of", node),
          onCommand: ({ error, name, node }) =>
            report("errors", scanner.text(error ?? ""), `in the error of ${name}`, node)
        }
        : {}),
      ...(looksAt("disks") ? { onPhase: lookAtDisks, onEnd: lookAtDisks } : {})
    }
  })
}

const inRow = (scanner: Canary.Scanner, { payload }: Trace.Row): Canary.Found | undefined => {
  for (const key in payload) {
    const value = payload[key]
    const found = typeof value === "string" ? scanner.text(value) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
