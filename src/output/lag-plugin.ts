import { type CheckFinding, type CheckLimits, type Level, oldestWaitingMs } from "../engine/lag/check.ts";
import type { GroupLag } from "../engine/lag/lag.ts";
import type { Crossing } from "../engine/lag/thresholds.ts";
import { formatDuration } from "../units.ts";
import { safeText } from "./safe-text.ts";

/**
 * Exit codes and output of monitoring plugins (the Monitoring Plugins Development Guidelines): one line,
 * `SERVICE STATUS - text | performance data`.
 */
export const PLUGIN_EXIT: Readonly<Record<Level, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 };

/** The text names so many findings, and the rest as a number. */
const NAMED = 3;
/** Performance data of more groups would not fit into what monitoring systems take: then only the worst values. */
const GROUPS = 50;

/** The answer when nothing could be found out. */
export function unknownLine(reason: string): string {
  return `LAG UNKNOWN - ${plain(reason)}\n`;
}

export function pluginLine(
  rows: readonly GroupLag[],
  findings: readonly CheckFinding[],
  limits: CheckLimits,
): string {
  const status = (findings[0]?.level ?? "ok").toUpperCase();
  const text = findings.length === 0 ? summary(rows) : findings.slice(0, NAMED).map(words).join("; ");
  const more = findings.length > NAMED ? `; and ${findings.length - NAMED} more` : "";
  return `LAG ${status} - ${plain(text + more)} | ${performance(rows, limits).join(" ")}\n`;
}

function summary(rows: readonly GroupLag[]): string {
  const total = (count: (row: GroupLag) => number): number => rows.reduce((sum, row) => sum + count(row), 0);
  const atLeast = rows.some(({ lag }) => lag === null) ? "at least " : "";
  const lag = `${atLeast}${total((row) => row.lag ?? row.lagAtLeast ?? 0)}`;
  const groups = rows.length === 1 ? "1 group" : `${rows.length} groups`;
  return `${groups}, lag ${lag}, pending ${total(({ pending }) => pending)}`;
}

function words({ row, crossing }: CheckFinding): string {
  const place = `${row.stream} ${row.group}`;
  if (!crossing) return `${place}: the age of what waits is unknown, its IDs are not times`;
  const { what, limit, atLeast } = crossing;
  return `${place}: ${what} ${atLeast ? "at least " : ""}${amount(crossing, crossing.value)}, above ${amount(crossing, limit)}`;
}

function amount({ what }: Crossing, value: number): string {
  return what === "lag" || what === "pending" ? String(value) : formatDuration(value);
}

function performance(rows: readonly GroupLag[], { warning, critical }: CheckLimits): string[] {
  const data = (label: string, value: number | null, unit: string, warn?: number, crit?: number): string =>
    `'${label}'=${value === null ? "U" : `${value}${unit}`};${warn ?? ""};${crit ?? ""};0;`;
  const seconds = (ms: number | null | undefined): number | undefined =>
    ms == null ? undefined : ms / 1_000;
  const three = (prefix: string, lag: number | null, pending: number, ageMs: number | null): string[] => [
    data(`${prefix}lag`, lag, "", warning.maxLag, critical.maxLag),
    data(`${prefix}pending`, pending, "", warning.maxPending, critical.maxPending),
    data(`${prefix}age`, seconds(ageMs) ?? null, "s", seconds(warning.maxAgeMs), seconds(critical.maxAgeMs)),
  ];
  if (rows.length <= GROUPS)
    return rows.flatMap((row) =>
      three(`${label(row.stream)} ${label(row.group)} `, row.lag, row.pending, oldestWaitingMs(row)),
    );
  const lags = rows.map(({ lag }) => lag);
  const ages = rows.map(oldestWaitingMs);
  const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0);
  return three(
    "worst ",
    lags.includes(null) ? null : most(lags.map(Number)),
    most(rows.map(({ pending }) => pending)),
    ages.includes(null) ? null : most(ages.map(Number)),
  );
}

/** Neither `=` nor a quote may stand in a label, and `|` ends the text. */
function label(name: string): string {
  return plain(name).replace(/[='|]/g, "_");
}

/** One line without the sign that begins the performance data. */
function plain(text: string): string {
  return safeText(text).replaceAll("|", "_");
}
