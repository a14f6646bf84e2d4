import type { WatchedGroup } from "../engine/lag/watch.ts";
import type { GroupLag } from "../engine/lag/lag.ts";
import { formatNumber } from "../units.ts";
import type { Column } from "./column.ts";
import { durationColumn } from "./columns.ts";
import { durationText, NONE } from "./format.ts";
import { PAUSE_COLUMNS } from "./pause-columns.ts";
import { sparkline } from "./sparkline.ts";

/** The rows of `lag`. */
export const LAG_COLUMNS: readonly Column<GroupLag>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  {
    key: "lag",
    title: "LAG",
    align: "right",
    value: (row) => row.lag,
    text: (row) => (row.lag === null ? `≥${formatNumber(row.lagAtLeast ?? 0)}` : formatNumber(row.lag)),
    tone: (row) => (row.lag === 0 ? "good" : row.consumers === 0 ? "bad" : undefined),
  },
  { key: "lagAtLeast", title: "", value: (row) => row.lagAtLeast, onlyForPrograms: true },
  {
    key: "consumers",
    title: "CONSUMERS",
    align: "right",
    value: (row) => row.consumers,
    tone: (row) => (row.consumers === 0 && row.lag !== 0 ? "bad" : undefined),
    optional: true,
  },
  { key: "pending", title: "PENDING", align: "right", value: (row) => row.pending },
  { ...durationColumn("oldestPendingMs", "OLDEST PENDING"), optional: true },
  { ...durationColumn("oldestUndeliveredMs", "OLDEST UNREAD"), optional: true },
  {
    key: "maxDeliveries",
    title: "TRIES",
    align: "right",
    value: (row) => row.maxDeliveries,
    text: (row) => (row.maxDeliveries ? formatNumber(row.maxDeliveries) : NONE),
    tone: (row) =>
      (row.maxDeliveries ?? 0) >= MANY_TRIES ? "bad" : (row.maxDeliveries ?? 0) > 1 ? "warning" : undefined,
    optional: "late",
  },
  {
    key: "lastDeliveredId",
    title: "LAST DELIVERED",
    value: (row) => row.lastDeliveredId,
    whole: true,
    optional: true,
  },
  ...PAUSE_COLUMNS,
];

/** The worker's default for dead-lettering: an entry tried as often as that will not be tried again. */
const MANY_TRIES = 5;

const TREND_WIDTH = 12;

/** What a watch adds, after the columns of a single look. */
const RATES: readonly Column<WatchedGroup>[] = [
  {
    key: "inPerSecond",
    title: "IN/S",
    align: "right",
    value: (row) => rounded(row.inPerSecond),
    text: (row) => rateText(row.inPerSecond),
  },
  {
    key: "outPerSecond",
    title: "OUT/S",
    align: "right",
    value: (row) => rounded(row.outPerSecond),
    text: (row) => rateText(row.outPerSecond),
  },
  {
    key: "drainMs",
    title: "DRAINED IN",
    align: "right",
    value: (row) => (row.drainMs === null ? null : Math.round(row.drainMs)),
    text: drainText,
    tone: (row) => (drainText(row) === GROWS ? "bad" : undefined),
  },
];

/** One snapshot after the other, for programs. */
export const WATCH_COLUMNS: readonly Column<WatchedGroup>[] = [
  { key: "time", title: "TIME", value: (row) => row.at.toISOString() },
  ...LAG_COLUMNS,
  ...RATES,
];

const ALWAYS_ON_SCREEN = new Set(["stream", "group", "lag", "pending", "paused"]);
const SINCE_WHEN = new Set(["oldestPendingMs", "oldestUndeliveredMs"]);

/** What a person watches: how much, since when, and where it is going. */
export const SCREEN_COLUMNS: readonly Column<WatchedGroup>[] = [
  ...LAG_COLUMNS.filter(({ key }) => ALWAYS_ON_SCREEN.has(key)),
  ...LAG_COLUMNS.filter(({ key }) => SINCE_WHEN.has(key)).map((column) => ({ ...column, optional: true })),
  ...RATES.map((column) => ({ ...column, optional: "late" as const })),
  {
    key: "lags",
    title: "TREND",
    value: (row) => row.lags,
    text: (row) => sparkline(row.lags, TREND_WIDTH),
    optional: true,
  },
];

const GROWS = "grows";

function drainText({ lag, inPerSecond, outPerSecond, drainMs }: WatchedGroup): string {
  if (lag === 0) return NONE;
  if (drainMs === null && (inPerSecond ?? 0) > (outPerSecond ?? 0)) return GROWS;
  return durationText(drainMs);
}

function rateText(perSecond: number | null): string {
  if (perSecond === null) return NONE;
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : formatNumber(Math.round(perSecond));
}

function rounded(perSecond: number | null): number | null {
  return perSecond === null ? null : Math.round(perSecond * 100) / 100;
}
