import type { Command } from "commander";
import type { Context } from "../context.ts";
import { Poll } from "../engine/poll.ts";
import type { Survey } from "../engine/survey.ts";
import { LinkWatch } from "../engine/worker/link-watch.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import { formatDuration } from "../units.ts";
import { type MetricsFlags, metricsOptions, startEndpoint } from "./metrics-options.ts";
import { countOption, durationOption, groupOption, logOption } from "./options.ts";

const DEFAULT_PORT = 9_464;
const DEFAULT_INTERVAL_MS = 15_000;
const MIN_INTERVAL_MS = 1_000;
const DEFAULT_COUNT_LIMIT = 100_000;
/** So many streams make a few MB of metrics, which is more than most scrapers take. */
const MAX_STREAMS = 5_000;
/** A look at many streams on a slow server takes long; one that takes as long as this will not end. */
const STUCK_AFTER_MS = 600_000;

const HELP = `
Looks at the streams every --interval, not at every scrape, and shows what it saw last. While a number is
not known (Redis is away, a lag has not been counted to its end) its sample is absent; the lag's lower bound
is always there. Patterns are looked up anew each time.

/healthz answers 503 when the program hangs, /readyz also as long as the last look failed.

Examples:
  streamctl serve-metrics 'orders:*'
  streamctl serve-metrics --metrics-host 0.0.0.0 --interval 30s`;

interface ServeFlags extends MetricsFlags {
  readonly group?: string;
  readonly interval?: number;
  readonly countLimit?: number;
}

export function defineServeMetrics(program: Command, act: Act): void {
  const command = program
    .command("serve-metrics")
    .description("serve lag, pending, lengths and dead letters to Prometheus")
    .argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")
    .addOption(groupOption());
  for (const option of metricsOptions(String(DEFAULT_PORT))) command.addOption(option);
  command
    .addOption(durationOption("--interval <duration>", "how often to look (default: 15s)"))
    .addOption(
      countOption(
        "--count-limit <n>",
        "count through so many entries of a lag at each look, until it is known (default: 100k)",
      ),
    )
    .addOption(logOption())
    .action(act(serveMetrics))
    .addHelpText("after", HELP);
}

async function serveMetrics(
  context: Context,
  names: string[],
  options: Record<string, unknown>,
): Promise<number> {
  const flags = options as ServeFlags;
  const everyMs = flags.interval ?? DEFAULT_INTERVAL_MS;
  if (everyMs < MIN_INTERVAL_MS)
    throw new UsageError(`--interval must be at least ${formatDuration(MIN_INTERVAL_MS)}`);
  context.log.begin({});
  const [
    connection,
    { survey },
    { StreamArguments },
    { dlqKey },
    { LagMemory },
    { MetricSet },
    { addSurveyMetrics },
  ] = await Promise.all([
    context.connect({ untilStopped: true }),
    import("../engine/survey.ts"),
    import("./stream-arguments.ts"),
    import("../engine/dlq/name.ts"),
    import("../engine/lag/lag-memory.ts"),
    import("../metrics/metric-set.ts"),
    import("../metrics/survey-metrics.ts"),
  ]);
  const naming = { cluster: connection.cluster, template: context.config.dlqTemplate };
  const args = new StreamArguments(context, connection, names);
  const request = {
    find: () => args.find(),
    group: flags.group,
    dlqKey: (stream: string) => dlqKey(stream, naming),
    countLimit: flags.countLimit ?? DEFAULT_COUNT_LIMIT,
    maxStreams: MAX_STREAMS,
    memory: new LagMemory(),
  };
  const look = (signal: AbortSignal): Promise<Survey> => survey(connection, { ...request, signal });

  let poll: Poll<Survey> | undefined;
  const latest = (): Survey | undefined => (connection.ready ? poll?.latest : undefined);
  const metrics = await MetricSet.open(() => connection.ready);
  addSurveyMetrics(metrics, latest);
  const at = { host: flags.metricsHost, port: flags.metricsPort ?? DEFAULT_PORT };
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
