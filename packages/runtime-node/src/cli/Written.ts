/** How a command ends that wrote something: it says where it is, here and at a relay, and waits a moment for that. */
import type { Client, Receipt } from "@sotto/core/Client"
import { toText } from "@sotto/schema/Text"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Exit from "./Exit.ts"
import { NotStored, toEvent, Told } from "./Failure.ts"
import { emit } from "./Output.ts"
import { hopeful } from "./Wait.ts"
import { deviceText } from "./Words.ts"

/** Tells of a write. Fails with the exit code when no relay has it. */
export const tellWritten = Effect.fnUntraced(function*(
  client: Client["Service"],
  receipt: Receipt,
  { collection, key }: { readonly collection: string; readonly key: string }
) {
  const stored = yield* hopeful(client, receipt.stored)
  yield* emit({
    type: "pushed",
    id: toText("EnvelopeId", receipt.id),
    hash: toText("EntryHash", receipt.hash),
    device: deviceText(receipt.device),
    seq: receipt.seq,
    index: receipt.index,
    collection,
    key,
    stored: Result.isSuccess(stored),
    position: Result.isSuccess(stored) ? stored.success.position : null
  })
  if (Result.isSuccess(stored)) return
  const { message, tag } = stored.failure
  yield* emit(toEvent(new NotStored({ detail: message })))
  const code = Exit.codeOfTag(tag)
  return yield* new Told({ code: code === Exit.CODE.refused ? code : Exit.CODE.offline })
})
