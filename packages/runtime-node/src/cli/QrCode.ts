/** The QR code of a pairing, as rows of text. Loaded when one is drawn: its tables take a while to make. */
import encodeQR from "qr"

export const rowsOf = (text: string): ReadonlyArray<string> =>
  encodeQR(text, "ascii", { ecc: "low", border: 2 }).trimEnd().split("\n")
