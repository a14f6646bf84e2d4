import type { Context } from "../../context.ts";
import { COUNT_LIMIT } from "../../engine/lag/lag.ts";
import type { WatchedGroup, WatchRequest } from "../../engine/lag/watch.ts";
import { inOrder, watchLag, type WatchOrder } from "../../engine/lag/watch.ts";
import type { GroupName } from "../../entry/names.ts";
import { ExitCode, StreamctlError, UsageError } from "../../errors.ts";
import { SCREEN_COLUMNS, WATCH_COLUMNS } from "../../output/lag-columns.ts";
import { LagScreen } from "../../output/lag-screen.ts";
import { timeText } from "../../output/format.ts";
import { printSets } from "../../output/rows.ts";
import { onWatchKeys, type WatchKey } from "../../output/watch-keys.ts";
import type { Connection } from "../../redis/connection.ts";
import { formatCount, formatDuration, formatNumber } from "../../units.ts";
import type { LagFlags } from "./lag.ts";
import { StreamArguments } from "../stream-arguments.ts";

/** Below this, looks would follow each other without a pause: a load on the server for pictures that no eye tells apart. */
const MIN_INTERVAL_MS = 10;
/** Finding what a pattern matches costs a SCAN over all keys, so it is not done at every refresh. */
const FIND_STREAMS_MS = 10_000;

/** Shows the groups again and again until q or a signal, which is a clean end: exit 0. */
export async function watchLags(
  context: Context,
  connection: Connection,
  names: readonly string[],
  flags: LagFlags,
): Promise<number> {
  const { interval: intervalMs } = flags;
  if (intervalMs < MIN_INTERVAL_MS) throw new UsageError(`--interval must be at least ${MIN_INTERVAL_MS}ms`);
  const quit = new AbortController();
  const request: WatchRequest = {
    streams: await streamFinder(new StreamArguments(context, connection, names)),
    group: flags.group,
    countLimit: flags.exact ? Number.POSITIVE_INFINITY : (flags.countLimit ?? COUNT_LIMIT),
    intervalMs,
    signal: AbortSignal.any([context.stop, quit.signal]),
  };
  const { output } = context;
  if (output.terminal && output.format === "table") await show(context, connection, request, quit);
  else await printSets(output, WATCH_COLUMNS, mustHaveGroup(watchLag(connection, request), flags.group));
  return ExitCode.ok;
}

/** By how much keys scroll. */
const SCROLLS: Partial<Record<WatchKey, readonly [by: number, unit: "rows" | "pages"]>> = {
  up: [-1, "rows"],
  down: [1, "rows"],
  pageUp: [-1, "pages"],
  pageDown: [1, "pages"],
  home: [-Infinity, "rows"],
  end: [Infinity, "rows"],
};

async function show(
  context: Context,
  connection: Connection,
  request: WatchRequest,
  quit: AbortController,
): Promise<void> {
  let screen: LagScreen<WatchedGroup> | undefined;
  let last: readonly WatchedGroup[] = [];
  let order: WatchOrder = "age";
  let failure: string | undefined;
  const draw = (): void => {
    screen ??= new LagScreen(context.output, SCREEN_COLUMNS);
    const at = last[0]?.at;
    const clock = at === undefined ? "" : timeText(at);
    const every = `every ${formatDuration(request.intervalMs)}`;
    const title = failure ?? `${connection.target}  ${overview(last)}  ${every}`;
    screen.show({ title, clock, legend: legend(order), rows: inOrder(last, order) });
  };
  const press = (key: WatchKey): void => {
    const scroll = SCROLLS[key];
    if (key === "quit") quit.abort();
    else if (scroll) screen?.scroll(...scroll);
    else {
      order = key as WatchOrder;
      if (screen) draw();
    }
  };
  context.defer(() => screen?.close());
  context.defer(onWatchKeys(context.io, press));
  const onTrouble = ({ message }: StreamctlError): void => {
    failure = `trying again: ${message}; seen last:`;
    draw();
  };
  try {
    for await (last of mustHaveGroup(watchLag(connection, { ...request, onTrouble }), request.group)) {
      failure = undefined;
      draw();
    }
  } finally {
    // Before an error is told: on the other screen it would vanish with it.
    screen?.close();
  }
}

/** The letters sort, arrows scroll; it fits 80 columns, and on fewer says at least how to quit. */
function legend(order: WatchOrder): string {
  const by = (["age", "lag", "pending", "name"] as const).map((one) =>
    one === order ? `[${one}]` : `${one.charAt(0)} ${one}`,
  );
  return `q quit  ${by.join("  ")}  arrows  red: no reader, or it grows`;
}

function overview(groups: readonly WatchedGroup[]): string {
  const lag = groups.reduce((sum, row) => sum + (row.lag ?? row.lagAtLeast ?? 0), 0);
  const pending = groups.reduce((sum, row) => sum + row.pending, 0);
  const atLeast = groups.some((row) => row.lag === null) ? "≥" : "";
  const count = formatCount(groups.length, "group");
  return `${count}, lag ${atLeast}${formatNumber(lag)}, pending ${formatNumber(pending)}`;
}

/** What is missing from the start is an error; what vanishes later is just no longer shown. */
async function streamFinder(args: StreamArguments): Promise<WatchRequest["streams"]> {
  let streams = await args.findSome();
  let findAt = performance.now() + FIND_STREAMS_MS;
  let first = true;
  return async () => {
    if (performance.now() >= findAt) {
      findAt = performance.now() + FIND_STREAMS_MS;
      streams = await args.find();
    }
    const required = first ? args.named : new Set<string>();
    first = false;
    return { streams, named: required };
  };
}

async function* mustHaveGroup(
  refreshes: AsyncIterable<readonly WatchedGroup[]>,
  group: GroupName | undefined,
): AsyncGenerator<readonly WatchedGroup[]> {
  let first = true;
  for await (const groups of refreshes) {
    if (first && group !== undefined && groups.length === 0)
      throw new StreamctlError("notFound", `no group "${group}" on any of the streams`);
    first = false;
    yield groups;
  }
}
