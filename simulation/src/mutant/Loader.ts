/**
 * Plants one mutant in this process: from now on, the module that it is about is loaded with the patched source. To be
 * called before anything imports that module; `Runner` does it in a process of its own for each mutant.
 */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { registerHooks } from "node:module"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { apply, type Mutant } from "./Mutant.ts"

export interface Planted {
  /** Whether the module was loaded. A mutant of a module that nothing imports proves nothing. */
  readonly loaded: () => boolean
  readonly remove: () => void
}

/** Throws, when the module is loaded, if the patch does not apply. */
export const plant = (mutant: Mutant, directory: string): Planted => {
  const target = pathToFileURL(fs.realpathSync(path.resolve(directory, mutant.file))).href
  let loaded = false
  const hooks = registerHooks({
    load: (url, context, nextLoad) => {
      const module = nextLoad(url, context)
      if (url !== target) return module
      const source = module.source
      const text = typeof source === "string" ? source : source === undefined || source === null
        ? fs.readFileSync(new URL(url), "utf8")
        : new TextDecoder().decode(source)
      const patched = apply(mutant, text)
      if (Result.isFailure(patched)) throw new Error(patched.failure)
      loaded = true
      return { ...module, source: patched.success }
    }
  })
  return { loaded: () => loaded, remove: () => hooks.deregister() }
}
