import type { Context } from "../../context.ts";
import { createGroup, type CreatedGroup } from "../../engine/groups/create.ts";
import { groupName } from "../../entry/names.ts";
import type { Column } from "../../output/column.ts";
import { printRows } from "../../output/rows.ts";
import { chooseStreams } from "../stream-arguments.ts";
import { StreamFailures } from "../stream-failures.ts";
import type { CreateFlags } from "./create.ts";

export async function run(
  context: Context,
  [first, others]: readonly [string, string[]],
  { at, mkstream, ifMissing }: CreateFlags,
): Promise<number | undefined> {
  const names = [first, ...others.slice(0, -1)];
  const group = groupName(others.at(-1) ?? "");
  await context.mustBeWritable();
  const connection = await context.connect();
  const { streams } = await chooseStreams(context, connection, names);
  const failures = new StreamFailures(context, connection);
  async function* made(): AsyncGenerator<CreatedGroup> {
    for (const stream of streams) {
      if (context.stop.aborted) return;
      try {
        yield await createGroup(connection, stream, group, { at, makeStream: mkstream, ifMissing });
      } catch (error) {
        failures.add(error);
      }
    }
  }
  await printRows(context, CREATE_COLUMNS, made(), { empty: "" });
  return failures.finish(streams.length);
}

const CREATE_COLUMNS: readonly Column<CreatedGroup>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "lastDeliveredId", title: "BEGINS AFTER", value: (row) => row.lastDeliveredId },
  {
    key: "created",
    title: "",
    value: (row) => row.created,
    text: (row) => (row.created ? "" : "was there"),
  },
];
