import { FORMATS } from "../../output/output.ts";
import { unknownLine, PLUGIN_EXIT } from "../../output/lag-plugin.ts";
import { argument, command, type FlagsOf } from "../command.ts";
import { flag } from "../flag.ts";
import { group } from "../flags.ts";

const MAXIMA = ["--max-lag", "--max-pending", "--max-age"] as const;

const flags = [
  group,
  flag.choice("-o, --output <format>", "output format", [...FORMATS, "prometheus"]),
  flag.count("--max-lag <n>", "exit 6 when a lag is above this", { least: 0 }),
  flag.count("--max-pending <n>", "exit 6 when more than this is pending", { least: 0 }),
  flag.duration("--max-age <duration>", "exit 6 when an entry has been pending or undelivered for longer"),
  flag.count("--count-limit <n>", "count through so many entries of a lag; then it is ≥N", {
    otherwise: "100k, and 500k for all together",
  }),
  flag.switch("--exact", "count to the end, however long it takes"),
  flag.switch("--wait", "wait until nothing is undelivered or pending"),
  flag.duration("--timeout <duration>", "with --wait: give up after this, with exit 6", {
    needs: "--wait",
  }),
  flag.switch("--watch", "look again and again: in place on a terminal, a snapshot each time on a pipe", {
    not: { any: ["--check", "--wait", ...MAXIMA] },
  }),
  flag.duration("--interval <duration>", "with --watch: how often", { default: "1s", needs: "--watch" }),
  flag.switch(
    "--check",
    "answer as a monitoring plugin: one line, exit 0 ok, 1 warning, 2 critical, 3 unknown",
    { not: { any: ["--wait", ...MAXIMA] } },
  ),
  flag.count("--warn-lag <n>", "with --check: a warning above this lag", { least: 0, needs: "--check" }),
  flag.count("--crit-lag <n>", "with --check: critical above this lag", { least: 0, needs: "--check" }),
  flag.count("--warn-pending <n>", "with --check: a warning when more is pending", {
    least: 0,
    needs: "--check",
  }),
  flag.count("--crit-pending <n>", "with --check: critical when more is pending", {
    least: 0,
    needs: "--check",
  }),
  flag.duration("--warn-age <duration>", "with --check: a warning when an entry has waited for longer", {
    needs: "--check",
  }),
  flag.duration("--crit-age <duration>", "with --check: critical when an entry has waited for longer", {
    needs: "--check",
  }),
] as const;

/** Durations are in ms. */
export type LagFlags = FlagsOf<typeof flags>;

export const lag = command({
  name: "lag",
  about: "show how far each group is behind",
  args: [argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")],
  flags,
  notes: `
The lag is counted, from the nearer end, or follows from the stream's length; what the server says is not
trusted. It is null (≥N in a table) with lagAtLeast when only a bound is known. A --watch goes on counting.
maxDeliveries is null when more than 10000 entries are pending. Ages come from the entries' IDs and the
server's clock, and are null for IDs that are not times.`,
  examples: [
    "streamctl lag 'orders:*' --max-lag 1000 --max-age 5m",
    "streamctl lag orders -g billing --wait --timeout 10m",
    "streamctl lag --watch",
    "streamctl lag orders --check --warn-lag 1000 --crit-lag 10k --crit-age 10m",
    "streamctl lag -o prometheus > /var/lib/node_exporter/streams.prom.tmp",
  ],
  // For a monitoring system any other code than that of UNKNOWN would be a statement about the groups.
  failure: {
    with: "--check",
    of: (message) => ({ text: unknownLine(message), code: PLUGIN_EXIT.unknown }),
  },
  run: () => import("./lag-run.ts"),
});
