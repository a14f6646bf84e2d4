import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { GroupConsumer } from "../engine/groups/consumers.ts";
import type { ForgottenConsumer } from "../engine/groups/forget.ts";
import { UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { durationColumn, OF_GROUP } from "../output/columns.ts";
import type { Act } from "../program.ts";
import { durationOption, groupOption } from "./options.ts";

export function defineGroupConsumers(group: Command, act: Act): void {
  group
    .command("consumers")
    .description("list a group's consumers")
    .argument("<stream...>", "streams or patterns like 'orders:*'")
    .addOption(groupOption())
    .addOption(deadAfterOption())
    .action(act(consumers))
    .addHelpText("after", CONSUMERS_HELP);
  group
    .command("forget-consumer")
    .description("remove a consumer that holds nothing")
    .argument("<stream>", "the stream")
    .argument("<consumer>", "the consumer")
    .addOption(groupOption())
    .addOption(new Option("--claim-to <consumer>", "give what it holds to this consumer first"))
    .action(act(forgetConsumer))
    .addHelpText("after", FORGET_HELP);
}

/** `--dead-after`, the same everywhere. */
export function deadAfterOption(): Option {
  return durationOption(
    "--dead-after <duration>",
    "a consumer that holds entries looks dead when not heard of for this long (default: 5m)",
  );
}

const CONSUMERS_HELP = `
Without -g, those of all groups. idleMs counts from a consumer's last attempt to read (before Redis 7.2: its
last success), inactiveMs from when it last got anything.`;

const FORGET_HELP = `
It refuses while the consumer holds entries: Redis would throw them away with it. With --claim-to they move,
and nothing is lost even while the consumer goes on reading.`;

async function consumers(context: Context, names: string[], options: Record<string, unknown>): Promise<void> {
  const { group, deadAfter } = options as { group?: string; deadAfter?: number };
  const connection = await context.connect();
  const [{ DEAD_AFTER_MS, groupConsumers }, { expandStreams, isPattern }, { printRows }] = await Promise.all([
    import("../engine/groups/consumers.ts"),
    import("../redis/scan.ts"),
    import("../output/rows.ts"),
  ]);
  const rows = groupConsumers(connection, {
    streams: await expandStreams(connection, names),
    named: new Set(names.filter((name) => !isPattern(name))),
    group,
    deadAfterMs: deadAfter ?? DEAD_AFTER_MS,
    signal: context.stop,
  });
  await printRows(context, CONSUMER_COLUMNS, rows, { empty: "no consumers" });
}

async function forgetConsumer(
  context: Context,
  [stream = "", consumer = ""]: string[],
  options: Record<string, unknown>,
): Promise<void> {
  const { group, claimTo: heir } = options as { group?: string; claimTo?: string };
  if (group === undefined) throw new UsageError("a consumer of which group? Give it with -g GROUP");
  if (heir === consumer) throw new UsageError("--claim-to must name another consumer");
  if (heir === "") throw new UsageError("--claim-to needs a name");
  await context.mustBeWritable();
  const connection = await context.connect();
  const [{ forget }, { printRows }, { createProgress }] = await Promise.all([
    import("../engine/groups/forget.ts"),
    import("../output/rows.ts"),
    import("../output/progress.ts"),
  ]);
  const progress = createProgress(context.log, { label: `moving what ${consumer} holds`, unit: "entries" });
  context.defer(() => progress.stop());
  let moved = 0;
  const signal = context.stop;
  const onProgress = (count: number): void => progress.update((moved = count));
  const forgotten = await forget(connection, { stream, group, consumer, heir, signal, onProgress });
  progress.stop();
  if (forgotten) await printRows(context, FORGOTTEN_COLUMNS, [forgotten], { empty: "" });
  else context.log.warn(`stopped: ${consumer} is still there, ${moved} of its entries have moved to ${heir}`);
}

const CONSUMER_COLUMNS: readonly Column<GroupConsumer>[] = [
  ...OF_GROUP,
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  { key: "pending", title: "PENDING", align: "right", value: (row) => row.pending },
  durationColumn("idleMs", "IDLE"),
  durationColumn("inactiveMs", "INACTIVE"),
  {
    key: "looksDead",
    title: "",
    value: (row) => row.looksDead,
    text: (row) => (row.looksDead ? "looks dead" : ""),
    tone: (row) => (row.looksDead ? "bad" : undefined),
  },
];

const FORGOTTEN_COLUMNS: readonly Column<ForgottenConsumer>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "consumer", title: "FORGOTTEN", value: (row) => row.consumer },
  { key: "claimedTo", title: "CLAIMED TO", value: (row) => row.claimedTo },
  { key: "moved", title: "MOVED", align: "right", value: (row) => row.moved },
  { key: "dropped", title: "WITHOUT DATA", align: "right", value: (row) => row.dropped },
];
