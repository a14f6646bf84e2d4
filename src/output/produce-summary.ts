import type { ProduceReport } from "../engine/produce/request.ts";
import { formatDuration, formatNumber } from "../units.ts";

/** What a run of produce has done, for people: how much is in Redis, what is not, and how to go on. */
export function summaryText(stream: string, report: ProduceReport, elapsedMs: number): string {
  const inRedis = report.written + report.present;
  const parts = [`${formatNumber(inRedis)} ${inRedis === 1 ? "entry" : "entries"} in ${stream}`];
  if (report.present > 0) parts.push(`${formatNumber(report.present)} of them there already`);
  if (report.rejected > 0)
    parts.push(`${formatNumber(report.rejected)} ${report.rejected === 1 ? "line" : "lines"} rejected`);
  const rate =
    elapsedMs >= 1 && inRedis > 0 ? `, ${formatNumber(Math.round((inRedis * 1_000) / elapsedMs))}/s` : "";
  parts[parts.length - 1] += ` (${formatDuration(elapsedMs)}${rate})`;
  if (report.complete) return parts.join(", ");
  parts.push(
    report.through === 0
      ? "stopped before line 1 was done"
      : `stopped: every line up to ${report.through} is done`,
  );
  if (report.later.length > 0) parts.push(`also in ${stream}: ${lines(report.later)}`);
  const { unknown, unconfirmed } = report;
  const lastUnknown = Math.max(0, ...[...unknown, ...unconfirmed].map(([, last]) => last));
  if (unconfirmed.length > 0) parts.push(`not confirmed by replicas: ${lines(unconfirmed)}`);
  if (lastUnknown === 0) {
    if (report.through > 0) parts.push(`resume with --skip-lines ${report.through}`);
  } else {
    if (unknown.length > 0) parts.push(`unknown: ${lines(unknown)}`);
    parts.push(
      `resume with --skip-lines ${report.through} if they are not there, ${lastUnknown} if they are`,
    );
  }
  return parts.join("; ");
}

/** The same for programs: one JSON object. Lines are given as [first, last]. `scheduled`: what is "in Redis" is to be added later. */
export function summaryJson(
  stream: string,
  report: ProduceReport,
  elapsedMs: number,
  scheduled: boolean,
): string {
  return JSON.stringify({
    stream,
    inRedis: report.written + report.present,
    alreadyThere: report.present,
    rejected: report.rejected,
    unknownLines: report.unknown,
    unconfirmedLines: report.unconfirmed,
    lastLine: report.through,
    laterLines: report.later,
    complete: report.complete,
    bytesRead: report.bytesRead,
    elapsedMs: Math.round(elapsedMs),
    error: report.failure?.message ?? null,
    ...(scheduled && { scheduled }),
    ...(report.streams[0]?.stream === stream ? {} : { partitions: report.streams.map(counts) }),
  });
}

/** What went to each partition: `orders:3: 120 entries, 7 of them there already`. */
export function partitionTexts(report: ProduceReport): string[] {
  return report.streams.map(({ stream, written, present }) => {
    const there = present > 0 ? `, ${formatNumber(present)} of them there already` : "";
    return `${stream}: ${formatNumber(written + present)} ${written + present === 1 ? "entry" : "entries"}${there}`;
  });
}

function counts({ stream, written, present }: ProduceReport["streams"][number]): object {
  return { stream, inRedis: written + present, alreadyThere: present };
}

function lines(ranges: ProduceReport["unknown"]): string {
  const shown = ranges
    .slice(0, 10)
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  const more = ranges.length > shown.length ? ` and ${ranges.length - shown.length} more ranges` : "";
  return `${ranges.length === 1 && ranges[0]?.[0] === ranges[0]?.[1] ? "line" : "lines"} ${shown.join(", ")}${more}`;
}
