import type { Context } from "../context.ts";
import { dlqKey } from "../engine/dlq/name.ts";
import { LagMemory } from "../engine/lag/lag-memory.ts";
import { Poll } from "../engine/poll.ts";
import { type Survey, survey } from "../engine/survey.ts";
import type { StreamKey } from "../entry/names.ts";
import { LinkWatch } from "../lib/link-watch.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { MetricSet } from "../metrics/metric-set.ts";
import { addSurveyMetrics } from "../metrics/survey-metrics.ts";
import { formatDuration } from "../units.ts";
import { startEndpoint } from "./metrics-endpoint.ts";
import type { ServeMetricsFlags } from "./serve-metrics.ts";
import { StreamArguments } from "./stream-arguments.ts";

const MIN_INTERVAL_MS = 1_000;
/** So many streams make a few MB of metrics, which is more than most scrapers take. */
const MAX_STREAMS = 5_000;
/** A look at many streams on a slow server takes long; one that takes as long as this will not end. */
const STUCK_AFTER_MS = 600_000;

export async function run(
  context: Context,
  [names]: readonly [string[]],
  flags: ServeMetricsFlags,
): Promise<number> {
  const everyMs = flags.interval;
  if (everyMs < MIN_INTERVAL_MS)
    throw new UsageError(`--interval must be at least ${formatDuration(MIN_INTERVAL_MS)}`);
  context.log.begin({});
  const connection = await context.connect({ untilStopped: true });
  const naming = { cluster: connection.cluster, template: context.config.dlqTemplate };
  const args = new StreamArguments(context, connection, names);
  const request = {
    find: () => args.find(),
    group: flags.group,
    dlqKey: (stream: StreamKey) => dlqKey(stream, naming),
    countLimit: flags.countLimit,
    maxStreams: MAX_STREAMS,
    memory: new LagMemory(),
  };
  const look = (signal: AbortSignal): Promise<Survey> => survey(connection, { ...request, signal });

  let poll: Poll<Survey> | undefined;
  const latest = (): Survey | undefined => (connection.ready ? poll?.latest : undefined);
  const metrics = await MetricSet.open(() => connection.ready);
  addSurveyMetrics(metrics, latest);
  const at = { host: flags.metricsHost, port: flags.metricsPort };
  await startEndpoint(context, at, {
    metrics,
    stuck: () => stuckReason(poll?.lookingMs ?? 0),
    notReady() {
      if (context.stop.aborted) return "stopping";
      return latest() === undefined ? "waiting for Redis" : undefined;
    },
  });
  // What can't be done at the first look can't be done at all; later a failure may pass.
  const first = await look(context.stop);
  if (first.leftOut > 0)
    context.log.warn(
      `${first.leftOut} of the streams are left out: name those to show, up to ${MAX_STREAMS}`,
    );
  const link = new LinkWatch({ notice: (level, message) => context.log[level](message) });
  poll = new Poll({
    first,
    look,
    everyMs,
    onSuccess: () => link.works(),
    onFailure: (error) => link.waits(error),
  });
  context.defer(() => poll?.stop());
  await context.stopped();
  return ExitCode.ok;
}

function stuckReason(lookingMs: number): string | undefined {
  if (lookingMs <= STUCK_AFTER_MS) return undefined;
  return `stuck: a look has not ended for ${formatDuration(lookingMs)}`;
}
