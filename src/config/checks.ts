import { UsageError } from "../errors.ts";
import type { ConfigFile } from "./file.ts";
import { isOn, type Settings } from "./layers.ts";
import { type SettingName, SETTINGS, type SettingValue } from "./settings.ts";

/** How a profile is named on the command line, as a source. */
export const PROFILE_FLAG = "flag --profile";

/** Fails with a UsageError that names both sides. */
export function refuseContradictions(settings: Settings): void {
  const has = (name: SettingName): boolean => isOn(settings, name);
  const conflict = (a: SettingName, b: SettingName): UsageError =>
    new UsageError(`${label(settings, a)} and ${label(settings, b)} exclude each other`);
  if (has("cluster") && has("sentinel")) throw conflict("cluster", "sentinel");
  if (has("cluster") && has("path")) throw new UsageError("a cluster can't be reached through a unix socket");
  if (has("cluster") && Number(settings.get("db")?.value) > 0)
    throw new UsageError(`a cluster has database 0 only, and ${label(settings, "db")} names another`);
  if (has("sentinel") && !has("master"))
    throw new UsageError(`${label(settings, "sentinel")} needs the name of a master`, {
      hint: "add --master NAME; `redis-cli -p 26379 sentinel masters` shows the names",
    });
  if (has("cert") !== has("key")) throw new UsageError("--cert and --key go together");
  if (has("tls")) return;
  for (const name of ["cacert", "cert", "key", "sni", "insecure"] as const) {
    if (has(name) && settings.get(name)?.source.kind === "flag")
      throw new UsageError(`--${name} has no meaning without TLS`, { hint: "add --tls or use rediss://" });
  }
}

/**
 * A project's file may say where to connect, but a password from elsewhere does not go there, nor over a
 * connection it made less safe: whoever can write into the folder would collect passwords.
 */
export function refuseToLeakSecrets(settings: Settings): void {
  const foreign = [...settings].find(([name, { source }]) => SETTINGS[name].guards && !source.trusted);
  if (!foreign) return;
  for (const name of ["password", "passwordFile", "passwordEnv", "sentinelPasswordFile"] as const) {
    const secret = settings.get(name);
    if (!secret?.source.trusted || secret.source.kind === "flag") continue;
    const [setting, { source }] = foreign;
    throw new UsageError(
      `the password from ${secret.source.text} is not sent where ${source.text} (${setting}) says`,
      { hint: "name the server with -u, or trust the file with --config ./.streamctl.yaml" },
    );
  }
}

/** What people should know before a connection is made. */
export function warningsFor(
  settings: Settings,
  files: readonly ConfigFile[],
  profile: { readonly name: string; readonly chosenBy: string } | undefined,
  target: string,
): string[] {
  const warnings: string[] = [];
  for (const file of files) {
    const parts = [file, ...file.profiles.values()];
    const holds = parts.some(({ values }) => values.has("password") || hasPassword(values.get("url")));
    if (holds && file.worldReadable)
      warnings.push(`${file.path} holds a password and everyone may read it: chmod 600 it`);
  }
  const host = settings.get(settings.has("sentinel") ? "sentinel" : settings.has("path") ? "path" : "host");
  if (profile?.chosenBy === PROFILE_FLAG && host?.source.kind === "env")
    warnings.push(`${host.source.text} is stronger than profile ${profile.name}: using ${target}`);
  return warnings;
}

function hasPassword(url: SettingValue | undefined): boolean {
  return typeof url === "string" && /:\/\/[^/]*:[^/]*@/.test(url);
}

function label(settings: Settings, name: SettingName): string {
  return `${name} (${settings.get(name)?.source.text ?? "built-in"})`;
}
