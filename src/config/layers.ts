import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import type { FileSettings } from "./file-reader.ts";
import type { ConfigFile } from "./file.ts";
import type { HostPort } from "../redis/settings.ts";
import { environmentName, SETTING_NAMES, type SettingName, SETTINGS, type SettingValue } from "./settings.ts";
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
  url: [...ADDRESS, ...PASSWORDS, "db", "user", "tls", "sni", "insecure", "cluster"],
  host: ["path", "sentinel", "master"],
  port: ["path", "sentinel", "master"],
  sentinel: ["host", "port", "path", "cluster"],
  cluster: ["path", "sentinel", "master"],
  password: PASSWORDS,
  passwordFile: PASSWORDS,
  passwordEnv: PASSWORDS,
  askpass: PASSWORDS,
};

/** Lays one layer over the weaker ones: its URL first, then what it says more precisely. */
export function overlay(settings: Settings, layer: Settings): void {
  for (const [name, { value }] of layer) {
    if (value === false) continue;
    for (const other of DISPLACES[name] ?? []) settings.delete(other);
  }
  const url = textOf(layer, "url");
  const source = layer.get("url")?.source;
  if (url !== undefined && source) {
    for (const [name, value] of Object.entries(parseRedisUrl(url, source.text)))
      settings.set(name as SettingName, { value, source });
    if (layer.has("host") || layer.has("port")) settings.delete("path");
  }
  for (const [name, sourced] of layer) {
    // Its parts stand for it, so that none of it is left once a stronger layer replaces a part.
    if (name === "url") continue;
    if (PASSWORDS.includes(name) && sourced.value !== false)
      for (const other of PASSWORDS) settings.delete(other);
    settings.set(name, sourced);
  }
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
  const value = SETTINGS[name].parse(text);
  if (value === undefined) throw new UsageError(`${variable}: give ${SETTINGS[name].form}`);
  layer.set(name, { value, source: { kind: "env", text: `env ${variable}`, trusted: true } });
}

/** The layer of a file's own settings, or of one of its profiles. */
export function fileLayer(file: ConfigFile, settings: FileSettings, profile?: string): Settings {
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

export function hostsOf(settings: Settings, name: "sentinel"): readonly HostPort[] | undefined {
  const value = settings.get(name)?.value;
  return typeof value === "object" ? value : undefined;
}

/** True for a setting that has a value other than false. */
export function isOn(settings: Settings, name: SettingName): boolean {
  const value = settings.get(name)?.value;
  return value !== undefined && value !== false;
}
