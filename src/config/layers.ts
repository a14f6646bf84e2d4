import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import type { FileSettings } from "./file-reader.ts";
import type { ConfigFile } from "./file.ts";
import type { HostPort, NatRule } from "../redis/settings.ts";
import {
  environmentName,
  parseHostPort,
  SETTING_NAMES,
  type SettingName,
  SETTINGS,
  type SettingValue,
} from "./settings.ts";
import { parseRedisUrl } from "./url.ts";

/** Where a value came from; `describe` has the words that people read. */
export interface Source {
  readonly kind: "flag" | "env" | "profile" | "file" | "built-in";
  readonly text: string;
  /** False for what a project's file says: see `mayReceiveSecrets`. */
  readonly trusted: boolean;
}

export interface Sourced {
  readonly value: SettingValue;
  readonly source: Source;
  /** The text could not be read. Only what no stronger layer replaces is held against anybody. */
  readonly problem?: UsageError;
}

export type Settings = Map<SettingName, Sourced>;

export const BUILT_IN: Source = { kind: "built-in", text: "built-in", trusted: true };

const ADDRESS: readonly SettingName[] = ["host", "port", "path", "sentinel", "master"];
const PASSWORDS: readonly SettingName[] = ["password", "passwordFile", "passwordEnv", "askpass"];

/**
 * What a value in a stronger layer makes void in the weaker ones. A URL says where and who, so that
 * nothing of another server (its credentials least of all) is mixed into it.
 */
const DISPLACES: Partial<Record<SettingName, readonly SettingName[]>> = {
  url: ["url", ...ADDRESS, ...PASSWORDS, "db", "user", "tls", "sni", "insecure", "cluster", "natMap"],
  host: ["path", "sentinel", "master"],
  port: ["path", "sentinel", "master"],
  sentinel: ["host", "port", "path", "cluster", "natMap"],
  cluster: ["path", "sentinel", "master"],
  password: PASSWORDS,
  passwordFile: PASSWORDS,
  passwordEnv: PASSWORDS,
  askpass: PASSWORDS,
};

const NAMES_SERVER: readonly SettingName[] = ["url", "host", "path", "sentinel"];

/** A port alone names none: it replaces that of a weaker layer's server. */
export function namesServer(layer: { has(name: SettingName): boolean }): boolean {
  return NAMES_SERVER.some((name) => layer.has(name));
}

/** Lays one layer over the weaker ones: its URL first, then what it says more precisely. */
export function overlay(settings: Settings, layer: Settings): void {
  for (const [name, { value }] of layer) {
    if (value === false) continue;
    for (const other of DISPLACES[name] ?? []) settings.delete(other);
  }
  overlayUrl(settings, layer);
  // An address makes void a URL that can't be read, as it does the address of one that can.
  if (namesServer(layer) && !layer.has("url")) settings.delete("url");
  for (const [name, sourced] of layer) {
    // Its parts stand for it, so that none of it is left once a stronger layer replaces a part.
    if (name === "url") continue;
    if (PASSWORDS.includes(name) && sourced.value !== false)
      for (const other of PASSWORDS) settings.delete(other);
    settings.set(name, sourced);
  }
}

function overlayUrl(settings: Settings, layer: Settings): void {
  const found = layer.get("url");
  const url = textOf(layer, "url");
  if (!found || url === undefined) return;
  const { source } = found;
  try {
    const parts = parseRedisUrl(url, source.text);
    for (const [name, value] of Object.entries(parts)) settings.set(name as SettingName, { value, source });
    if (layer.has("host") || layer.has("port")) settings.delete("path");
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    settings.set("url", { ...found, problem: error });
  }
}

/** The layer without what it says about a server. */
export function withoutServer(layer: Settings): Settings {
  const ofServer = new Set(DISPLACES.url);
  return new Map([...layer].filter(([name]) => !ofServer.has(name)));
}

/** The flags that were given, as commander parsed them. */
export function flagLayer(flags: Readonly<Record<string, unknown>>): Settings {
  const layer: Settings = new Map();
  for (const name of SETTING_NAMES) {
    const { flag } = SETTINGS[name];
    if (flag === undefined) continue;
    const value = flags[flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) continue;
    layer.set(name, {
      value: value as SettingValue,
      source: { kind: "flag", text: `flag --${flag}`, trusted: true },
    });
  }
  return layer;
}

/**
 * Kubernetes and Docker set REDIS_PORT=tcp://10.0.0.1:6379 for a service named redis, in every pod. No person
 * chose that, so it is weaker than the files.
 */
export function serviceLinkLayer(env: Io["env"]): Settings {
  const layer: Settings = new Map();
  const link = parseHostPort(SERVICE_LINK.exec(env["REDIS_PORT"] ?? "")?.[1] ?? "");
  if (!link) return layer;
  const source: Source = { kind: "env", text: "env REDIS_PORT", trusted: true };
  layer.set("host", { value: link.host, source });
  layer.set("port", { value: link.port, source });
  return layer;
}

const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\/(.+:\d+)$/i;

