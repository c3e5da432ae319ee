/** The child's side of `ServerProcess`. */

/**
 * In the child: tells the address, answers usage, and ends with its parent. Asked for what it "keeps" it collects its
 * garbage first, whose CPU time belongs to nobody.
 */
export const serveUsage = (address: string, close: () => Promise<void>): void => {
  process.on("message", (asked) => {
    if (asked === "keeps") globalThis.gc?.()
    const { system, user } = process.cpuUsage()
    process.send?.({ cpuMicros: user + system, residentBytes: process.memoryUsage.rss() })
  })
  process.on("disconnect", () => {
    close().then(() => process.exit(0), () => process.exit(1))
  })
  process.send?.(address)
}
