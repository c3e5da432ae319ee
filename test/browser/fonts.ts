/**
 * The font of the pictures: Open Sans, from the package that brings Chromium, so that pictures taken on different machines
 * differ as little as may be.
 */
import { execFile } from "node:child_process"
import { createReadStream, createWriteStream } from "node:fs"
import { writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { createBrotliDecompress } from "node:zlib"

/** Unpacks it into a folder. Answers the file for `FONTCONFIG_FILE`. */
export const unpackFonts = async (folder: string): Promise<string> => {
  const packed = join(
    dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")),
    "..",
    "bin",
    "fonts.tar.br"
  )
  await pipeline(createReadStream(packed), createBrotliDecompress(), createWriteStream(join(folder, "fonts.tar")))
  await promisify(execFile)("tar", ["-xf", "fonts.tar"], { cwd: folder })
  const file = join(folder, "fontconfig.xml")
  const folders = [join(folder, "fonts"), "/usr/share/fonts"].map((path) => `<dir>${path}</dir>`).join("")
  const head = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">`
  await writeFile(file, `${head}<fontconfig>${folders}<cachedir>${join(folder, "cache")}</cachedir></fontconfig>`)
  return file
}
