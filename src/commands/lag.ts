import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { Crossing, Thresholds } from "../engine/lag/thresholds.ts";
import type { GroupLag, LagRequest } from "../engine/lag/lag.ts";
import type { Connection } from "../redis/connection.ts";
import { ExitCode, StreamctlError, UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { durationText, NONE } from "../output/format.ts";
import type { Act } from "../program.ts";
import { formatDuration, formatNumber } from "../units.ts";
import { countOption, durationOption, groupOption } from "./options.ts";

interface LagFlags extends Pick<Thresholds, "maxLag" | "maxPending"> {
  readonly group?: string;
  readonly maxAge?: number;
  readonly countLimit?: number;
  readonly wait?: boolean;
  readonly timeout?: number;
}

export function defineLag(program: Command, act: Act): void {
  program
    .command("lag")
    .description("show how far each group is behind")
    .argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")
    .addOption(groupOption())
    .addOption(countOption("--max-lag <n>", "exit 6 when a lag is above this", 0))
    .addOption(countOption("--max-pending <n>", "exit 6 when more than this is pending", 0))
    .addOption(
      durationOption(
        "--max-age <duration>",
        "exit 6 when an entry has been pending or undelivered for longer",
      ),
    )
    .addOption(
      countOption(
        "--count-limit <n>",
        "where the server does not know a lag, count through so many entries; then the lag is ≥N (default: 100k)",
      ),
    )
    .addOption(new Option("--wait", "wait until nothing is undelivered or pending"))
    .addOption(durationOption("--timeout <duration>", "with --wait: give up after this, with exit 6"))
    .action(act(lag))
    .addHelpText("after", HELP);
}

const HELP = `
The lag is counted, never guessed: null (≥N in a table) with lagAtLeast when only a bound is known.
maxDeliveries is null when more than 10000 entries are pending. Ages come from the entries' IDs and the
server's clock, and are null for IDs that are not times.

Examples:
  streamctl lag 'orders:*' --max-lag 1000 --max-age 5m
  streamctl lag orders -g billing --wait --timeout 10m`;

async function lag(
  context: Context,
  names: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as LagFlags;
  if (flags.timeout !== undefined && !flags.wait) throw new UsageError("--timeout goes with --wait");
  // Loaded while connecting: cron and prompts call this often.
  const [connection, { COUNT_LIMIT, groupLags }, { crossings }, { printRows }] = await Promise.all([
    context.connect(),
    import("../engine/lag/lag.ts"),
    import("../engine/lag/thresholds.ts"),
    import("../output/rows.ts"),
  ]);
  const thresholds: Thresholds = { ...flags, maxAgeMs: flags.maxAge };
  const request: LagRequest = {
    ...(await chooseStreams(connection, names)),
    group: flags.group,
    // A bound that stops short of the threshold would not tell on which side the lag is.
    countLimit: Math.max(flags.countLimit ?? COUNT_LIMIT, (flags.maxLag ?? 0) + 1),
    signal: context.stop,
  };
  let drained = true;
  let rows: AsyncIterable<GroupLag> | Iterable<GroupLag> = groupLags(connection, request);
  if (flags.wait) ({ drained, rows } = await wait(context, connection, request, flags.timeout));

  const crossed: string[] = [];
  const printed = await printRows(context, COLUMNS, watched(), { empty: "no groups" });
  async function* watched(): AsyncGenerator<GroupLag> {
    for await (const row of rows) {
      for (const crossing of crossings(row, thresholds))
        crossed.push(`${row.stream} ${row.group}: ${words(crossing)}`);
      yield row;
    }
  }
  if (printed === 0 && flags.group !== undefined && !context.stop.aborted)
    throw new StreamctlError("notFound", `no group "${flags.group}" on any of the streams`);
  for (const line of crossed) context.log.warn(line);
  if (context.stop.aborted) return undefined;
  return crossed.length > 0 || !drained ? ExitCode.threshold : ExitCode.ok;
}

/** Without names: every stream, and none is no error. */
async function chooseStreams(
  connection: Connection,
  names: readonly string[],
): Promise<Pick<LagRequest, "streams" | "named">> {
  const [{ matchingStreams }, { expandStreams, isPattern }] = await Promise.all([
    import("../engine/streams.ts"),
    import("../redis/scan.ts"),
  ]);
  const named = new Set(names.filter((name) => !isPattern(name)));
  const streams = names.length > 0 ? expandStreams(connection, names) : matchingStreams(connection, "*");
  return { streams: await streams, named };
}

async function wait(
  context: Context,
  connection: Connection,
  request: LagRequest,
  timeoutMs: number | undefined,
): Promise<{ drained: boolean; rows: readonly GroupLag[] }> {
  const [{ waitUntilDrained }, { startStatusLine }] = await Promise.all([
    import("../engine/lag/wait.ts"),
    import("../output/status-line.ts"),
  ]);
  let behind: readonly GroupLag[] = [];
  const status = startStatusLine(context.log, () => waitingFor(behind));
  context.defer(() => status.stop());
  const result = await waitUntilDrained(connection, {
    ...request,
    timeoutMs,
    onLook: (rows) => {
      behind = rows;
    },
  });
  status.stop();
  if (result.rows.length === 0 && !context.stop.aborted) {
    throw new StreamctlError("notFound", "nothing to wait for: there are no groups");
  }
  if (!result.drained && !context.stop.aborted)
    context.log.warn(`not drained within ${formatDuration(timeoutMs ?? 0)}: ${waitingFor(behind)}`);
  return result;
}

function waitingFor(behind: readonly GroupLag[]): string {
  const lag = behind.reduce((sum, row) => sum + (row.lag ?? row.lagAtLeast ?? 0), 0);
  const pending = behind.reduce((sum, row) => sum + row.pending, 0);
  const groups = behind.length === 1 ? "1 group" : `${behind.length} groups`;
  return `${formatNumber(lag)} undelivered and ${formatNumber(pending)} pending in ${groups}`;
}

function words({ what, value, limit, atLeast }: Crossing): string {
  const show = what === "lag" || what === "pending" ? formatNumber : formatDuration;
  const name = what.startsWith("oldest") ? `the ${what} entry is` : `${what} is`;
  return `${name} ${atLeast ? "≥" : ""}${show(value)}${what.startsWith("oldest") ? " old" : ""}, above ${show(limit)}`;
}

const COLUMNS: readonly Column<GroupLag>[] = [
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
  {
    key: "oldestPendingMs",
    title: "PENDING FOR",
    align: "right",
    value: (row) => row.oldestPendingMs,
    text: (row) => durationText(row.oldestPendingMs),
  },
  {
    key: "oldestUndeliveredMs",
    title: "UNREAD FOR",
    align: "right",
    value: (row) => row.oldestUndeliveredMs,
    text: (row) => durationText(row.oldestUndeliveredMs),
  },
  {
    key: "maxDeliveries",
    title: "TRIES",
    align: "right",
    value: (row) => row.maxDeliveries,
    text: (row) => (row.maxDeliveries ? formatNumber(row.maxDeliveries) : NONE),
    tone: (row) =>
      (row.maxDeliveries ?? 0) >= MANY_TRIES ? "bad" : (row.maxDeliveries ?? 0) > 1 ? "warning" : undefined,
  },
  {
    key: "lastDeliveredId",
    title: "LAST DELIVERED",
    value: (row) => row.lastDeliveredId,
    optional: true,
  },
];

/** The worker's default for dead-lettering: an entry tried as often as that will not be tried again. */
const MANY_TRIES = 5;
