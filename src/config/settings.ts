import type { HostPort } from "../redis/settings.ts";
import { parseCount, parseDuration } from "../units.ts";

/** What a setting may hold once it is parsed. Durations are in ms. */
export type SettingValue = string | number | boolean | readonly HostPort[];

interface Kind {
  /** The value, or undefined when the text is none. */
  readonly parse: (text: string) => SettingValue | undefined;
  /** Completes "give …". */
  readonly form: string;
}

/** Not a URL put into the wrong flag: an error about a host shows it, and a URL may hold a password. */
const HOST: Kind = {
  parse: (text) => (/^[^\s/@]+$/.test(text) ? text : undefined),
  form: "a host name or an address; a URL goes to -u/--url",
};
const TEXT: Kind = { parse: (text) => (text === "" ? undefined : text), form: "some text" };
const DURATION: Kind = {
  parse: (text) => positive(parseDuration(text)),
  form: "a duration like 500ms, 5s or 1m",
};
const SWITCH: Kind = { parse: parseSwitch, form: "true or false" };
const PORT: Kind = { parse: (text) => within(parseCount(text), 1, 65_535), form: "a port from 1 to 65535" };
const WHOLE: Kind = { parse: parseCount, form: "a whole number, 0 or more" };
const HOSTS: Kind = { parse: parseHostPorts, form: "host:port, or several of them with commas" };

export interface SettingSpec extends Kind {
  /** The flag's long name without dashes; also gives STREAMCTL_<NAME>. Undefined: not a flag. */
  readonly flag: string | undefined;
  /** Decides where a password goes or how well it is kept on the way there. */
  readonly guards: boolean;
  readonly secret: boolean;
}

function spec(
  kind: Kind,
  flag: string | undefined,
  marks: { guards?: boolean; secret?: boolean } = {},
): SettingSpec {
  return { ...kind, flag, guards: marks.guards ?? false, secret: marks.secret ?? false };
}

const guards = true;

/** Every setting that is not one command's own, under the name it has in a configuration file. */
export const SETTINGS = {
  url: spec(TEXT, "url"),
  host: spec(HOST, "host", { guards }),
  port: spec(PORT, "port", { guards }),
  path: spec(TEXT, undefined, { guards }),
  db: spec(WHOLE, "db"),
  user: spec(TEXT, "user"),
  password: spec(TEXT, undefined, { secret: true }),
  passwordFile: spec(TEXT, "password-file"),
  passwordEnv: spec(TEXT, undefined),
  askpass: spec(SWITCH, "askpass"),
  tls: spec(SWITCH, "tls", { guards }),
  cacert: spec(TEXT, "cacert", { guards }),
  cert: spec(TEXT, "cert", { guards }),
  key: spec(TEXT, "key", { guards }),
  sni: spec(HOST, "sni", { guards }),
  insecure: spec(SWITCH, "insecure", { guards }),
  cluster: spec(SWITCH, "cluster"),
  sentinel: spec(HOSTS, "sentinel", { guards }),
  master: spec(TEXT, "master", { guards }),
  sentinelUser: spec(TEXT, "sentinel-user"),
  sentinelPasswordFile: spec(TEXT, "sentinel-password-file"),
  connectTimeout: spec(DURATION, "connect-timeout"),
  commandTimeout: spec(orZero(DURATION), "command-timeout"),
  dlqTemplate: spec({ parse: parseTemplate, form: "a name with {stream} in it" }, "dlq-template"),
} as const satisfies Record<string, SettingSpec>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** STREAMCTL_CLAIM_IDLE for `claim-idle`. */
export function environmentName(flag: string): string {
  return `STREAMCTL_${flag.replaceAll("-", "_").toUpperCase()}`;
}

/** A command timeout of 0 waits for ever. */
function orZero(kind: Kind): Kind {
  return { parse: (text) => (text === "0" ? 0 : kind.parse(text)), form: `${kind.form}, or 0 for none` };
}

/** The words for yes and no that a person or a YAML file would write. */
export function parseSwitch(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  return undefined;
}

function parseTemplate(text: string): string | undefined {
  return text.includes("{stream}") ? text : undefined;
}

function parseHostPorts(text: string): readonly HostPort[] | undefined {
  const found = text.split(",").map((part) => parseHostPort(part.trim()));
  return found.every((one) => one !== undefined) ? found : undefined;
}

/** `host`, `host:port` or `[::1]:port`; Sentinel's own port is 26379. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]\s]+))(?::(\d+))?$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = within(Number(match?.[3] ?? 26_379), 1, 65_535);
  return host === undefined || port === undefined ? undefined : { host, port };
}

function positive(number: number | undefined): number | undefined {
  return number !== undefined && number > 0 ? number : undefined;
}

function within(number: number | undefined, least: number, most: number): number | undefined {
  return number !== undefined && number >= least && number <= most ? number : undefined;
}
