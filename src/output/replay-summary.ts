import type { ReplayReport, ReplayRequest } from "../engine/dlq/replay.ts";
import { formatDuration, formatNumber } from "../units.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";

/** What a replay has done, or with `dryRun` would do, on stderr; one JSON object with `-o json`. */
export function replaySummary(
  { log, output }: { readonly log: Log; readonly output: Output },
  { dlq, target, keep }: Pick<ReplayRequest, "dlq" | "target" | "keep">,
  report: ReplayReport,
  {
    dryRun,
    unchanged,
    tookMs,
  }: { readonly dryRun: boolean; readonly unchanged: number; readonly tookMs: number },
): void {
  const { replayed, revived, awaited, held, uncounted, doneBefore, tooOften, doubtful, unknown } = report;
  const { failure } = report;
  if (log.quiet && failure === undefined) return;
  if (output.format === "json") {
    const fates = {
      replayed,
      revived,
      awaited,
      held,
      uncounted,
      doneBefore,
      tooOften,
      doubtful,
      unknown,
      unchanged,
    };
    const facts = { dlq, to: target, dryRun, ...fates };
    const error = failure?.message ?? null;
    log.stream.write(`${JSON.stringify({ ...facts, tookMs: Math.round(tookMs), error })}\n`);
    return;
  }
  const count = `${formatNumber(replayed)} ${replayed === 1 ? "entry" : "entries"}`;
  const parts = [`${dryRun ? "would replay" : "replayed"} ${count} to ${target}`];
  if (revived > 0)
    parts.push(
      `${revived === replayed ? "" : `${formatNumber(revived)} of them `}pending again for their group`,
    );
  if (awaited > 0) parts.push(`${formatNumber(awaited)} waiting there for their group before`);
  if (held > 0) parts.push(`${formatNumber(held)} left: other groups would get them, too`);
  if (uncounted > 0) parts.push(`and at most ${formatNumber(uncounted)} more in steps whose reply was lost`);
  if (keep) parts.push(`kept in ${dlq}`);
  if (doneBefore > 0)
    parts.push(`${formatNumber(doneBefore)} ${keep ? "replayed before" : "taken from the queue by others"}`);
  if (tooOften > 0) parts.push(`${formatNumber(tooOften)} left out: replayed too often`);
  if (doubtful > 0)
    parts.push(`${formatNumber(doubtful)} left out: what they are is in doubt (--layout says it)`);
  if (unchanged > 0) parts.push(`${formatNumber(unchanged)} left as the editor left them: unchanged`);
  if (unknown > 0) parts.push(`at most ${formatNumber(unknown)} unknown`);
  const rate =
    tookMs >= 1 && replayed > 0 ? `, ${formatNumber(Math.round((replayed * 1_000) / tookMs))}/s` : "";
  const text = parts.join(", ") + (dryRun ? "" : ` (${formatDuration(tookMs)}${rate})`);
  // What a failed run has done is no mere summary.
  if (failure === undefined) log.info(text);
  else log.warn(text);
}
