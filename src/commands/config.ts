import { mkdir, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { userConfigPath } from "../config/file.ts";
import { type SettingRow, settingRows, settingText } from "../config/show.ts";
import type { Context } from "../context.ts";
import { errorText, Interrupted, StreamctlError, UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import type { CommandModule } from "../program.ts";

const COLUMNS: readonly Column<SettingRow>[] = [
  { key: "setting", title: "SETTING", value: (row) => row.setting },
  { key: "value", title: "VALUE", value: (row) => row.value, text: settingText },
  { key: "source", title: "FROM", value: (row) => row.source },
];

export const defineConfig: CommandModule = (program, act) => {
  const config = program.command("config").description("show or start the configuration");
  config
    .command("show")
    .description("print each setting with where it came from; secrets are masked")
    .action(
      act(async (context) => {
        const { printRows } = await import("../output/rows.ts");
        for (const warning of context.config.warnings) context.log.warn(warning);
        const rows = settingRows(context.config, program, context.io.env);
        await printRows(context, COLUMNS, rows, { empty: "nothing is set" });
      }),
    )
    .addHelpText("after", SHOW_HELP);
  config
    .command("init")
    .description("write a commented starter file where streamctl looks for it (or to --config FILE)")
    .action(act((context, _, options) => writeStarter(context, options["config"] as string | undefined)))
    .addHelpText("after", INIT_HELP);
};

const SHOW_HELP = `
Examples:
  streamctl config show
  streamctl config show --profile production --json`;

const INIT_HELP = `
Examples:
  streamctl config init
  streamctl config init --config ./streamctl.yaml`;

async function writeStarter(context: Context, named: string | undefined): Promise<void> {
  const { io, log } = context;
  const path = named === undefined ? userConfigPath(io) : resolve(io.cwd, named);
  if (path === undefined)
    throw new UsageError("no home directory to write to", { hint: "name a file with --config FILE" });
  const { STARTER } = await import("../config/starter.ts");
  const write = (flag: "w" | "wx"): Promise<void> => writeFile(path, STARTER, { flag, mode: 0o600 });
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await write("wx").catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
      await context.confirm(`${path} exists. Overwrite it?`);
      await write("w");
    });
  } catch (error) {
    if (error instanceof StreamctlError || error instanceof Interrupted) throw error;
    throw new StreamctlError("failed", `can't write ${path}: ${errorText(error)}`, { cause: error });
  }
  log.info(`wrote ${path}`);
}
