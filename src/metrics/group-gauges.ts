import type { GroupLag } from "../engine/lag/lag.ts";
import type { MetricSet } from "./metric-set.ts";

interface GroupGauge {
  readonly name: string;
  readonly help: string;
  /** Null is unknown, and then there is no sample: never a wrong number. */
  readonly value: (row: GroupLag) => number | null;
}

const GROUP_GAUGES: readonly GroupGauge[] = [
  {
    name: "streamctl_group_lag_entries",
    help: "Entries that the group has not been given; absent while only a bound is known.",
    value: (row) => row.lag,
  },
  {
    name: "streamctl_group_lag_at_least_entries",
    help: "The same, or where that is not known a number that it is not below.",
    value: (row) => row.lag ?? row.lagAtLeast,
  },
  {
    name: "streamctl_group_pending_entries",
    help: "Entries that the group was given and has not acknowledged.",
    value: (row) => row.pending,
  },
  {
    name: "streamctl_group_consumers",
    help: "Consumers that the group knows, dead or alive.",
    value: (row) => row.consumers,
  },
  {
    name: "streamctl_group_oldest_pending_seconds",
    help: "Age of the oldest pending entry; absent without one.",
    value: (row) => seconds(row.oldestPendingMs),
  },
  {
    name: "streamctl_group_oldest_undelivered_seconds",
    help: "Age of the oldest entry that the group has not been given; absent without one.",
    value: (row) => seconds(row.oldestUndeliveredMs),
  },
  {
    name: "streamctl_group_max_deliveries",
    help: "The highest delivery count among the pending entries; absent when they are too many to look through.",
    value: (row) => row.maxDeliveries,
  },
  {
    name: "streamctl_group_paused",
    help: "1 while the group is paused on the stream (group pause), else 0; absent when this user may not see that.",
    value: ({ pause }) => (pause === null ? null : pause ? 1 : 0),
  },
];

/** Gauges per stream and group that show the rows there are when they are scraped; without rows, nothing. */
export function addGroupGauges(metrics: MetricSet, rows: () => readonly GroupLag[] | undefined): void {
  for (const { name, help, value } of GROUP_GAUGES) {
    metrics.gauge(name, help, ["stream", "group"], (gauge) => {
      gauge.reset();
      for (const row of rows() ?? []) {
        const number = value(row);
        if (number !== null) gauge.set({ stream: row.stream, group: row.group }, number);
      }
    });
  }
}

function seconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : milliseconds / 1_000;
}
