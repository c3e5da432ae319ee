/** What holds of items: who wrote one can read it, and in the end all devices know of it. */
import * as Invariant from "@sotto/simulation/Invariant"
import type { Json } from "@sotto/simulation/Scenario"
import * as Said from "../Said.ts"
import * as Durability from "./durability.ts"

/** Right after a write of an item was answered, it is among the item's versions. */
const itemsReadBack = Invariant.make("itemsReadBack", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "itemWritten" || Said.field(data, "found") === true) return
    if (world.nodes.some(({ losses, name }) => name === node && losses === 0)) {
      world.violated(
        `version ${Said.text(data, "version").slice(0, 12)} was answered, and the item does not have it`,
        node
      )
    }
  }
}))

/** A device writes on top of what it wrote before, never beside it, whatever it does at once. */
const ownWritesFollow = Invariant.make("ownWritesFollow", (world) => ({
  onObservation: ({ data, node, what }) => {
    if (what !== "itemWritten" || Said.number(data, "heads") < 2) return
    if (world.nodes.some(({ losses, name }) => name === node && losses === 0)) {
      world.violated(`wrote ${Said.number(data, "heads")} versions of an item beside each other`, node)
    }
  }
}))

interface Showing {
  readonly incarnation: number
  readonly versions: ReadonlySet<Json>
}

/**
 * In the end, every version that was answered for is known on every device: as a head, or behind one. But for those of a
 * newcomer that others may not know.
 */
const itemsKept = Invariant.make("itemsKept", (world) => {
  const authorByVersion = new Map<string, string>()
  const showingByNode = new Map<string, Showing>()
  const isWhole = (node: Invariant.NodeView | undefined): boolean => node?.losses === 0
  const missing = (): { readonly node: string; readonly version: string; readonly author: string } | undefined => {
    if (!world.nodes.every((node) => node.kind !== "relay" || isWhole(node))) return undefined
    const nodeByName = new Map(world.nodes.map((node) => [node.name, node]))
    const authors = [...authorByVersion].filter(([, name]) => {
      const author = nodeByName.get(name)
      return author !== undefined && isWhole(author) && author.core && Durability.isKnown(world, author)
    })
    for (const reader of world.nodes) {
      if (reader.kind !== "client" || !reader.core || !reader.alive || !isWhole(reader)) continue
      const showing = showingByNode.get(reader.name)
      const known = showing?.incarnation === reader.incarnation ? showing.versions : undefined
      const lost = authors.find(([version]) => known?.has(version) !== true)
      if (lost !== undefined) return { node: reader.name, version: lost[0], author: lost[1] }
    }
    return undefined
  }
  const look = () => {
    const lost = missing()
    if (lost === undefined) return
    world.violated(
      `does not know version ${lost.version.slice(0, 12)} of an item, which ${lost.author} wrote`,
      lost.node
    )
  }
  return {
    onObservation: ({ data, incarnation, node, what }) => {
      if (what === "itemWritten") authorByVersion.set(Said.text(data, "version"), node)
      const versions = what === "items" ? Said.field(data, "versions") : undefined
      if (Array.isArray(versions)) showingByNode.set(node, { incarnation, versions: new Set<Json>(versions) })
    },
    isSettled: () => missing() === undefined,
    onEnd: look,
    onRestarted: look
  }
})

/** All of them. */
export const invariants = () => [itemsReadBack, ownWritesFollow, itemsKept]
