import type { HostPort, NatRule } from "../redis/settings.ts";
import { parseCount, parseDuration } from "../units.ts";

/** What a setting may hold once it is parsed. Durations are in ms. */
export type SettingValue = string | number | boolean | readonly HostPort[] | readonly NatRule[];

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
const NAT: Kind = {
  parse: parseNatMap,
  form: "host:port=host:port, or several of them with commas",
};
const HOSTS: Kind = { parse: parseHostPorts, form: "host:port, or several of them with commas" };

export interface Setting extends Kind {
  /** What is typed: `-u, --url <url>`. Undefined: there is no flag. */
  readonly spec: string | undefined;
  /** The flag's long name without dashes; also gives STREAMCTL_<NAME>. */
  readonly flag: string | undefined;
  /** What it is, as help says it. */
  readonly about: string;
  /** What it is when nobody says it, as a flag would have it. */
  readonly default: string | undefined;
  /** Decides where a password goes or how well it is kept on the way there. */
  readonly guards: boolean;
  readonly secret: boolean;
}

/** What a setting is besides its kind. */
interface Marks {
  readonly default?: string;
  readonly guards?: boolean;
  readonly secret?: boolean;
}

function setting(kind: Kind, spec: string, about: string, marks: Marks = {}): Setting {
  return make(kind, { spec, flag: /--([^ ]+)/.exec(spec)?.[1], about }, marks);
}

/** One that only a file, a URL or another program's variable can say. */
function withoutFlag(kind: Kind, marks: Marks = {}): Setting {
  return make(kind, { spec: undefined, flag: undefined, about: "" }, marks);
}

function make(kind: Kind, flag: Pick<Setting, "spec" | "flag" | "about">, marks: Marks): Setting {
  return {
    ...kind,
    ...flag,
    default: marks.default,
    guards: marks.guards ?? false,
    secret: marks.secret ?? false,
  };
}

const guards = true;

/** Every setting that is not one command's own, under the name it has in a configuration file. */
export const SETTINGS = {
  url: setting(
    TEXT,
    "-u, --url <url>",
    "redis://[user:pass@]host:port/db, rediss:// (TLS), unix:///path?db=2",
  ),
  host: setting(HOST, "-H, --host <host>", "server", { default: "127.0.0.1", guards }),
  port: setting(PORT, "-p, --port <port>", "port", { default: "6379", guards }),
  path: withoutFlag(TEXT, { guards }),
  db: setting(WHOLE, "-n, --db <number>", "database number", { default: "0" }),
  user: setting(TEXT, "--user <name>", "ACL user"),
  password: withoutFlag(TEXT, { secret: true }),
  passwordFile: setting(TEXT, "--password-file <file>", "file whose first line is the password"),
  passwordEnv: withoutFlag(TEXT),
  askpass: setting(SWITCH, "--askpass", "ask for the password on the terminal"),
  tls: setting(SWITCH, "--tls", "use TLS", { guards }),
  cacert: setting(TEXT, "--cacert <file>", "CA certificates to trust (PEM)", { guards }),
  cert: setting(TEXT, "--cert <file>", "client certificate (PEM)", { guards }),
  key: setting(TEXT, "--key <file>", "its private key (PEM)", { guards }),
  sni: setting(HOST, "--sni <host>", "host name to ask for and to check in TLS", { guards }),
  insecure: setting(SWITCH, "--insecure", "do not check the server's certificate", { guards }),
  cluster: setting(SWITCH, "--cluster", "the server is a Redis Cluster"),
  sentinel: setting(HOSTS, "--sentinel <host:port,…>", "ask these Sentinels for the master", { guards }),
  master: setting(TEXT, "--master <name>", "the master's name there", { guards }),
  natMap: setting(NAT, "--nat-map <from=to,…>", "where addresses that nodes or Sentinels tell are reached", {
    guards,
  }),
  sentinelUser: setting(TEXT, "--sentinel-user <name>", "ACL user for the Sentinels themselves"),
  sentinelPasswordFile: setting(TEXT, "--sentinel-password-file <file>", "file with their password"),
  connectTimeout: setting(DURATION, "--connect-timeout <duration>", "give up connecting after that long", {
    default: "5s",
  }),
  commandTimeout: setting(
    orZero(DURATION),
    "--command-timeout <duration>",
    "a silent server is dead after that long",
    { default: "10s" },
  ),
  dlqTemplate: setting(
    { parse: parseTemplate, form: "a name with {stream} in it" },
    "--dlq-template <name>",
    "names dead-letter queues; {stream} stands for the stream",
  ),
} as const satisfies Record<string, Setting>;

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

function parseNatMap(text: string): readonly NatRule[] | undefined {
  const found = text.split(",").map((part): NatRule | undefined => {
    const [from, to, ...more] = part.split("=").map((side) => hostAndPort(side.trim()));
    if (from === undefined || to === undefined || more.length > 0) return undefined;
    return { from: `${from.host}:${from.port}`, ...to };
  });
  return found.every((one) => one !== undefined) ? found : undefined;
}

/** With a port: there is no usual one for the nodes of a cluster. */
function hostAndPort(text: string): HostPort | undefined {
  return /[^:]:\d+$/.test(text.replace(/^\[.*\]/, "ip")) ? parseHostPort(text) : undefined;
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
