/** The child's side of `ServerProcess`. */

/** In the child: tells the address, answers usage, and ends with its parent. */
export const serveUsage = (address: string, close: () => Promise<void>): void => {
  process.on("message", () => {
    const { system, user } = process.cpuUsage()
    globalThis.gc?.()
    process.send?.({ cpuMicros: user + system, residentBytes: process.memoryUsage.rss() })
  })
  process.on("disconnect", () => {
    close().then(() => process.exit(0), () => process.exit(1))
  })
  process.send?.(address)
}
