/**
 * Padmé (Nikitin et al., PETS 2019, "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs"): a
 * length of L bytes leaks O(log log L) bits and grows by at most 12 %, less for larger ones (protocol.md §4).
 */
import { Limit } from "@sotto/schema/Limit"

/** The padded length, in bytes, of `length` bytes: never below the smallest bucket (256). */
export const paddedLength = (length: number): number => {
  if (length <= Limit.paddingBytesMin) return Limit.paddingBytesMin
  const exponent = 31 - Math.clz32(length)
  const significant = 32 - Math.clz32(exponent)
  const mask = 2 ** (exponent - significant) - 1
  return length + ((-length >>> 0) & mask)
}

/** The bytes, followed by zeros up to their padded length. */
export const pad = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(paddedLength(bytes.length))
  out.set(bytes)
  return out
}

/** Whether `padded` is exactly what `pad` makes of its first `length` bytes. */
export const isPadding = (padded: Uint8Array, length: number): boolean => {
  if (padded.length !== paddedLength(length)) return false
  for (let i = length; i < padded.length; i++) if (padded[i] !== 0) return false
  return true
}

/** The longest plaintext that still fits into `paddedMax` bytes once it is padded. */
export const unpaddedMax = (paddedMax: number): number => {
  if (paddedMax < Limit.paddingBytesMin) return -1
  const exponent = 31 - Math.clz32(paddedMax)
  const significant = 32 - Math.clz32(exponent)
  const bucket = 2 ** (exponent - significant)
  return Math.max(Limit.paddingBytesMin, Math.floor(paddedMax / bucket) * bucket)
}
