import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { type ConnectionSettings, describeTarget, type HostPort } from "../redis/settings.ts";
import { type ConfigFile, loadConfigFiles } from "./file.ts";
import { refuseContradictions, refuseToLeakSecrets, warningsFor } from "./checks.ts";
import {
  BUILT_IN,
  environmentLayers,
  fileLayer,
  type FilePart,
  flagLayer,
  hostsOf,
  isOn,
  type Layer,
  layersOf,
  namesServer,
  natMapOf,
  numberOf,
  overlay,
  PROFILE_FLAG,
  PROFILE_VARIABLE,
  serviceLinkLayer,
  textOf,
  withoutServer,
  type Settings,
  type Sourced,
} from "./layers.ts";
import type { Secrets } from "./secrets.ts";
import { SETTING_NAMES, type SettingName, SETTINGS } from "./settings.ts";
import { didYouMean } from "./suggest.ts";

/** The settings of one run, each already chosen among flag, environment, profile, file and built-in default. */
export interface ResolvedConfig {
  /** Where to connect, without passwords and certificates: `loadSecrets` adds them when a connection is made. */
  readonly connection: ConnectionSettings;
  readonly secrets: Secrets;
  readonly profile: Profile | undefined;
  /** The name of the profile by which commands that change data refuse. */
  readonly readOnlyBy: string | undefined;
  /** The name of the profile by which they ask for just that name. */
  readonly protectedBy: string | undefined;
  /** The dead-letter queue's name for a stream; `{stream}` stands for it. Undefined: `STREAM:dlq`. */
  readonly dlqTemplate: string | undefined;
  /** Every setting that has a value, with where it came from. */
  readonly settings: ReadonlyMap<SettingName, Sourced>;
  readonly files: readonly ConfigFile[];
  /** Files, profile and environment, the weakest first. */
  readonly layers: readonly Layer[];
  /** What people should know before the run goes on. */
  readonly warnings: readonly string[];
}

export interface Profile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly protected: boolean;
  /** What chose it, in words: `flag --profile`, `env STREAMCTL_PROFILE` or a file. */
  readonly chosenBy: string;
}

/**
 * Resolves the configuration of one run. `flags`: the global options as commander parsed them. Fails with
 * a UsageError for a file, variable or combination that makes no sense.
 */
export async function resolveConfig(
  flags: Readonly<Record<string, unknown>>,
  io: Io,
  { otherTls = false }: { readonly otherTls?: boolean } = {},
): Promise<ResolvedConfig> {
  const named = (flags["config"] as string | undefined) ?? (io.env["STREAMCTL_CONFIG"] || undefined);
  const files = await loadConfigFiles(named, io);
  const profile = chooseProfile(flags, io, files);
  const layers = layersOf(files, profile);
  const settings = layered(flags, io, layers);
  addRedisCliAuth(settings, io, profile);
  refuseContradictions(settings, otherTls);
  refuseToLeakSecrets(settings);
  const connection = connectionOf(settings);
  return {
    connection,
    secrets: secretsOf(settings),
    profile,
    ...guardsOf(files, profile, connection),
    dlqTemplate: textOf(settings, "dlqTemplate"),
    settings,
    files,
    layers,
    warnings: warningsFor(settings, files, profile, describeTarget(connection)),
  };
}

/** The configuration of a command that reads none. */
export function builtInConfig(): ResolvedConfig {
  const settings = builtIn();
  return {
    connection: connectionOf(settings),
    secrets: secretsOf(settings),
    profile: undefined,
    readOnlyBy: undefined,
    protectedBy: undefined,
    dlqTemplate: undefined,
    settings,
    files: [],
    layers: ["environment"],
    warnings: [],
  };
}

