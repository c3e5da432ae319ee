/** The picture of a run: one HTML file. */
import type { Report } from "../Report.ts"
import { render } from "../viewer/Render.ts"

export interface About {
  /** What happened, in words. */
  readonly narrative: string
  /** What to type to see it again. */
  readonly replay: string
}

/** The page of a run that was traced. */
export const page = (report: Report, { narrative, replay }: About): string => {
  const { invariant } = report.violations[0] ?? { invariant: "everything holds" }
  return render(report, { title: `${report.scenario.simulation}: ${invariant}`, narrative, reproduce: replay })
}