/**
 * The environment's layers, the weaker first: REDIS_HOST and REDIS_PORT, REDIS_URL, STREAMCTL_<OPTION>.
 * An empty variable counts as unset. REDISCLI_AUTH is not here: it goes with whatever URL or host the
 * flags and the environment name, as with redis-cli.
 */
export function environmentLayers(env: Io["env"]): Settings[] {
  const generic: Settings = new Map();
  fromVariable(generic, env, "host", "REDIS_HOST");
  fromVariable(generic, env, "port", "REDIS_PORT");
  const url: Settings = new Map();
  fromVariable(url, env, "url", "REDIS_URL");
  const own: Settings = new Map();
  for (const name of SETTING_NAMES) {
    const { flag } = SETTINGS[name];
    if (flag !== undefined) fromVariable(own, env, name, environmentName(flag));
  }
  return [generic, url, own];
}

function fromVariable(layer: Settings, env: Io["env"], name: SettingName, variable: string): void {
  const text = env[variable];
  if (text === undefined || text === "") return;
  // STREAMCTL_PORT may be a link, too, to a service named streamctl, which is no Redis.
  if (name === "port" && SERVICE_LINK.test(text)) return;
  const value = SETTINGS[name].parse(text);
  const source: Source = { kind: "env", text: `env ${variable}`, trusted: true };
  if (value !== undefined) layer.set(name, { value, source });
  else {
    const problem = new UsageError(`${variable}: give ${SETTINGS[name].form}`);
    layer.set(name, { value: "", source, problem });
  }
}

/** One of the places that settings and the defaults of commands come from. */
export type Layer = FilePart | "environment";

/** What a file says, at its top level or in one of its profiles. */
export interface FilePart {
  readonly file: ConfigFile;
  readonly settings: FileSettings;
  readonly profile?: string;
}

/**
 * Where settings and the defaults of commands come from, the weakest first. "environment" stands for all of
 * its variables. What a project's file says about a profile that the user's own file has is weaker than that: it may
 * not lead that profile elsewhere. A typed profile is as strong as what else is typed; one that only the user's own file
 * chooses is weaker than a project's file that names a server.
 */
export function layersOf(
  files: readonly ConfigFile[],
  profile: { readonly name: string; readonly chosenBy: string } | undefined,
): Layer[] {
  const strangersFirst = files.toSorted((a, b) => Number(b.project) - Number(a.project));
  const ofProfile = ({ name }: { name: string }): FilePart[] =>
    strangersFirst.flatMap((file) => {
      const settings = file.profiles.get(name);
      return settings ? [{ file, settings, profile: name }] : [];
    });
  const tops = files.map((file): FilePart => ({ file, settings: file }));
  if (!profile) return [...tops, "environment"];
  const parts = ofProfile(profile);
  if (profile.chosenBy === PROFILE_FLAG) return [...tops, "environment", ...parts];
  const chooser = files.find(({ path }) => path === profile.chosenBy);
  const named = files.some((file) => file.project && namesServer(file.values));
  if (!named || !chooser || chooser.project) return [...tops, ...parts, "environment"];
  const own = (part: FilePart): boolean => !part.file.project;
  const theirs = (part: FilePart): boolean => part.file.project;
  return [
    ...tops.filter(own),
    ...parts.filter(own),
    ...tops.filter(theirs),
    ...parts.filter(theirs),
    "environment",
  ];
}

/** How a profile is named on the command line, as a source. */
export const PROFILE_FLAG = "flag --profile";
/** … and in the environment. */
export const PROFILE_VARIABLE = "env STREAMCTL_PROFILE";

export function fileLayer({ file, settings, profile }: FilePart): Settings {
  const source: Source = {
    kind: profile === undefined ? "file" : "profile",
    text: profile === undefined ? file.path : `profile ${profile} in ${file.path}`,
    trusted: !file.project,
  };
  const layer: Settings = new Map();
  for (const [name, value] of settings.values) layer.set(name, { value, source });
  return layer;
}

export function textOf(settings: Settings, name: SettingName): string | undefined {
  const value = settings.get(name)?.value;
  return typeof value === "string" ? value : undefined;
}

/** A setting that always has a value, its built-in one if no other. */
export function numberOf(
  settings: Settings,
  name: "port" | "db" | "connectTimeout" | "commandTimeout",
): number {
  const value = settings.get(name)?.value;
  if (typeof value !== "number") throw new TypeError(`${name} has no value`);
  return value;
}

export function natMapOf(settings: Settings): readonly NatRule[] | undefined {
  const value = settings.get("natMap")?.value;
  return typeof value === "object" ? (value as readonly NatRule[]) : undefined;
}

export function hostsOf(settings: Settings, name: "sentinel"): readonly HostPort[] | undefined {
  const value = settings.get(name)?.value;
  return typeof value === "object" ? value : undefined;
}

/** True for a setting that has a value other than false. */
export function isOn(settings: Settings, name: SettingName): boolean {
  const value = settings.get(name)?.value;
  return value !== undefined && value !== false;
}