function layered(flags: Readonly<Record<string, unknown>>, io: Io, layers: readonly Layer[]): Settings {
  const settings = builtIn();
  overlay(settings, serviceLinkLayer(io.env));
  const afterEnvironment = layers.slice(layers.indexOf("environment") + 1) as FilePart[];
  // A typed profile's server is one of its own: nothing of the environment's is mixed into it.
  const elsewhere = afterEnvironment.some((part) => namesServer(part.settings.values));
  for (const layer of layers) {
    if (layer !== "environment") overlay(settings, fileLayer(layer));
    else for (const one of environmentLayers(io.env)) overlay(settings, elsewhere ? withoutServer(one) : one);
  }
  overlay(settings, flagLayer(flags));
  fillUp(settings);
  for (const { problem } of settings.values()) if (problem) throw problem;
  return settings;
}

/** What a URL or a Sentinel displaced and did not name itself. */
function fillUp(settings: Settings): void {
  for (const [name, value] of builtIn()) if (!settings.has(name)) settings.set(name, value);
}

/**
 * The marks of the profile that is used hold wherever the run goes. Those of any other hold for the server that it names,
 * however that is reached, unless the profile that is used names the same server.
 */
function guardsOf(
  files: readonly ConfigFile[],
  profile: Profile | undefined,
  target: ConnectionSettings,
): Pick<ResolvedConfig, "readOnlyBy" | "protectedBy"> {
  const names = new Set(files.flatMap((file) => [...file.profiles.keys()]));
  const marked = [...names]
    .map((name) => ({ name, ...marksOf(files, name) }))
    .filter(({ name }) => name !== profile?.name);
  const isThere = (name: string): boolean => {
    const server = serverOf(files, name);
    return server !== undefined && isSameServer(server, target);
  };
  const others = profile && isThere(profile.name) ? [] : marked;
  const by = (mark: "readOnly" | "protected"): string | undefined =>
    profile?.[mark] ? profile.name : others.find((one) => one[mark] && isThere(one.name))?.name;
  return { readOnlyBy: by("readOnly"), protectedBy: by("protected") };
}

/** The server that a profile names by itself; undefined when it names none, or not in a way that can be read. */
function serverOf(files: readonly ConfigFile[], name: string): ConnectionSettings | undefined {
  const parts = layersOf(files, { name, chosenBy: PROFILE_FLAG }).filter((part) => part !== "environment");
  if (!parts.some((part) => part.profile === name && namesServer(part.settings.values))) return undefined;
  const settings = builtIn();
  for (const part of parts) overlay(settings, fileLayer(part));
  fillUp(settings);
  return [...settings.values()].some(({ problem }) => problem) ? undefined : connectionOf(settings);
}

/** By what is written: an alias of the same host is another name. The database does not count. */
function isSameServer(a: ConnectionSettings, b: ConnectionSettings): boolean {
  if (a.sentinels ?? b.sentinels) {
    const known = new Set(a.sentinels?.map(addressOf));
    return a.master === b.master && (b.sentinels?.some((one) => known.has(addressOf(one))) ?? false);
  }
  if (a.path ?? b.path) return a.path === b.path;
  return addressOf(a) === addressOf(b);
}

function addressOf({ host, port }: HostPort): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  return `${LOOPBACK.has(name) ? "localhost" : name} ${port}`;
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);

function builtIn(): Settings {
  const settings: Settings = new Map();
  for (const name of SETTING_NAMES) {
    const { default: text, parse } = SETTINGS[name];
    const value = text === undefined ? undefined : parse(text);
    if (value !== undefined) settings.set(name, { value, source: BUILT_IN });
  }
  return settings;
}

