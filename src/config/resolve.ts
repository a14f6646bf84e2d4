import type { Io } from "../io.ts";
import type { ConnectionSettings } from "../redis/settings.ts";

/** The settings of one run, each already chosen among flag, environment, profile, file and built-in default. */
export interface ResolvedConfig {
  readonly connection: ConnectionSettings;
  readonly profile: Profile | undefined;
  /** The dead-letter queue's name for a stream; `{stream}` stands for it. Undefined: `STREAM:dlq`. */
  readonly dlqTemplate: string | undefined;
}

export interface Profile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly protected: boolean;
}

export function resolveConfig(flags: Readonly<Record<string, unknown>>, io: Io): ResolvedConfig {
  const url = new URL(
    (flags["url"] as string | undefined) ??
      io.env["STREAMCTL_URL"] ??
      io.env["REDIS_URL"] ??
      "redis://127.0.0.1:6379",
  );
  return {
    connection: {
      mode: flags["cluster"] === true ? "cluster" : "standalone",
      host: url.hostname,
      port: Number(url.port || 6379),
      db: Number(url.pathname.slice(1) || 0),
      connectTimeoutMs: 5_000,
      commandTimeoutMs: 10_000,
    },
    profile: undefined,
    dlqTemplate: undefined,
  };
}
