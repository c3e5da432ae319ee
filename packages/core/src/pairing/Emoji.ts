/**
 * Seven pictures that both screens show while a device is let in (protocol.md §8): 42 bits of the handshake hash. They
 * are for people to compare; nothing is derived from them. Each has a name to be read aloud and one to print where
 * pictures are not to be had.
 */
import { label, Purpose } from "@sotto/schema/Purpose"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import type { Crypto } from "../Crypto.ts"

/** A picture and its name. */
export interface Emoji {
  readonly symbol: string
  readonly name: string
}

/** Sixty-four that look unlike each other on small screens. The order is part of the protocol. */
const TABLE =
  "🐙 octopus,🦊 fox,🐝 bee,🐘 elephant,🦉 owl,🐢 turtle,🦁 lion,🐧 penguin,🐴 horse,🦋 butterfly,🐳 whale,🐓 rooster," +
  "🐪 camel,🦔 hedgehog,🐌 snail,🦀 crab,🌵 cactus,🌻 sunflower,🍄 mushroom,🌲 pine,🍁 maple leaf,🌙 moon,⭐ star,🌈 rainbow," +
  "⛄ snowman,🔥 fire,🌊 wave,⚡ lightning,🍎 apple,🍌 banana,🍓 strawberry,🍕 pizza,🧀 cheese,🥕 carrot,🌽 corn,🍩 doughnut," +
  "☕ cup,🚲 bicycle,🚂 train,⛵ sailboat,🚀 rocket,🎈 balloon,🎸 guitar,🎺 trumpet,🥁 drum,🔔 bell,🎲 die,🏆 trophy," +
  "⚽ football,🎩 hat,👓 glasses,🧦 socks,☂ umbrella,🔑 key,🔨 hammer,✂ scissors,📎 paper clip,📚 books,🕯 candle,⏰ alarm clock," +
  "🪁 kite,⚓ anchor,🏠 house,🌍 globe"

const EMOJI: ReadonlyArray<Emoji> = TABLE.split(",").map((row) => {
  const space = row.indexOf(" ")
  return { symbol: row.slice(0, space), name: row.slice(space + 1) }
})

/** The seven of a handshake (its 32-byte hash). The same hash gives the same seven on both sides. */
export const fromHandshake = (crypto: Crypto["Service"], handshakeHash: Uint8Array): ReadonlyArray<Emoji> => {
  const bytes = crypto.hkdfExpand(handshakeHash, label(SUITE_DEFAULT, Purpose.pairEmoji), 7)
  return Array.from(bytes, (byte) => EMOJI[byte & 63]).filter((emoji) => emoji !== undefined)
}
