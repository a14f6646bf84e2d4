import { UsageError } from "../errors.ts";
import type { ConfigFile } from "./file.ts";
import { isOn, PROFILE_VARIABLE, type Settings } from "./layers.ts";
import { type SettingName, SETTINGS } from "./settings.ts";
import { hasPassword } from "./url.ts";

/** Fails with a UsageError that names both sides. `otherTls`: the command speaks TLS with others than Redis, too. */
export function refuseContradictions(settings: Settings, otherTls: boolean): void {
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
  if (has("master") && !has("sentinel"))
    throw new UsageError(`${label(settings, "master")} needs the Sentinels that know it`, {
      hint: "add --sentinel HOST:PORT,…",
    });
  if (has("natMap") && !has("cluster") && !has("sentinel") && settings.get("natMap")?.source.kind === "flag")
    throw new UsageError("--nat-map is for what a cluster's nodes or Sentinels tell", {
      hint: "add --cluster or --sentinel; one server is named by -H and -p",
    });
  if (has("cert") !== has("key")) throw new UsageError("--cert and --key go together");
  if (has("tls")) return;
  for (const name of ["cacert", "cert", "key", "sni", "insecure"] as const) {
    if (name === "cacert" && otherTls) continue;
    if (has(name) && settings.get(name)?.source.kind === "flag")
      throw new UsageError(`--${name} has no meaning without TLS`, { hint: "add --tls or use rediss://" });
  }
}

/**
 * A project's file may say where to connect, but no secret from elsewhere goes there, typed or not, nor over a
 * connection it made less safe: whoever can write into the folder would collect passwords.
 */
export function refuseToLeakSecrets(settings: Settings): void {
  const foreign = [...settings].find(([name, { source }]) => SETTINGS[name].guards && !source.trusted);
  if (!foreign) return;
  for (const [name, what] of SECRETS) {
    const secret = settings.get(name);
    if (!secret?.source.trusted || !isOn(settings, name)) continue;
    if (name === "cert" && !isOn(settings, "tls")) continue;
    const [setting, { source }] = foreign;
    throw new UsageError(
      `${what} from ${secret.source.text} is not sent where ${source.text} (${setting}) says`,
      {
        hint: "name the server with -u, or trust the file with --config ./.streamctl.yaml",
      },
    );
  }
}

const SECRETS: readonly (readonly [SettingName, string])[] = [
  ["password", "the password"],
  ["passwordFile", "the password"],
  ["passwordEnv", "the password"],
  ["askpass", "the password"],
  ["sentinelPasswordFile", "the Sentinels' password"],
  ["cert", "the client certificate"],
];

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
  if (profile?.chosenBy === PROFILE_VARIABLE && host?.source.kind === "env")
    warnings.push(`${host.source.text} is stronger than profile ${profile.name}: using ${target}`);
  if (settings.get("password")?.source.text === "flag --url")
    warnings.push(
      "-u holds a password, which ps and the shell's history show to others: give it in REDISCLI_AUTH, " +
        "--password-file or a profile",
    );
  return warnings;
}

function label(settings: Settings, name: SettingName): string {
  return `${name} (${settings.get(name)?.source.text ?? "built-in"})`;
}
