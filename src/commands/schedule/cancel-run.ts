import type { Context } from "../../context.ts";
import { type CancelReport, cancelPages } from "../../engine/schedule/cancel.ts";
import { namedScheduled, schedulePages, scheduleOf } from "../../engine/schedule/list.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, StreamctlError, UsageError } from "../../errors.ts";
import { createProgress } from "../../output/progress.ts";
import { printPages } from "../../output/rows.ts";
import type { Connection } from "../../redis/connection.ts";
import { TOKEN_PREFIX } from "../../redis/ops/schedule-keys.ts";
import { type Scheduled, scheduleLength } from "../../redis/ops/schedule-page.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { formatCount } from "../../units.ts";
import { openArchive } from "../open-archive.ts";
import type { CancelFlags } from "./cancel.ts";
import { filterOf, noneScheduled, scheduleColumns } from "./rows.ts";
import { areNarrowed } from "./schedule-flags.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: CancelFlags,
): Promise<number | undefined> {
  const tokens = [...new Set(ids.map(readToken))];
  if (tokens.length === 0 && !flags.all && !areNarrowed(flags))
    throw new UsageError("what is to be cancelled?", { hint: "name its IDs, or give filters, or --all" });
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const chosen = await choose(context, connection, stream, tokens, flags);
  if (flags.dryRun) return dryRun(context, connection, stream, chosen);
  if (!flags.yes) {
    const count = await chosen.count();
    if (count > 0)
      await context.confirm(
        `Cancel ${formatCount(count, "scheduled entry", "scheduled entries")} of ${stream}?`,
      );
  }
  const archive = flags.archive === undefined ? undefined : await openArchive(context, flags.archive);
  const progress = createProgress(context.log, { label: `cancelling for ${stream}`, unit: "entries" });
  context.defer(() => progress.stop());
  const report = await cancelPages(
    connection,
    { stream, archive, signal: context.stop, onProgress: (done) => progress.update(done, chosen.length) },
    chosen.pages(),
  );
  progress.stop();
  const partial = report.failure === undefined && chosen.reportMissing();
  if (report.cancelled === 0 && tokens.length === 0 && !report.failure && !context.stop.aborted)
    context.log.info(noneScheduled(stream, chosen.length));
  summarize(context, stream, report, flags.archive);
  if (report.failure) throw report.failure;
  return partial && !context.stop.aborted ? ExitCode.partial : undefined;
}

interface Chosen {
  /** How much is scheduled in all. */
  readonly length: number;
  pages(): AsyncIterable<readonly Scheduled[]>;
  count(): Promise<number>;
  /** True when not all that was named is scheduled, after saying what is not. Fails with exit 4 when nothing is. */
  reportMissing(): boolean;
}

async function choose(
  context: Context,
  connection: Connection,
  stream: StreamKey,
  tokens: readonly string[],
  flags: CancelFlags,
): Promise<Chosen> {
  const length = await scheduleLength(connection, scheduleOf(connection, stream));
  const missing = new Set<string>();
  const filter = await filterOf(connection, flags);
  const pages = (): AsyncIterable<readonly Scheduled[]> =>
    tokens.length > 0
      ? namedScheduled(connection, stream, tokens, (token) => missing.add(token))
      : schedulePages(connection, stream, filter, context.stop);
  return {
    length,
    pages,
    async count() {
      if (tokens.length === 0 && !areNarrowed(flags)) return length;
      let count = 0;
      for await (const page of pages()) count += page.length;
      return count;
    },
    reportMissing() {
      if (missing.size === 0) return false;
      const names = [...missing].slice(0, NAMED).map((token) => TOKEN_PREFIX + token);
      const message = `not scheduled for ${stream} (any more): ${names.join(" ")}${missing.size > NAMED ? " …" : ""}`;
      if (missing.size === tokens.length) throw new StreamctlError("notFound", message);
      context.log.warn(message);
      return true;
    },
  };
}

const NAMED = 10;

async function dryRun(
  context: Context,
  connection: Connection,
  stream: StreamKey,
  chosen: Chosen,
): Promise<number | undefined> {
  const columns = scheduleColumns(stream, await serverNowMs(connection));
  const empty = { empty: noneScheduled(stream, chosen.length) };
  const count = await printPages(context, columns, chosen.pages(), empty);
  const partial = chosen.reportMissing();
  context.log.info(`would cancel ${formatCount(count, "scheduled entry", "scheduled entries")} of ${stream}`);
  return partial ? ExitCode.partial : undefined;
}

function readToken(text: string): string {
  const token = text.startsWith(TOKEN_PREFIX) ? text.slice(TOKEN_PREFIX.length) : text;
  if (!/^\d{16,}$/.test(token))
    throw new UsageError(`${text} is nothing that is scheduled`, {
      hint: `IDs look like ${TOKEN_PREFIX}1764212345678901: streamctl schedule list shows them`,
    });
  return token;
}

function summarize(
  { log, output }: Context,
  stream: StreamKey,
  { cancelled, givenBack, archived, failure }: CancelReport,
  archive: string | undefined,
): void {
  if (log.quiet && !failure) return;
  if (output.format === "json") {
    const facts = { stream, cancelled, givenBack, archived, error: failure?.message ?? null };
    log.stream.write(`${JSON.stringify(facts)}\n`);
    return;
  }
  const back = givenBack > 0 ? `, ${givenBack} of them given back to their groups` : "";
  const kept = archive === undefined ? "" : `; ${archived} ${archived === 1 ? "is" : "are"} in ${archive}`;
  const text = `cancelled ${formatCount(cancelled, "scheduled entry", "scheduled entries")} of ${stream}${back}${kept}`;
  if (failure) log.warn(text);
  else log.info(text);
}
