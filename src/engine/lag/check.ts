import type { GroupLag } from "./lag.ts";
import { type Crossing, crossings, type Thresholds } from "./thresholds.ts";

/** What monitoring plugins say, the worst last. */
export const LEVELS = ["ok", "unknown", "warning", "critical"] as const;
export type Level = (typeof LEVELS)[number];

export interface CheckLimits {
  readonly warning: Thresholds;
  readonly critical: Thresholds;
}

/** Something that keeps a group from being ok; `crossing` undefined: an age that can't be told. */
export interface CheckFinding {
  readonly row: GroupLag;
  readonly level: Exclude<Level, "ok">;
  readonly crossing: Crossing | undefined;
}

/** What is wrong with the groups, the worst first. */
export function findings(rows: readonly GroupLag[], limits: CheckLimits): CheckFinding[] {
  return rows
    .flatMap((row) => findingsOf(row, limits))
    .sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level));
}

function findingsOf(row: GroupLag, { warning, critical }: CheckLimits): CheckFinding[] {
  const bad = crossings(row, critical);
  const odd = crossings(row, warning).filter(({ what }) => !bad.some((one) => one.what === what));
  const found: CheckFinding[] = [
    ...bad.map((crossing) => ({ row, level: "critical" as const, crossing })),
    ...odd.map((crossing) => ({ row, level: "warning" as const, crossing })),
  ];
  const agesMatter = warning.maxAgeMs !== undefined || critical.maxAgeMs !== undefined;
  // Silence would pass for health.
  if (agesMatter && oldestWaitingMs(row) === null) found.push({ row, level: "unknown", crossing: undefined });
  return found;
}

/** The age of what has waited longest; 0 when nothing waits, null when something does whose ID is no time. */
export function oldestWaitingMs({
  lag,
  pending,
  oldestPendingMs,
  oldestUndeliveredMs,
}: GroupLag): number | null {
  if ((pending > 0 && oldestPendingMs === null) || (lag !== 0 && oldestUndeliveredMs === null)) return null;
  return Math.max(oldestPendingMs ?? 0, oldestUndeliveredMs ?? 0);
}

/**
 * Why limits say nothing about some of the streams: those that were named have lost their groups, or there
 * are none at all. Silence about them would pass for health. Undefined: there is something to judge.
 */
export function nothingToJudge(named: ReadonlySet<string>, seen: ReadonlySet<string>): string | undefined {
  const without = [...named].filter((stream) => !seen.has(stream));
  if (without.length > 0) return `no groups on ${without.join(", ")}`;
  return seen.size === 0 ? "there are no groups" : undefined;
}
