import { withoutPasswords } from "../lib/secret-text.ts";
import type { HostPort } from "../redis/settings.ts";
import { formatDuration } from "../units.ts";
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

/** The profile and the settings of the connection, in the order of the help text. */
export function settingRows(config: ResolvedConfig): SettingRow[] {
  return [...profileRows(config), ...connectionRows(config)];
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
  return value.map((one) => ("from" in one ? `${one.from}=${address(one)}` : address(one))).join(",");
}

function address({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
