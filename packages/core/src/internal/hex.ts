/** Constants of protocols and their known answers stand in the code as hex. */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"

/** The bytes of hex text that we wrote ourselves; anything else is a bug and throws. */
export const fromHex = (text: string): Uint8Array => Result.getOrThrow(Hex.decode(text))
