import type { Context } from "../../context.ts";
import { countEmpty, forgetEmpty } from "../../engine/groups/forget-empty.ts";
import { forget, type ForgottenConsumer } from "../../engine/groups/forget.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import type { Column } from "../../output/column.ts";
import { createProgress } from "../../output/progress.ts";
import { printRows } from "../../output/rows.ts";
import { formatCount, formatDuration } from "../../units.ts";
import type { ForgetFlags } from "./forget-consumer.ts";

export async function run(
  context: Context,
  [stream, consumer]: readonly [StreamKey, string | undefined],
  flags: ForgetFlags,
): Promise<void> {
  const { group, claimTo: heir } = flags;
  if (flags.allEmpty) return forgetAll(context, stream, group, flags);
  if (consumer === undefined) throw new UsageError("which consumer? Give its name, or --all-empty");
  // No rule of the flag: as a default it would be left out, and the consumer removed.
  if (flags.dryRun) throw new UsageError("--dry-run goes with --all-empty");
  if (heir === consumer) throw new UsageError("--claim-to must name another consumer");
  if (heir === "") throw new UsageError("--claim-to needs a name");
  await forgetOne(context, stream, group, consumer, heir);
}

async function forgetOne(
  context: Context,
  stream: StreamKey,
  group: GroupName,
  consumer: string,
  heir: string | undefined,
): Promise<void> {
  await context.mustBeWritable();
  const connection = await context.connect();
  const progress = createProgress(context.log, { label: `moving what ${consumer} holds`, unit: "entries" });
  context.defer(() => progress.stop());
  let moved = 0;
  const signal = context.stop;
  const onProgress = (count: number): void => progress.update((moved = count));
  const forgotten = await forget(connection, { stream, group, consumer, heir, signal, onProgress });
  progress.stop();
  if (forgotten) await printRows(context, COLUMNS, [forgotten], { empty: "" });
  else context.log.warn(`stopped: ${consumer} is still there, ${moved} of its entries have moved to ${heir}`);
}

async function forgetAll(
  context: Context,
  stream: StreamKey,
  group: GroupName,
  { idle: idleMs, dryRun }: ForgetFlags,
): Promise<void> {
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const rule = { stream, group, idleMs };
  const empty = await countEmpty(connection, rule);
  const where = `of ${group} on ${stream}`;
  if (empty === 0) {
    await printRows(context, COLUMNS, [], { empty: "" });
    context.log.info(`no consumer ${where} is empty and was not heard of for ${formatDuration(idleMs)}`);
    return;
  }
  const those = `${formatCount(empty, "consumer")} ${where}`;
  if (!dryRun)
    await context.confirm(`Remove ${those}, empty and not heard of for ${formatDuration(idleMs)}?`);
  const rows = forgetEmpty(connection, { ...rule, dryRun, signal: context.stop });
  let gone = 0;
  async function* counted(): AsyncGenerator<ForgottenConsumer> {
    for await (const row of rows) {
      gone++;
      yield row;
    }
  }
  try {
    await printRows(context, COLUMNS, counted(), { empty: "" });
  } finally {
    context.log.info(`${dryRun ? "would remove" : "removed"} ${formatCount(gone, "consumer")} ${where}`);
  }
}

const COLUMNS: readonly Column<ForgottenConsumer>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "consumer", title: "FORGOTTEN", value: (row) => row.consumer },
  { key: "claimedTo", title: "CLAIMED TO", value: (row) => row.claimedTo },
  { key: "moved", title: "MOVED", align: "right", value: (row) => row.moved },
  { key: "dropped", title: "WITHOUT DATA", align: "right", value: (row) => row.dropped },
];
