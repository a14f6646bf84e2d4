import { type Command, type Option } from "commander";
import type { Context } from "../context.ts";
import type { GroupConsumer } from "../engine/groups/consumers.ts";
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
last success), inactiveMs from when it last got anything.

Examples:
  streamctl group consumers orders -g billing
  streamctl group consumers 'orders:*' --dead-after 1h`;

async function consumers(context: Context, names: string[], options: Record<string, unknown>): Promise<void> {
  const { group, deadAfter } = options as { group?: string; deadAfter?: number };
  const connection = await context.connect();
  const [{ DEAD_AFTER_MS, groupConsumers }, { chooseStreams }, { printRows }] = await Promise.all([
    import("../engine/groups/consumers.ts"),
    import("./stream-arguments.ts"),
    import("../output/rows.ts"),
  ]);
  const rows = groupConsumers(connection, {
    ...(await chooseStreams(context, connection, names)),
    group,
    deadAfterMs: deadAfter ?? DEAD_AFTER_MS,
    signal: context.stop,
  });
  await printRows(context, CONSUMER_COLUMNS, rows, { empty: "no consumers" });
}

const CONSUMER_COLUMNS: readonly Column<GroupConsumer>[] = [
  ...OF_GROUP,
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  { key: "pending", title: "PENDING", align: "right", value: (row) => row.pending },
  durationColumn("idleMs", "NOT SEEN FOR"),
  durationColumn("inactiveMs", "GOT NOTHING FOR"),
  {
    key: "looksDead",
    title: "",
    value: (row) => row.looksDead,
    text: (row) => (row.looksDead ? "looks dead" : ""),
    tone: (row) => (row.looksDead ? "bad" : undefined),
  },
];
