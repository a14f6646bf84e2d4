import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { type ConnectionSettings, describeTarget } from "../redis/settings.ts";
import { type ConfigFile, loadConfigFiles } from "./file.ts";
import { PROFILE_FLAG, refuseContradictions, refuseToLeakSecrets, warningsFor } from "./checks.ts";
import {
  BUILT_IN,
  environmentLayers,
  fileLayer,
  flagLayer,
  hostsOf,
  isOn,
  numberOf,
  overlay,
  textOf,
  type Settings,
  type Sourced,
} from "./layers.ts";
import type { Secrets } from "./secrets.ts";
import type { SettingName } from "./settings.ts";
import { didYouMean } from "./suggest.ts";

/** The settings of one run, each already chosen among flag, environment, profile, file and built-in default. */
export interface ResolvedConfig {
  /** Where to connect, without passwords and certificates: `loadSecrets` adds them when a connection is made. */
  readonly connection: ConnectionSettings;
  readonly secrets: Secrets;
  readonly profile: Profile | undefined;
  /** The dead-letter queue's name for a stream; `{stream}` stands for it. Undefined: `STREAM:dlq`. */
  readonly dlqTemplate: string | undefined;
  /** Every setting that has a value, with where it came from. */
  readonly settings: ReadonlyMap<SettingName, Sourced>;
  readonly files: readonly ConfigFile[];
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
): Promise<ResolvedConfig> {
  const named = (flags["config"] as string | undefined) ?? (io.env["STREAMCTL_CONFIG"] || undefined);
  const files = await loadConfigFiles(named, io);
  const profile = chooseProfile(flags, io, files);
  const settings = layered(flags, io, files, profile?.name);
  addRedisCliAuth(settings, io);
  refuseContradictions(settings);
  refuseToLeakSecrets(settings);
  const connection = connectionOf(settings);
  return {
    connection,
    secrets: secretsOf(settings),
    profile,
    dlqTemplate: textOf(settings, "dlqTemplate"),
    settings,
    files,
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
    dlqTemplate: undefined,
    settings,
    files: [],
    warnings: [],
  };
}

function layered(
  flags: Readonly<Record<string, unknown>>,
  io: Io,
  files: readonly ConfigFile[],
  profile: string | undefined,
): Settings {
  const settings = builtIn();
  for (const file of files) overlay(settings, fileLayer(file, file));
  if (profile !== undefined) {
    for (const file of files) {
      const found = file.profiles.get(profile);
      if (found) overlay(settings, fileLayer(file, found, profile));
    }
  }
  for (const layer of environmentLayers(io.env)) overlay(settings, layer);
  overlay(settings, flagLayer(flags));
  // What a URL or a Sentinel displaced and did not name itself.
  for (const [name, value] of builtIn()) if (!settings.has(name)) settings.set(name, value);
  return settings;
}

function builtIn(): Settings {
  const values = {
    host: "127.0.0.1",
    port: 6379,
    db: 0,
    connectTimeout: 5_000,
    commandTimeout: 10_000,
  } as const;
  const settings: Settings = new Map();
  for (const [name, value] of Object.entries(values))
    settings.set(name as SettingName, { value, source: BUILT_IN });
  return settings;
}

/** A profile counts as read-only or protected when any file says so: a project's file can only tighten. */
function chooseProfile(
  flags: Readonly<Record<string, unknown>>,
  io: Io,
  files: readonly ConfigFile[],
): Profile | undefined {
  const choices: [string | undefined, string][] = [
    [flags["profile"] as string | undefined, PROFILE_FLAG],
    [io.env["STREAMCTL_PROFILE"] || undefined, "env STREAMCTL_PROFILE"],
    ...files.toReversed().map((file): [string | undefined, string] => [file.profile, file.path]),
  ];
  const [name, chosenBy] = choices.find(([choice]) => choice !== undefined) ?? [];
  if (name === undefined || chosenBy === undefined) return undefined;
  const found = files.flatMap((file) => file.profiles.get(name) ?? []);
  if (found.length === 0) {
    const known = [...new Set(files.flatMap((file) => [...file.profiles.keys()]))];
    throw new UsageError(`no profile "${name}" (${chosenBy})${didYouMean(name, known)}`, {
      hint: known.length > 0 ? `profiles are ${known.join(", ")}` : "no configuration file has profiles",
    });
  }
  return {
    name,
    chosenBy,
    readOnly: found.some((one) => one.readOnly),
    protected: found.some((one) => one.protected),
  };
}

/** REDISCLI_AUTH is stronger than profiles and files, weaker than what flags and other variables say. */
function addRedisCliAuth(settings: Settings, io: Io): void {
  const password = io.env["REDISCLI_AUTH"];
  if (!password) return;
  const names = ["password", "passwordFile", "passwordEnv", "askpass"] as const;
  const stronger = names.some((name) => {
    const kind = settings.get(name)?.source.kind;
    return kind === "flag" || kind === "env";
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
