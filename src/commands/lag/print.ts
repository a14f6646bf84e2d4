import type { Context } from "../../context.ts";
import { ExitCode, StreamctlError } from "../../errors.ts";
import { nothingToJudge, oldestWaitingMs } from "../../engine/lag/check.ts";
import { type GroupLag, lagPages, type LagRequest } from "../../engine/lag/lag.ts";
import { type Crossing, crossings, type Thresholds } from "../../engine/lag/thresholds.ts";
import { LAG_COLUMNS } from "../../output/lag-columns.ts";
import { printPages } from "../../output/rows.ts";
import type { Roster } from "../../engine/roster.ts";
import type { Connection } from "../../redis/connection.ts";
import { formatDuration, formatNumber } from "../../units.ts";
import type { LagFlags } from "./lag.ts";
import { countRequest } from "./request.ts";
import { StreamArguments } from "../stream-arguments.ts";

/** Prints each group once, after the wait if there is one. Exit 6 when a threshold was crossed or the wait timed out. */
export async function printLags(
  context: Context,
  connection: Connection,
  names: readonly string[],
  flags: LagFlags,
): Promise<number | undefined> {
  const { maxLag, maxPending, maxAge: maxAgeMs } = flags;
  const thresholds: Thresholds = { maxLag, maxPending, maxAgeMs };
  const args = new StreamArguments(context, connection, names);
  const roster = flags.wait ? await args.roster(false) : undefined;
  const overdue = new Map<string, number>();
  const request: LagRequest = {
    streams: roster?.streams ?? (await args.findSome()),
    named: args.named,
    group: flags.group,
    ...countRequest(flags),
    signal: context.stop,
    onOverdue: (stream, ms) => overdue.set(stream, ms),
  };
  let drained = true;
  let pages: AsyncIterable<readonly GroupLag[]> | Iterable<readonly GroupLag[]> = lagPages(
    connection,
    request,
  );
  if (roster) ({ drained, pages } = await wait(context, connection, { request, roster }, flags.timeout));

  const crossed: string[] = [];
  const unknown: string[] = [];
  const seen = new Set<string>();
  const printed = await print(context, watched(), flags);
  async function* watched(): AsyncGenerator<readonly GroupLag[]> {
    for await (const rows of pages) {
      for (const row of rows) {
        seen.add(row.stream);
        for (const crossing of crossings(row, thresholds))
          crossed.push(`${row.stream} ${row.group}: ${words(crossing)}`);
        // It has not crossed the limit, but silence would pass for health.
        if (flags.maxAge !== undefined && oldestWaitingMs(row) === null)
          unknown.push(`${row.stream} ${row.group}: the age of what waits is unknown, its IDs are not times`);
      }
      yield rows;
    }
  }
  if (printed === 0 && flags.group !== undefined && !context.stop.aborted)
    throw new StreamctlError("notFound", `no group "${flags.group}" on any of the streams`);
  for (const line of [...crossed, ...unknown, ...overdueTexts(overdue)]) context.log.warn(line);
  if (context.stop.aborted) return undefined;
  if (crossed.length > 0 || !drained) return ExitCode.threshold;
  const judged = flags.wait || Object.values(thresholds).some((limit) => limit !== undefined);
  const nothing = judged ? nothingToJudge(request.named, seen) : undefined;
  if (nothing !== undefined) throw new StreamctlError("notFound", nothing);
  return ExitCode.ok;
}

async function print(
  context: Context,
  pages: AsyncIterable<readonly GroupLag[]>,
  flags: LagFlags,
): Promise<number> {
  if (flags.output !== "prometheus") return printPages(context, LAG_COLUMNS, pages, { empty: "no groups" });
  const [{ MetricSet }, { addGroupGauges }] = await Promise.all([
    import("../../metrics/metric-set.ts"),
    import("../../metrics/group-gauges.ts"),
  ]);
  const all: GroupLag[] = [];
  for await (const rows of pages) all.push(...rows);
  const metrics = await MetricSet.open(() => true);
  addGroupGauges(metrics, () => all);
  await context.output.write(await metrics.text());
  return all.length;
}

async function wait(
  context: Context,
  connection: Connection,
  { request, roster }: { readonly request: LagRequest; readonly roster: Roster },
  timeoutMs: number | undefined,
): Promise<{ drained: boolean; pages: readonly (readonly GroupLag[])[] }> {
  const [{ waitUntilDrained }, { startLiveLine }] = await Promise.all([
    import("../../engine/lag/wait.ts"),
    import("../../output/live-line.ts"),
  ]);
  roster.follow({ admit: async () => true, left() {} });
  let behind: readonly GroupLag[] = [];
  const status = startLiveLine(context.log, () => waitingFor(behind));
  context.defer(() => status.stop());
  const result = await waitUntilDrained(connection, {
    ...request,
    streams: () => roster.streams,
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
  return { drained: result.drained, pages: [result.rows] };
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

/** So many streams are named. */
const NAMED = 10;

/** Whatever the lag, entries that no worker adds are missing from it. */
function overdueTexts(overdue: ReadonlyMap<string, number>): string[] {
  const texts = [...overdue].map(
    ([stream, ms]) =>
      `${stream}: what is scheduled has been overdue for ${formatDuration(ms)}: no worker adds it; streamctl schedule run ${stream} does`,
  );
  const more = texts.length - NAMED;
  return more > 0 ? [...texts.slice(0, NAMED), `${more} more streams are overdue`] : texts;
}
