import type { Context } from "../../context.ts";
import { DEAD_AFTER_MS, type GroupConsumer, groupConsumers } from "../../engine/groups/consumers.ts";
import type { Column } from "../../output/column.ts";
import { durationColumn, OF_GROUP } from "../../output/columns.ts";
import { WORKER_COLUMNS } from "../../output/worker-columns.ts";
import { printRows } from "../../output/rows.ts";
import { chooseStreams } from "../stream-arguments.ts";
import type { ConsumersFlags } from "./consumers.ts";

export async function run(
  context: Context,
  [names]: readonly [string[]],
  { group, deadAfter }: ConsumersFlags,
): Promise<void> {
  const connection = await context.connect();
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
  ...WORKER_COLUMNS,
];
