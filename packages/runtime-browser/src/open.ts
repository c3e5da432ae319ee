/**
 * Sotto in a page, for apps that do not know Effect: a device that lives in this origin's IndexedDB under a name, its
 * space, and promises. `makeFace` in core says what each call does; errors arrive as rejections with the tagged error.
 *
 * ```ts
 * const sotto = await openSotto({ name: "notes", relay: "wss://relay.example/#rly_…" })
 * await sotto.push("hello")
 * for await (const entry of sotto.entries({ live: true })) show(entry)
 * ```
 */
import { Client } from "@sotto/core/Client"
import type { Crypto } from "@sotto/core/Crypto"
import * as Entrance from "@sotto/core/Entrance"
import { makeFace, type SottoHandle } from "@sotto/core/Face"
import type { Keystore } from "@sotto/core/Keystore"
import type { Source } from "@sotto/core/Pairing"
import * as Attempts from "@sotto/core/pairing/Attempts"
import type { Invitation, Step } from "@sotto/core/pairing/Guest"
import * as Secret from "@sotto/core/Secret"
import * as Sotto from "@sotto/core/Sotto"
import type { Store } from "@sotto/core/Store"
import type { Transport } from "@sotto/core/Transport"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as BrowserCrypto from "./BrowserCrypto.ts"
import * as BrowserKeystore from "./BrowserKeystore.ts"
import * as BrowserStore from "./BrowserStore.ts"
import * as BrowserTransport from "./BrowserTransport.ts"
import * as Database from "./Database.ts"

/** Everything that a device needs from this browser; one tab at a time has it. */
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

interface Named {
  /** Which of this origin's devices; "default" unless given. */
  readonly name?: string
  /** What people call this device; "Browser" unless given. */
  readonly label?: string
}

export interface OpenOptions extends Named {
  /** A relay's address with its key. Given: a device that is in no space yet makes one there. */
  readonly relay?: string
  /** Gets the 32 recovery bytes of a new space, this once. */
  readonly onCreated?: (recovery: Uint8Array) => void
}

/** Opens the device, which then runs until `close`. Rejects with a tagged error; nothing is left running then. */
export const openSotto = (options: OpenOptions = {}): Promise<SottoHandle> => run(opening(options))

const opening = Effect.fnUntraced(function*({ label = "Browser", name, onCreated, relay }: OpenOptions) {
  const scope = yield* Scope.make()
  const open = Effect.gen(function*() {
    const services = yield* Layer.build(layer(name ?? "default"))
    const sotto = yield* Effect.provideContext(
      Effect.gen(function*() {
        if (relay !== undefined && (yield* Sotto.stateOf) !== "space") {
          const relays = [yield* Effect.fromResult(relayAddressFromText(relay))]
          const { recovery } = yield* Sotto.create({ label, relays })
          onCreated?.(Secret.reveal(recovery).slice())
          Secret.wipe(recovery)
        }
        return yield* Sotto.open
      }),
      Context.add(services, Scope.Scope, scope)
    )
    return makeFace({
      context: Context.add(services, Client, sotto.client),
      device: sotto.identity,
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
  })
  return yield* open.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})

export interface JoinOptions extends Named {
  /** The code as typed, with the relay's address; or the link of a QR code, which names the relay itself. */
  readonly from: { readonly code: string; readonly relay: string } | { readonly url: string }
  /** Shows where it stands; with `WaitingForApproval` come the pictures to compare. */
  readonly onStep?: (step: Step) => void
  /** Asked with the verified space before anything is taken over. */
  readonly confirm: (invitation: Invitation) => boolean | Promise<boolean>
  readonly signal?: AbortSignal
}

/** Brings this browser into the space of the device that shows the code. `openSotto` runs it afterwards. */
export const joinSotto = ({ signal, ...options }: JoinOptions): Promise<void> =>
  run(joining(options), signal === undefined ? {} : { signal })

const joining = Effect.fnUntraced(function*(options: Omit<JoinOptions, "signal">) {
  const from: Source = "url" in options.from
    ? { _tag: "Ticket", url: options.from.url }
    : {
      _tag: "Code",
      code: options.from.code,
      relay: yield* Effect.fromResult(relayAddressFromText(options.from.relay))
    }
  yield* Entrance.enter({
    from,
    label: options.label ?? "Browser",
    onStep: (step) => Effect.sync(() => options.onStep?.(step)),
    confirm: (invitation) => Effect.promise(async () => options.confirm(invitation))
  }).pipe(Effect.provide(layer(options.name ?? "default")))
})

const run: <A, E>(effect: Effect.Effect<A, E>, options?: Effect.RunOptions) => Promise<A> = Effect.runPromise
