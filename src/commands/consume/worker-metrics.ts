import type { Context } from "../../context.ts";
import type { GroupLag } from "../../engine/lag/lag.ts";
import { Poll } from "../../engine/poll.ts";
import { ServerError } from "../../errors.ts";
import type { WorkerObserver, WorkerSettings, WorkerState } from "../../engine/worker/types.ts";
import type { Site } from "../../metrics/http-server.ts";
import type { ProbedWorker } from "../../metrics/worker-probes.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { startEndpoint } from "../metrics-endpoint.ts";
import type { ConsumeFlags } from "./consume.ts";

/** How old the lag may be that a status line or a scrape shows. */
const LAG_EVERY_MS = 5_000;
/** So many entries of a lag are counted each time, until it is known. */
const LAG_COUNT_LIMIT = 10_000;

/** Looks at the worker's groups every few seconds until the run ends; not when nobody will see it. */
export async function pollLag(
  context: Context,
  connection: Connection,
  settings: WorkerSettings,
  flags: ConsumeFlags,
): Promise<Poll<readonly GroupLag[]> | undefined> {
  if (flags.metricsPort === undefined && !context.log.live) return undefined;
  const [{ groupLags }, { LagMemory }] = await Promise.all([
    import("../../engine/lag/lag.ts"),
    import("../../engine/lag/lag-memory.ts"),
  ]);
  const memory = new LagMemory();
  let told = false;
  const poll = new Poll({
    everyMs: LAG_EVERY_MS,
    onFailure(error) {
      if (told || !(error instanceof ServerError) || isTransient(error)) return;
      told = true;
      context.log.warn(`the lag can't be shown: ${error.message}`);
    },
    async look(signal) {
      const named = new Set<string>();
      // Those of the moment.
      const { streams, group } = settings;
      const request = { streams, named, group, countLimit: LAG_COUNT_LIMIT, memory, signal };
      const rows = await groupLags(connection, request);
      // The worker may be about to make the group.
      if (rows.length === 0 && streams.length > 0) throw new Error("there is no group");
      return rows;
    },
  });
  context.defer(() => poll.stop());
  return poll;
}

export interface WorkerMetricsParts {
  readonly connection: Connection;
  readonly reader: BlockingReader;
  readonly settings: WorkerSettings;
  readonly lag: Poll<readonly GroupLag[]> | undefined;
  readonly state: () => WorkerState;
}

export interface WorkerMetrics {
  readonly observer: WorkerObserver;
  /** Starts answering; to be called when there is a worker, and before it reads anything. */
  listen(): Promise<void>;
}

/** The worker's metrics and probes; undefined when nobody asked for them. */
export async function workerMetrics(
  context: Context,
  { metricsPort: port, metricsHost: host }: ConsumeFlags,
  { connection, reader, settings, lag, state }: WorkerMetricsParts,
): Promise<WorkerMetrics | undefined> {
  if (port === undefined) return undefined;
  const [{ MetricSet }, { addWorkerMetrics }, { notReadyReason, stuckReason }] = await Promise.all([
    import("../../metrics/metric-set.ts"),
    import("../../metrics/worker-metrics.ts"),
    import("../../metrics/worker-probes.ts"),
  ]);
  const { streams, group } = settings;
  const metrics = await MetricSet.open(() => connection.ready);
  const observer = addWorkerMetrics(metrics, {
    streams,
    group,
    state,
    lag: () => (connection.ready ? lag?.latest : undefined),
  });
  const probed = (): ProbedWorker => ({
    state: state(),
    connected: connection.ready,
    stopping: context.stop.aborted,
    commandTimeoutMs: connection.settings.commandTimeoutMs,
    movedMsAgo: performance.now() - Math.max(connection.movedAt, reader.movedAt),
  });
  const site: Site = {
    metrics,
    stuck: () => stuckReason(probed()),
    notReady: () => notReadyReason(probed()),
  };
  return { observer, listen: () => startEndpoint(context, { host, port }, site) };
}

/** One observer that tells several. */
export function observers(...all: readonly WorkerObserver[]): WorkerObserver {
  return {
    ran: (...event) => all.forEach((one) => one.ran(...event)),
    settled: (...event) => all.forEach((one) => one.settled(...event)),
    lost: (...event) => all.forEach((one) => one.lost(...event)),
    missing: (...event) => all.forEach((one) => one.missing(...event)),
    takenOver: (...event) => all.forEach((one) => one.takenOver(...event)),
    scheduled: (...event) => all.forEach((one) => one.scheduled(...event)),
    joined: (...event) => all.forEach((one) => one.joined(...event)),
    notice: (...event) => all.forEach((one) => one.notice(...event)),
  };
}
