/**
 * Stands in for `Intl.Segmenter` in the bundle (tools/bundle.ts): loads its tables when it first segments a text, not when
 * it is made. Effect's command line makes one as it loads, and asks it only for the widths of a table of help.
 */
/** The bundle puts `LazySegmenter` wherever `Intl.Segmenter` stands, so it is named in another way here. */
const { Segmenter } = Intl

export class LazySegmenter {
  readonly #given: ConstructorParameters<typeof Intl.Segmenter>
  #made: Intl.Segmenter | undefined

  constructor(...given: ConstructorParameters<typeof Intl.Segmenter>) {
    this.#given = given
  }

  segment(text: string): Intl.Segments {
    this.#made ??= new Segmenter(...this.#given)
    return this.#made.segment(text)
  }
}
