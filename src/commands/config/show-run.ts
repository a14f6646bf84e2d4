import { type SettingRow, settingRows, settingText } from "../../config/show.ts";
import type { Context } from "../../context.ts";
import type { Column } from "../../output/column.ts";
import { printRows } from "../../output/rows.ts";
import type { Invocation } from "../command.ts";
import { defaultRows } from "./default-rows.ts";

const COLUMNS: readonly Column<SettingRow>[] = [
  { key: "setting", title: "SETTING", value: (row) => row.setting },
  { key: "value", title: "VALUE", value: (row) => row.value, text: settingText },
  { key: "source", title: "FROM", value: (row) => row.source },
];

/**
 * Everything that is set, in the order of the help text: profile, connection, then the commands' defaults.
 */
export async function run(
  context: Context,
  _args: unknown,
  _flags: unknown,
  { tree }: Invocation,
): Promise<void> {
  const { config, io, log } = context;
  for (const warning of config.warnings) log.warn(warning);
  const rows = [...settingRows(config), ...defaultRows(config, await tree(), io.env)];
  await printRows(context, COLUMNS, rows, { empty: "nothing is set" });
}
