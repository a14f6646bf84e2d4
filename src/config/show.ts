import type { Command } from "commander";
import type { Io } from "../io.ts";
import { withoutPasswords } from "../lib/secret-text.ts";
import { formatDuration } from "../units.ts";
import { flagOf } from "./option-conflicts.ts";
import { allCommands, commandPath, optionDefaults } from "./option-defaults.ts";
import type { ResolvedConfig } from "./resolve.ts";
import { type SettingName, SETTINGS, type SettingValue } from "./settings.ts";

/** One line of `config show`. */
export interface SettingRow {
  /** A setting's name in a file, or `consume --claim-idle` for a command's default. */
  readonly setting: string;
  /** Secrets are masked; durations of settings are in ms. */
  readonly value: string | number | boolean;
  readonly source: string;
}

/** Everything that is set, in the order of the help text: profile, connection, then the commands' defaults. */
export function settingRows(config: ResolvedConfig, program: Command, env: Io["env"]): SettingRow[] {
  return [...profileRows(config), ...connectionRows(config), ...defaultRows(config, program, env)];
}

/** The value for people. */
export function settingText({ setting, value }: SettingRow): string {
  return setting.endsWith("Timeout") && typeof value === "number" ? formatDuration(value) : String(value);
}

function profileRows({ profile, readOnlyBy, protectedBy }: ResolvedConfig): SettingRow[] {
  const mark = (setting: string, by: string | undefined): SettingRow[] =>
    by === undefined ? [] : [{ setting, value: true, source: `profile ${by}` }];
  return [
    ...(profile ? [{ setting: "profile", value: profile.name, source: profile.chosenBy }] : []),
    ...mark("readOnly", readOnlyBy),
    ...mark("protected", protectedBy),
  ];
}

function connectionRows({ settings }: ResolvedConfig): SettingRow[] {
  const names = Object.keys(SETTINGS) as SettingName[];
  return names.flatMap((name) => {
    const found = settings.get(name);
    return found ? [{ setting: name, value: shown(name, found.value), source: found.source.text }] : [];
  });
}

function shown(name: SettingName, value: SettingValue): string | number | boolean {
  if (SETTINGS[name].secret) return "***";
  if (typeof value === "string") return withoutPasswords(value);
  if (typeof value !== "object") return value;
  return value
    .map(({ host, port }) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`))
    .join(",");
}

function defaultRows(config: ResolvedConfig, program: Command, env: Io["env"]): SettingRow[] {
  const { layers } = config;
  const rows: SettingRow[] = [];
  const add = (at: Command, path: string): void => {
    for (const { option, texts, source } of optionDefaults(at, path, { layers, env }))
      rows.push({
        setting: `${path} --${flagOf(option)}`.trim(),
        value: withoutPasswords(texts.join(",")),
        source,
      });
  };
  add(program, "");
  for (const command of allCommands(program).values()) {
    const path = commandPath(command);
    add(command, path);
    // A file can give one command its own default of a global option.
    for (const { option, texts, source } of optionDefaults(program, path, { layers, env: {} }))
      rows.push({ setting: `${path} --${flagOf(option)}`, value: withoutPasswords(texts.join(",")), source });
  }
  return rows;
}
