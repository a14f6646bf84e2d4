import type { Context } from "../context.ts";
import { type AckedEntry, ackPending } from "../engine/claim/ack.ts";
import type { StreamKey } from "../entry/names.ts";
import { ExitCode } from "../errors.ts";
import { printRows } from "../output/rows.ts";
import type { AckFlags } from "./ack.ts";
import { HANDLED_COLUMNS } from "./handled-columns.ts";
import { checkIds, givenIds, ofGroup, Rejects } from "./id-arguments.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  { group, dryRun }: AckFlags,
): Promise<number | undefined> {
  checkIds(ids);
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const rejects = new Rejects(context);
  let acked = 0;
  const rows = ackPending(connection, {
    stream,
    group,
    ids: givenIds(context, ids, rejects, ofGroup(stream, group)),
    dryRun,
    signal: context.stop,
    onNotPending: (id) => rejects.add(`${id} is not pending`),
  });
  async function* counted(): AsyncGenerator<AckedEntry> {
    for await (const row of rows) {
      acked++;
      yield row;
    }
  }
  try {
    await printRows(context, HANDLED_COLUMNS, counted(), { empty: "nothing was acked" });
  } finally {
    rejects.finish();
    if (acked > 0) context.log.info(`${dryRun ? "would ack" : "acked"} ${acked}`);
  }
  if (context.stop.aborted) return undefined;
  if (rejects.count === 0) return ExitCode.ok;
  return acked > 0 ? ExitCode.partial : ExitCode.notFound;
}
