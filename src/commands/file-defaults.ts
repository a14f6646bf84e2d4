import type { Command } from "commander";
import type { ConfigFile } from "../config/file.ts";
import { didYouMean } from "../config/suggest.ts";
import { UsageError } from "../errors.ts";
import { flagOf, nameOf } from "./flag.ts";
import { hasDefault } from "./flag-defaults.ts";
import { allCommands } from "./tree.ts";

/** Whether a file has defaults for any command: then they have to be checked. */
export function hasDefaults(file: ConfigFile): boolean {
  return [file, ...file.profiles.values()].some(({ defaults }) => defaults.size > 0);
}

/**
 * Every command and flag that a file's defaults name must exist in the whole tree below `root`: a typo would
 * silently change nothing. And the flag must take one from there: some stand for a decision made at the
 * keyboard, others would let a project's file run programs or write files.
 */
export function checkDefaults(root: Command, file: ConfigFile): void {
  const commands = allCommands(root);
  for (const { defaults } of [file, ...file.profiles.values()]) {
    for (const [path, flags] of defaults) {
      const command = commands.get(path);
      const line = [...flags.values()][0]?.line ?? 1;
      if (!command)
        throw new UsageError(
          `${file.path}:${line}: defaults for "${path}", which is no command${didYouMean(path, commands.keys())}`,
        );
      const known = flagsByName(command);
      for (const [flag, { line }] of flags) {
        const where = `${file.path}:${line}`;
        if (!known.has(flag))
          throw new UsageError(`${where}: ${path} has no option "${flag}"${didYouMean(flag, known.keys())}`);
        const from = known.get(flag);
        if (from === "not in files") throw new UsageError(`${where}: ${flag} can't have a default`);
        if (from === "not in projects" && file.project)
          throw new UsageError(`${where}: ${flag} may not stand in a project's file`, {
            hint: "put it into your own file",
          });
      }
    }
  }
}

/** The flags that can have a default, with where it may not stand. */
function flagsByName(command: Command): Map<string, "not in projects" | "not in files" | undefined> {
  const found = new Map<string, "not in projects" | "not in files" | undefined>();
  for (let at: Command | null = command; at; at = at.parent)
    for (const option of at.options)
      if (hasDefault(option)) found.set(nameOf(option), flagOf(option)?.defaults);
  return found;
}
