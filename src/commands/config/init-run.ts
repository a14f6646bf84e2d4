import { mkdir, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { userConfigPath } from "../../config/file.ts";
import { STARTER } from "../../config/starter.ts";
import type { Context } from "../../context.ts";
import { errorText, Interrupted, StreamctlError, UsageError } from "../../errors.ts";
import type { CommonValues } from "../global-flags.ts";

/** Writes to the file that --config names, or to where the user's own is looked for. */
export async function run(context: Context, _args: unknown, { config: named }: CommonValues): Promise<void> {
  const { io, log } = context;
  const path = named === undefined ? userConfigPath(io) : resolve(io.cwd, named);
  if (path === undefined)
    throw new UsageError("no home directory to write to", { hint: "name a file with --config FILE" });
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
