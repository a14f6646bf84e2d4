import type { RunningWorker } from "../redis/ops/register.ts";
import type { Column, JsonValue } from "./column.ts";
import { NONE, timeText } from "./format.ts";

interface WithWorker {
  readonly worker: RunningWorker | null;
  readonly workers: number | null;
}

/** What the worker of a consumer has written of itself; for people in four columns, where there is any. */
export const WORKER_COLUMNS: readonly Column<WithWorker>[] = [
  {
    key: "host",
    title: "WORKER",
    value: ({ worker }) => worker?.host ?? null,
    text: whoText,
    tone: ({ workers }) => ((workers ?? 0) > 1 ? "bad" : undefined),
    optional: true,
    onlyWhenSaid: true,
  },
  program("pid", ({ pid }) => pid),
  program("version", ({ version }) => version),
  program("startedAt", ({ startedAt }) => startedAt?.toISOString() ?? null),
  {
    key: "running",
    title: "RUNNING",
    align: "right",
    value: ({ worker }) => worker?.running ?? null,
    text: ({ worker }) => runningText(worker),
    optional: true,
    onlyWhenSaid: true,
  },
  program("runningSince", ({ runningSince }) => runningSince?.toISOString() ?? null),
  {
    key: "ratePerSecond",
    title: "PER S",
    align: "right",
    value: ({ worker }) => worker?.ratePerSecond ?? null,
    optional: true,
    onlyWhenSaid: true,
  },
  {
    key: "lastError",
    title: "LAST ERROR",
    value: ({ worker }) => worker?.lastError ?? null,
    text: ({ worker }) => errorText(worker),
    cut: "end",
    optional: true,
    onlyWhenSaid: true,
  },
  program("lastErrorAt", ({ lastErrorAt }) => lastErrorAt?.toISOString() ?? null),
  { key: "workers", title: "", value: ({ workers }) => workers, onlyForPrograms: true },
];

function program(key: string, of: (worker: RunningWorker) => JsonValue): Column<WithWorker> {
  return { key, title: "", value: ({ worker }) => (worker ? of(worker) : null), onlyForPrograms: true };
}

function whoText({ worker, workers }: WithWorker): string {
  if (worker === null) return NONE;
  const shared = (workers ?? 0) > 1 ? ` and ${(workers ?? 0) - 1} more` : "";
  return `${worker.host ?? "?"}:${worker.pid ?? "?"}${shared}`;
}

function runningText(worker: RunningWorker | null): string {
  if (worker?.running == null) return NONE;
  const { running, runningSince } = worker;
  return running === 0 || runningSince === null
    ? String(running)
    : `${running} since ${timeText(runningSince)}`;
}

function errorText(worker: RunningWorker | null): string {
  if (worker?.lastError == null) return NONE;
  return worker.lastErrorAt === null
    ? worker.lastError
    : `${worker.lastError} (${timeText(worker.lastErrorAt)})`;
}
