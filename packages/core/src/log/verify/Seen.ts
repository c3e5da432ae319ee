/**
 * The accepted entries that a pass has seen, so that a later one can look them up without reading their envelopes again:
 * of each, four bytes of its name and the number of the relay that brought it. Ten bytes for an entry, in pieces, so that a
 * damaged ordinal of any size costs one piece.
 */
import type { EnvelopeId } from "@sotto/schema/Id"

const PIECE = 4096

interface Piece {
  readonly tags: Uint32Array
  /** The relay's number plus one; 0 where there is no entry. */
  readonly origins: Uint32Array
}

const tagOf = (id: EnvelopeId): number => new DataView(id.buffer, id.byteOffset).getUint32(0)

export class Seen {
  readonly #pieces = new Map<number, Piece>()
  count = 0

  add(ordinal: number, id: EnvelopeId, relay: number): void {
    const at = Math.floor(ordinal / PIECE)
    const piece = this.#pieces.get(at) ?? { tags: new Uint32Array(PIECE), origins: new Uint32Array(PIECE) }
    this.#pieces.set(at, piece)
    piece.tags[ordinal % PIECE] = tagOf(id)
    piece.origins[ordinal % PIECE] = relay + 1
    this.count++
  }

  /** The number of the relay that brought it, 0 for one written here; undefined where no entry was. */
  originOf(ordinal: number): number | undefined {
    const origin = this.#pieces.get(Math.floor(ordinal / PIECE))?.origins[ordinal % PIECE] ?? 0
    return origin === 0 ? undefined : origin - 1
  }

  /** Whether the entry that was there has this name, as far as four bytes tell. */
  isNamed(ordinal: number, id: EnvelopeId): boolean {
    return this.originOf(ordinal) !== undefined &&
      this.#pieces.get(Math.floor(ordinal / PIECE))?.tags[ordinal % PIECE] === tagOf(id)
  }
}
