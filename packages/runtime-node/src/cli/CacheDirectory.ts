/**
 * Where compiled code is kept between two starts: the user's own cache, as each system has it. Never a directory that other
 * users share, as Node's default is: whoever writes there first would choose what runs.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

type Environment = Readonly<Record<string, string | undefined>>

const rootOf = (platform: NodeJS.Platform, environment: Environment): string => {
  if (platform === "darwin") return path.join(os.homedir(), "Library", "Caches")
  if (platform === "win32") return environment["LOCALAPPDATA"] ?? path.join(os.homedir(), "AppData", "Local")
  const given = environment["XDG_CACHE_HOME"]
  // A relative one is to be ignored, says the specification.
  return given !== undefined && path.isAbsolute(given) ? given : path.join(os.homedir(), ".cache")
}

/** Where it is. */
export const cacheDirectory = (platform: NodeJS.Platform, environment: Environment): string =>
  path.join(rootOf(platform, environment), "sotto", "code")

/** Whether the directory is there, and made for nobody else when it was not. */
const isThere = (directory: string): boolean => {
  try {
    fs.mkdirSync(directory, { mode: 0o700 })
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EEXIST"
  }
}

/**
 * Makes it, when there is a home to make it in. False where that cannot be: a command works without a cache, and has other
 * things to say. Step by step, since a home that does not exist is none to be made.
 */
export const makeCacheDirectory = (directory: string): boolean => {
  const application = path.dirname(directory)
  return [path.dirname(application), application, directory].every(isThere)
}
