/** Collections of items in a run: how they merge is their name. */

export const MERGES = ["plain", "last", "both", "counter"] as const

export type Merge = typeof MERGES[number]

export const KEYS: ReadonlyArray<string> = ["one", "two"]

const PREFIX = "items that merge: "

export const collectionOf = (merge: Merge): string => `${PREFIX}${merge}`

/** Whether a collection is one of these: devices write there by themselves as well, when they merge. */
export const isOfItems = (collection: string): boolean => collection.startsWith(PREFIX)
