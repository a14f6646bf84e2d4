import { isAbsolute, join, resolve } from "node:path";
import { errorText, UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { readSmallFile, type SmallFile } from "../lib/small-file.ts";
import type { FileContents } from "./file-reader.ts";

export interface ConfigFile extends FileContents {
  /** Others on this machine may read it. */
  readonly worldReadable: boolean;
}

const PROJECT_FILE = ".streamctl.yaml";

/** Where the user's own file is: `$XDG_CONFIG_HOME/streamctl/config.yaml`. Undefined without a home. */
export function userConfigPath(io: Io): string | undefined {
  const base = io.env["XDG_CONFIG_HOME"];
  if (base && isAbsolute(base)) return join(base, "streamctl", "config.yaml");
  const home = io.env["HOME"];
  return home ? join(home, ".config", "streamctl", "config.yaml") : undefined;
}

/**
 * The files that count in this run, the stronger one last. `named` (--config, STREAMCTL_CONFIG) replaces the
 * user's and the project's file. Fails with a UsageError that names file and line.
 */
export async function loadConfigFiles(named: string | undefined, io: Io): Promise<ConfigFile[]> {
  if (named !== undefined) {
    const path = resolve(io.cwd, named);
    const file = await load(path, false);
    if (!file) throw new UsageError(`no such configuration file: ${path}`);
    return [file];
  }
  const user = userConfigPath(io);
  const files = [
    user === undefined ? undefined : await load(user, false),
    await load(join(io.cwd, PROJECT_FILE), true),
  ];
  return files.filter((file) => file !== undefined);
}

async function load(path: string, project: boolean): Promise<ConfigFile | undefined> {
  let found: SmallFile;
  try {
    found = await readSmallFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new UsageError(`can't read ${path}: ${errorText(error)}`, { cause: error });
  }
  const { readConfig } = await import("./file-reader.ts");
  return { ...readConfig(found.text, path, project), worldReadable: found.worldReadable };
}
