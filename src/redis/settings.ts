/** Where and how to connect: what src/config resolves and src/redis/connection uses. Times are in ms. */
export interface ConnectionSettings {
  readonly mode: "standalone" | "cluster" | "sentinel";
  readonly host: string;
  readonly port: number;
  /** A unix socket path; wins over host and port. */
  readonly path?: string | undefined;
  readonly db: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Where the password comes from, for errors: `env REDISCLI_AUTH`. */
  readonly passwordFrom?: string | undefined;
  readonly tls?: TlsSettings | undefined;
  /** Sentinel addresses and the name they watch. */
  readonly sentinels?: readonly HostPort[] | undefined;
  readonly master?: string | undefined;
  /** Credentials for the Sentinels themselves; `username` and `password` are the server's. */
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** Where the addresses that a cluster's nodes and Sentinels tell are reached from here. */
  readonly natMap?: readonly NatRule[] | undefined;
  readonly connectTimeoutMs: number;
  /** How long nothing may move, with a reply due, before a connection counts as dead. 0: never. */
  readonly commandTimeoutMs: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `from` as the servers write it, `host:port`; an IPv6 address without brackets. */
export interface NatRule extends HostPort {
  readonly from: string;
}

export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  readonly insecure: boolean;
}

/** The address for people: never holds a password. */
export function describeTarget(settings: ConnectionSettings): string {
  if (settings.mode === "sentinel") return `${settings.master ?? "?"} (via Sentinel)`;
  if (settings.path !== undefined) return `unix://${settings.path}`;
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  return `${settings.tls ? "rediss" : "redis"}://${host}:${settings.port}${settings.db ? `/${settings.db}` : ""}`;
}
