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
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import { failureOf, type Sqlite, type SqliteFailed } from "../NodeSqlite.ts"

/** SQLite's failure as the relay knows it. */
export const failed = ({ detail, operation, reason }: SqliteFailed): RelayStoreFailed =>
  new RelayStoreFailed({ reason, operation, detail })

export interface GroupCommit {
  /**
   * Runs `write` inside a transaction; its answer is computed after the commit. `weightBytes` is what it will write, for
   * cutting groups. An interrupted one may or may not have happened, wholly.
   */
  readonly submit: <A, E>(
    operation: string,
    weightBytes: number,
    write: () => Result.Result<() => A, E>
  ) => Effect.Effect<A, E | RelayStoreFailed>
}

/** What the writes keep in memory follows the transactions by these. */
export interface Hooks {
  /** Last step inside a transaction. */
  readonly beforeCommit: () => void
  readonly committed: () => void
  readonly rolledBack: () => void
}

interface Pending {
  readonly operation: string
  readonly weightBytes: number
  cancelled: boolean
  readonly write: () => void
  readonly answer: () => void
  readonly fail: (cause: unknown) => void
}

/** A transaction beyond these bounds keeps the event loop too long. */
const GROUP_WRITES_MAX = 1024
const GROUP_BYTES_MAX = 4 * 1024 * 1024

/** Collects writes for `sqlite` until the scope closes; what was submitted before that is still committed. */
export const make = (sqlite: Sqlite, hooks: Hooks): Effect.Effect<GroupCommit, never, Scope.Scope> => {
  let pending: Array<Pending> = []
  let scheduled = false
  let closed = false

  const take = (): ReadonlyArray<Pending> => {
    let count = 0
    let bytes = 0
    while (count < pending.length && count < GROUP_WRITES_MAX && bytes < GROUP_BYTES_MAX) {
      bytes += pending[count]?.weightBytes ?? 0
      count++
    }
    const group = pending.slice(0, count).filter((each) => !each.cancelled)
    pending = pending.slice(count)
    return group
  }

  const attempt = (group: ReadonlyArray<Pending>): { readonly cause: unknown } | undefined => {
    try {
      sqlite.transaction(() => {
        for (const each of group) each.write()
        hooks.beforeCommit()
      })
    } catch (cause) {
      hooks.rolledBack()
      return { cause }
    }
    hooks.committed()
    return undefined
  }

  const commit = (group: ReadonlyArray<Pending>): void => {
    const failed = attempt(group)
    if (failed === undefined) for (const each of group) each.answer()
    else if (group.length === 1 || failureOf("commit", failed.cause) !== undefined) {
      for (const each of group) each.fail(failed.cause)
    } else for (const each of group) commit([each])
  }

  const flush = (): void => {
    scheduled = false
    const group = take()
    if (group.length > 0) commit(group)
    schedule()
  }

  const schedule = (): void => {
    if (scheduled || pending.length === 0) return
    scheduled = true
    setImmediate(flush)
  }

  const submit: GroupCommit["submit"] = <A, E>(
    operation: string,
    weightBytes: number,
    write: () => Result.Result<() => A, E>
  ) =>
    Effect.callback<A, E | RelayStoreFailed>((resume) => {
      if (closed) {
        resume(Effect.fail(new RelayStoreFailed({ reason: "unavailable", operation, detail: "the store is closed" })))
        return
      }
      let written: Result.Result<() => A, E> | undefined
      const each: Pending = {
        operation,
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
      pending.push(each)
      schedule()
      return Effect.sync(() => {
        each.cancelled = true
      })
    })

  const close = Effect.sync(() => {
    closed = true
    while (pending.length > 0) commit(take())
  })
  return Effect.as(Effect.addFinalizer(() => close), { submit })
}
