/**
 * Where lines go: results to standard output, what accompanies them to standard error. With `--json`, standard output has
 * one JSON object per line and nothing else.
 */
export interface Screen {
  readonly json: boolean
  /** A line for people; left out with `--json`. */
  readonly say: (text: string) => void
  /** A line for programs, with `--json` only. */
  readonly data: (value: object) => void
  /** A line for both: always on standard output. */
  readonly both: (value: object) => void
  /** A line that accompanies. */
  readonly aside: (text: string) => void
  /**
   * How far it is: on a terminal a line that the next one takes the place of, elsewhere one now and then. "" takes it away.
   */
  readonly progress: (text: string) => void
}

const TERMINAL_MILLIS = 100
const PLAIN_MILLIS = 10_000

export const make = (json: boolean): Screen => {
  const terminal = process.stderr.isTTY === true
  const startMillis = performance.now()
  let shownMillis = terminal ? -Infinity : startMillis
  let shown = false
  const clear = () => {
    if (shown) process.stderr.write("\r\u001b[2K")
    shown = false
  }
  const write = (text: string) => {
    clear()
    process.stdout.write(`${text}\n`)
  }
  return {
    json,
    say: (text) => json ? undefined : write(text),
    data: (value) => json ? write(JSON.stringify(value)) : undefined,
    both: (value) => write(JSON.stringify(value)),
    aside: (text) => {
      clear()
      process.stderr.write(`${text}\n`)
    },
    progress: (text) => {
      if (text === "") return clear()
      const nowMillis = performance.now()
      if (nowMillis - shownMillis < (terminal ? TERMINAL_MILLIS : PLAIN_MILLIS)) return
      shownMillis = nowMillis
      if (!terminal) return void process.stderr.write(`${text}\n`)
      clear()
      process.stderr.write(text.slice(0, (process.stderr.columns ?? 80) - 1))
      shown = true
    }
  }
}
