import { type SettingName, SETTING_NAMES, SETTINGS } from "../config/settings.ts";
import { FORMATS } from "../output/output.ts";
import { type Flag, flag, reader, section, type ValuesOf } from "./flag.ts";

/** The flags that every command takes, in the order of the help text. */
export const COMMON_FLAGS = [
  // Takes any text: a command may have forms of its own, and which one it is, is not known yet (output-forms.ts).
  { ...flag.choice("-o, --output <format>", "output format", FORMATS), read: (text: string) => text },
  flag.switch("--json", "the same as -o json", { asDefault: { not: "--output" } }),
  flag.switch("--no-color", "no colour"),
  flag.switch("--wide", "cut nothing and leave nothing out to fit the terminal"),
  flag.switch("-q, --quiet", "no summaries"),
  flag.switch("-v, --verbose", "more detail, and stack traces of errors"),
  flag.switch("-y, --yes", "answer yes to every question", { defaults: "not in files" }),
] as const;

/** What is listed by `streamctl help connection` alone. */
export const CONNECTION_GROUP = "Connection options:";

const CONFIGURATION_FLAGS = [
  flag.text("--profile <name>", "use this profile of the configuration", { names: "profiles" }),
  flag.text("--config <file>", "read this configuration file instead of the usual ones"),
] as const;

/** Where and how to connect: the same settings that the environment and files have. */
export const CONNECTION_FLAGS: readonly Flag[] = section(CONNECTION_GROUP, [
  ...SETTING_NAMES.flatMap(settingFlag),
  ...CONFIGURATION_FLAGS,
]);

function settingFlag(name: SettingName): Flag[] {
  const { spec, about, default: byDefault, parse, form } = SETTINGS[name];
  if (spec === undefined) return [];
  const marks = byDefault === undefined ? {} : { otherwise: byDefault };
  if (!spec.includes("<")) return [flag.switch(spec, about, marks)];
  return [{ ...flag.text(spec, about, marks), read: reader(parse, form) }];
}

/** What every run function gets besides its own flags. The connection's are settings: see Context.config. */
export type CommonValues = ValuesOf<typeof COMMON_FLAGS> & ValuesOf<typeof CONFIGURATION_FLAGS>;
