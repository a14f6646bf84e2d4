import type { Command } from "commander";
import type { ResolvedConfig } from "../../config/resolve.ts";
import type { SettingRow } from "../../config/show.ts";
import type { Io } from "../../io.ts";
import { withoutPasswords } from "../../lib/secret-text.ts";
import { nameOf } from "../flag.ts";
import { flagDefaults } from "../flag-defaults.ts";
import { allCommands } from "../tree.ts";

/** The defaults that files and variables have for the flags of commands: `consume --claim-idle`. */
export function defaultRows({ layers }: ResolvedConfig, program: Command, env: Io["env"]): SettingRow[] {
  const rowsOf = (at: Command, path: string, variables: Io["env"]): SettingRow[] =>
    flagDefaults(at, path, { layers, env: variables }).map(({ option, texts, source }) => ({
      setting: `${path} --${nameOf(option)}`.trim(),
      value: withoutPasswords(texts.join(",")),
      source,
    }));
  const ofCommands = [...allCommands(program)].flatMap(([path, command]) => [
    ...rowsOf(command, path, env),
    // A file can give one command its own default of a global option.
    ...rowsOf(program, path, {}),
  ]);
  return [...rowsOf(program, "", env), ...ofCommands];
}
