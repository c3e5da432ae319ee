/** The page of a run: the viewer's file, when there is a viewer. */
import type { Report } from "../Report.ts"

export const page = (_report: Report): Promise<string | undefined> => Promise.resolve(undefined)
