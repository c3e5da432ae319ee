/**
 * Sotto in a Node program, for apps that do not know Effect: a device that lives in a directory, its space, and promises.
 * `SottoHandle` in core says what each call does; errors arrive as rejections with the tagged error.
 *
 * ```ts
 * await using sotto = await openSotto({ dir: "notes", relay: "wss://relay.example/#rly_…" })
 * await sotto.push("hello")
 * for await (const entry of sotto.entries({ live: true })) show(entry)
 * ```
 */
import {
  joinFace,
  type JoinOptions as FaceJoinOptions,
  openFaceWith,
  type OpenOptions as FaceOpenOptions,
  type SottoHandle
} from "@sotto/core/Face"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as os from "node:os"
import * as NodeDevice from "./NodeDevice.ts"
import { makeServe, type Serve } from "./openPeers.ts"

interface Place {
  /** The device's own directory; made 0700 when it is not there. One process at a time has it. */
  readonly dir: string
  /** What people call this device, should it be made now; the machine's name unless given. */
  readonly label?: string
  /** Opens a key file that has one, and closes one that is made now. */
  readonly passphrase?: string
  /** Ends the call early; a device that is open is ended by `close`. */
  readonly signal?: AbortSignal
}

export interface OpenOptions extends Place, Omit<FaceOpenOptions, "label"> {}

export interface JoinOptions extends Place, Omit<FaceJoinOptions, "label" | "confirm"> {
  /** Asked with the verified space before anything is taken over; joins without asking unless given. */
  readonly confirm?: FaceJoinOptions["confirm"]
}

const labelOf = ({ label }: Place): string => label ?? (os.hostname().slice(0, 64) || "device")

const layerOf = ({ dir, passphrase }: Place) =>
  NodeDevice.layer({
    directory: dir,
    ...passphrase === undefined ? {} : { passphrase: Redacted.make(passphrase) }
  })

const run = <A, E>(effect: Effect.Effect<A, E>, { signal }: Place): Promise<A> =>
  Effect.runPromise(effect, signal === undefined ? {} : { signal })

/** A device of this machine, which others can also connect to. */
export interface NodeHandle extends SottoHandle {
  readonly peers: SottoHandle["peers"] & { readonly serve: Serve }
}

/** Opens the device, which then runs until `close`. Rejects with a tagged error; nothing is left running then. */
export const openSotto = (options: OpenOptions): Promise<NodeHandle> =>
  run(
    openFaceWith(layerOf(options), { ...options, label: labelOf(options) }, (handle, inside): NodeHandle => ({
      ...handle,
      peers: { ...handle.peers, serve: makeServe(inside) }
    })),
    options
  )

/** Brings the directory's device into the space of the one that shows the code. `openSotto` runs it afterwards. */
export const joinSotto = (options: JoinOptions): Promise<void> => {
  const { confirm = () => true } = options
  const joining = joinFace(layerOf(options), {
    ...options,
    confirm,
    label: labelOf(options)
  })
  return run(joining, options)
}
