/**
 * Many writes, one transaction, one sync to disk. What arrives in one turn of the event loop, and while the commit before
 * it keeps the loop, goes into the next transaction together; each write answers for itself.
 *
 * Invariants:
 * 1. A write answers only after the commit that holds it.
 * 2. A write that is refused (its `Result` fails) has changed nothing, and the others of its group go on.
 * 3. A write that throws takes nobody with it: the group is rolled back and each of its writes tried alone. When the
 *    storage itself failed, all of them fail with that.
 * 4. Writes happen in the order of their submission.
 */
import { RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { failureOf, type Sqlite, type SqliteFailed } from "../NodeSqlite.ts"

/** SQLite's failure as the relay knows it. */
export const failed = ({ detail, operation, reason }: SqliteFailed): RelayStoreFailed =>
  new RelayStoreFailed({ reason, operation, detail })

/** What the writes keep in memory follows the transactions by these. */
export interface Hooks {
  /** Last step inside a transaction. */
  readonly beforeCommit: () => void
  readonly committed: () => void
  readonly rolledBack: () => void
}

interface Pending {
  readonly weightBytes: number
  cancelled: boolean
  /** Inside the transaction. */
  readonly write: () => void
  /** After its commit. */
  readonly answer: () => void
  /** After its rollback. */
  readonly fail: (cause: unknown) => void
}

/** A transaction beyond these bounds keeps the event loop too long. */
const GROUP_WRITES_MAX = 1024
const GROUP_BYTES_MAX = 4 * 1024 * 1024

export class GroupCommit {
  readonly #sqlite: Sqlite
  readonly #hooks: Hooks
  #pending: Array<Pending> = []
  #scheduled = false
  #closed = false

  constructor(sqlite: Sqlite, hooks: Hooks) {
    this.#sqlite = sqlite
    this.#hooks = hooks
  }

  /**
   * Runs `write` inside a transaction; its answer is computed after the commit. `weightBytes` is what it will write, for
   * cutting groups. An interrupted one may or may not have happened, wholly.
   */
  submit<A, E>(
    operation: string,
    weightBytes: number,
    write: () => Result.Result<() => A, E>
  ): Effect.Effect<A, E | RelayStoreFailed> {
    return Effect.callback<A, E | RelayStoreFailed>((resume) => {
      if (this.#closed) {
        resume(Effect.fail(new RelayStoreFailed({ reason: "unavailable", operation, detail: "the store is closed" })))
        return
      }
      let written: Result.Result<() => A, E> | undefined
      const pending: Pending = {
        weightBytes,
        cancelled: false,
        write: () => {
          written = write()
        },
        answer: () => {
          if (written === undefined) return
          resume(Result.isSuccess(written) ? Effect.succeed(written.success()) : Effect.fail(written.failure))
        },
        fail: (cause) => {
          const failure = failureOf(operation, cause)
          resume(failure === undefined ? Effect.die(cause) : Effect.fail(failed(failure)))
        }
      }
      this.#pending.push(pending)
      this.#schedule()
      return Effect.sync(() => {
        pending.cancelled = true
      })
    })
  }

  /** Commits what was submitted and takes nothing more. */
  close(): void {
    this.#closed = true
    while (this.#pending.length > 0) this.#commit(this.#take())
  }

  #schedule(): void {
    if (this.#scheduled || this.#pending.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#commit(this.#take())
      this.#schedule()
    })
  }

  #take(): ReadonlyArray<Pending> {
    let count = 0
    let bytes = 0
    while (count < this.#pending.length && count < GROUP_WRITES_MAX && bytes < GROUP_BYTES_MAX) {
      bytes += this.#pending[count]?.weightBytes ?? 0
      count++
    }
    const group = this.#pending.slice(0, count).filter((each) => !each.cancelled)
    this.#pending = this.#pending.slice(count)
    return group
  }

  #commit(group: ReadonlyArray<Pending>): void {
    if (group.length === 0) return
    const failure = this.#attempt(group)
    if (failure === undefined) { for (const each of group) each.answer() }
    else if (group.length === 1 || failureOf("commit", failure.cause) !== undefined) {
      for (const each of group) each.fail(failure.cause)
    } else for (const each of group) this.#commit([each])
  }

  #attempt(group: ReadonlyArray<Pending>): { readonly cause: unknown } | undefined {
    try {
      this.#sqlite.transaction(() => {
        for (const each of group) each.write()
        this.#hooks.beforeCommit()
      })
    } catch (cause) {
      this.#hooks.rolledBack()
      return { cause }
    }
    this.#hooks.committed()
    return undefined
  }
}

/** Collects writes for `sqlite` until the scope closes; what was submitted before that is still committed. */
export const make = (sqlite: Sqlite, hooks: Hooks): Effect.Effect<GroupCommit, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new GroupCommit(sqlite, hooks)),
    (group) => Effect.sync(() => group.close())
  )