function chooseProfile(
  flags: Readonly<Record<string, unknown>>,
  io: Io,
  files: readonly ConfigFile[],
): Profile | undefined {
  const choices: [string | undefined, string][] = [
    [flags["profile"] as string | undefined, PROFILE_FLAG],
    [io.env["STREAMCTL_PROFILE"] || undefined, PROFILE_VARIABLE],
    ...files.toReversed().map((file): [string | undefined, string] => [file.profile, file.path]),
  ];
  const [name, chosenBy] = choices.find(([choice]) => choice !== undefined) ?? [];
  if (name === undefined || chosenBy === undefined) return undefined;
  if (!files.some((file) => file.profiles.has(name))) {
    const known = [...new Set(files.flatMap((file) => [...file.profiles.keys()]))];
    throw new UsageError(`no profile "${name}" (${chosenBy})${didYouMean(name, known)}`, {
      hint: known.length > 0 ? `profiles are ${known.join(", ")}` : "no configuration file has profiles",
    });
  }
  return { name, chosenBy, ...marksOf(files, name) };
}

/** A profile counts as read-only or protected when any file says so: a project's file can only tighten. */
function marksOf(files: readonly ConfigFile[], name: string): Pick<Profile, "readOnly" | "protected"> {
  const found = files.flatMap((file) => file.profiles.get(name) ?? []);
  return {
    readOnly: found.some((one) => one.readOnly),
    protected: found.some((one) => one.protected),
  };
}

/** REDISCLI_AUTH is stronger than files and what profiles they choose, weaker than flags and other variables. */
function addRedisCliAuth(settings: Settings, io: Io, profile: Profile | undefined): void {
  const password = io.env["REDISCLI_AUTH"];
  if (!password) return;
  const names = ["password", "passwordFile", "passwordEnv", "askpass"] as const;
  const typed = profile?.chosenBy === PROFILE_FLAG;
  const stronger = names.some((name) => {
    const kind = settings.get(name)?.source.kind;
    return kind === "flag" || kind === "env" || (typed && kind === "profile");
  });
  if (stronger) return;
  for (const name of names) settings.delete(name);
  settings.set("password", {
    value: password,
    source: { kind: "env", text: "env REDISCLI_AUTH", trusted: true },
  });
}

function connectionOf(settings: Settings): ConnectionSettings {
  const tls = isOn(settings, "tls");
  const path = textOf(settings, "path");
  return {
    mode: modeOf(settings),
    host: textOf(settings, "host") ?? "",
    port: numberOf(settings, "port"),
    path,
    db: numberOf(settings, "db"),
    username: textOf(settings, "user"),
    tls:
      tls && path === undefined
        ? {
            servername: textOf(settings, "sni"),
            insecure: isOn(settings, "insecure"),
          }
        : undefined,
    natMap: natMapOf(settings),
    sentinels: hostsOf(settings, "sentinel"),
    master: textOf(settings, "master"),
    sentinelUsername: textOf(settings, "sentinelUser"),
    connectTimeoutMs: numberOf(settings, "connectTimeout"),
    commandTimeoutMs: numberOf(settings, "commandTimeout"),
  };
}

function modeOf(settings: Settings): ConnectionSettings["mode"] {
  if (settings.has("sentinel")) return "sentinel";
  return isOn(settings, "cluster") ? "cluster" : "standalone";
}

function secretsOf(settings: Settings): Secrets {
  return {
    passwordFrom: passwordFrom(settings),
    password: textOf(settings, "password"),
    passwordFile: textOf(settings, "passwordFile"),
    passwordEnv: textOf(settings, "passwordEnv"),
    ask: isOn(settings, "askpass"),
    sentinelPasswordFile: textOf(settings, "sentinelPasswordFile"),
    cacert: textOf(settings, "cacert"),
    cert: textOf(settings, "cert"),
    key: textOf(settings, "key"),
  };
}

/** `--password-file /run/secrets/redis (profile prod in …)`, `env REDISCLI_AUTH`: never the password itself. */
function passwordFrom(settings: Settings): string | undefined {
  const from = (name: SettingName): string | undefined => settings.get(name)?.source.text;
  if (isOn(settings, "askpass")) return "the terminal";
  if (settings.has("passwordFile")) return `${textOf(settings, "passwordFile")} (${from("passwordFile")})`;
  if (settings.has("passwordEnv")) return `passwordEnv of ${from("passwordEnv")}`;
  return from("password");
}
