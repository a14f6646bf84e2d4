import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";
import { group, log, METRICS_PORT, metricsHost } from "./flags.ts";

const flags = [
  group,
  flag.value(...METRICS_PORT, { default: "9464" }),
  metricsHost,
  flag.duration("--interval <duration>", "how often to look", { default: "15s" }),
  flag.count("--count-limit <n>", "count through so many entries of a lag at each look, until it is known", {
    default: "100k",
  }),
  log,
] as const;

export type ServeMetricsFlags = FlagsOf<typeof flags>;

export const serveMetrics = command({
  name: "serve-metrics",
  about: "serve lag, pending, lengths and dead letters to Prometheus",
  args: [argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")],
  flags,
  notes: `
Looks at the streams every --interval, not at every scrape, and shows what it saw last. While a number is
not known (Redis is away, a lag has not been counted to its end) its sample is absent; the lag's lower bound
is always there. Patterns are looked up anew each time.

/healthz answers 503 when the program hangs, /readyz also as long as the last look failed.`,
  examples: [
    "streamctl serve-metrics 'orders:*'",
    "streamctl serve-metrics --metrics-host 0.0.0.0 --interval 30s",
  ],
  run: () => import("./serve-metrics-run.ts"),
});
