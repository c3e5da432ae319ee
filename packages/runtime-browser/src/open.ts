/**
 * Sotto in a page, for apps that do not know Effect: a device that lives in this origin's IndexedDB under a name, its
 * space, and promises. `SottoHandle` in core says what each call does; errors arrive as rejections with the tagged error.
 *
 * ```ts
 * await using sotto = await openSotto({ name: "notes", relay: "wss://relay.example/#rly_…" })
 * await sotto.push("hello")
 * for await (const entry of sotto.entries({ live: true })) show(entry)
 * ```
 */
import type { Crypto } from "@sotto/core/Crypto"
import {
  joinFace,
  type JoinOptions as FaceJoinOptions,
  openFace,
  type OpenOptions as FaceOpenOptions,
  type SottoHandle
} from "@sotto/core/Face"
import type { Keystore } from "@sotto/core/Keystore"
import * as Attempts from "@sotto/core/pairing/Attempts"
import type { Store } from "@sotto/core/Store"
import type { Transport } from "@sotto/core/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BrowserCrypto from "./BrowserCrypto.ts"
import * as BrowserKeystore from "./BrowserKeystore.ts"
import * as BrowserStore from "./BrowserStore.ts"
import * as BrowserTransport from "./BrowserTransport.ts"
import * as Database from "./Database.ts"

/**
 * Everything that a device needs from this browser; one tab at a time has it. For Effect apps.
 *
 * @public
 */
export const layer = (
  name: string
): Layer.Layer<
  Store | Keystore | Crypto | Transport | Attempts.Attempts,
  Layer.Error<typeof BrowserCrypto.layer> | Layer.Error<typeof BrowserKeystore.layer>
> =>
  Layer.mergeAll(Attempts.layer, BrowserTransport.layer).pipe(
    Layer.provideMerge(Layer.merge(BrowserStore.layer, BrowserKeystore.layer)),
    Layer.provide(Database.layer(name)),
    Layer.provideMerge(BrowserCrypto.layer)
  )

interface Place {
  /** Which of this origin's devices; "default" unless given. */
  readonly name?: string
  /** What people call this device, should it be made now; "Browser" unless given. */
  readonly label?: string
  /** Ends the call early; a device that is open is ended by `close`. */
  readonly signal?: AbortSignal
}

export interface OpenOptions extends Place, Omit<FaceOpenOptions, "label"> {}

export interface JoinOptions extends Place, Omit<FaceJoinOptions, "label"> {}

const run = <A, E>(effect: Effect.Effect<A, E>, { signal }: Place): Promise<A> =>
  Effect.runPromise(effect, signal === undefined ? {} : { signal })

const DEVICE = "default"
const LABEL = "Browser"

/** Opens the device, which then runs until `close`. Rejects with a tagged error; nothing is left running then. */
export const openSotto = (options: OpenOptions = {}): Promise<SottoHandle> =>
  run(openFace(layer(options.name ?? DEVICE), { ...options, label: options.label ?? LABEL }), options)

/** Brings this browser into the space of the device that shows the code. `openSotto` runs it afterwards. */
export const joinSotto = (options: JoinOptions): Promise<void> =>
  run(joinFace(layer(options.name ?? DEVICE), { ...options, label: options.label ?? LABEL }), options)
