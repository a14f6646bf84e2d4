import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import { FORMATS } from "../output/output.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import { type LagFlags, refuseContradictions } from "./lag-flags.ts";
import { countOption, durationOption, groupOption } from "./options.ts";

/** One of the ways in which `lag` shows what it finds. Undefined: the run's exit code says it. */
export type LagMode = (
  context: Context,
  connection: Connection,
  names: readonly string[],
  flags: LagFlags,
) => Promise<number | undefined>;

export function defineLag(program: Command, act: Act): void {
  const command = program
    .command("lag")
    .description("show how far each group is behind")
    .argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)");
  for (const option of options()) command.addOption(option);
  command.action(act(lag)).addHelpText("after", HELP);
}

function options(): Option[] {
  return [
    groupOption(),
    // For the help and for completion: the global flag of this name is the one that is read.
    new Option("-o, --output <format>", "output format").choices([...FORMATS, "prometheus"]),
    countOption("--max-lag <n>", "exit 6 when a lag is above this", 0),
    countOption("--max-pending <n>", "exit 6 when more than this is pending", 0),
    durationOption("--max-age <duration>", "exit 6 when an entry has been pending or undelivered for longer"),
    countOption(
      "--count-limit <n>",
      "count through so many entries of a lag; then it is ≥N (default: 100k, and 500k for all together)",
    ),
    new Option("--exact", "count to the end, however long it takes"),
    new Option("--wait", "wait until nothing is undelivered or pending"),
    durationOption("--timeout <duration>", "with --wait: give up after this, with exit 6"),
    new Option("--watch", "look again and again: in place on a terminal, a snapshot each time on a pipe"),
    durationOption("--interval <duration>", "with --watch: how often (default: 1s)"),
    new Option(
      "--check",
      "answer as a monitoring plugin: one line, exit 0 ok, 1 warning, 2 critical, 3 unknown",
    ),
    countOption("--warn-lag <n>", "with --check: a warning above this lag", 0),
    countOption("--crit-lag <n>", "with --check: critical above this lag", 0),
    countOption("--warn-pending <n>", "with --check: a warning when more is pending", 0),
    countOption("--crit-pending <n>", "with --check: critical when more is pending", 0),
    durationOption("--warn-age <duration>", "with --check: a warning when an entry has waited for longer"),
    durationOption("--crit-age <duration>", "with --check: critical when an entry has waited for longer"),
  ];
}

const HELP = `
The lag is counted, from the nearer end, or follows from the stream's length; what the server says is not
trusted. It is null (≥N in a table) with lagAtLeast when only a bound is known. A --watch goes on counting.
maxDeliveries is null when more than 10000 entries are pending. Ages come from the entries' IDs and the
server's clock, and are null for IDs that are not times.

Examples:
  streamctl lag 'orders:*' --max-lag 1000 --max-age 5m
  streamctl lag orders -g billing --wait --timeout 10m
  streamctl lag --watch
  streamctl lag orders --check --warn-lag 1000 --crit-lag 10k --crit-age 10m
  streamctl lag -o prometheus > /var/lib/node_exporter/streams.prom.tmp`;

async function lag(
  context: Context,
  names: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as LagFlags;
  refuseContradictions(flags);
  // Loaded while connecting: cron and prompts call this often.
  const [connection, mode] = await Promise.all([
    context.connect({ untilStopped: flags.watch }),
    loadMode(flags),
  ]);
  return mode(context, connection, names, flags);
}

async function loadMode({ watch, check }: LagFlags): Promise<LagMode> {
  if (watch) return (await import("./lag-watch.ts")).watchLags;
  if (check) return (await import("./lag-check.ts")).checkLags;
  return (await import("./lag-print.ts")).printLags;
}
